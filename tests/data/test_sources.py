import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
from PIL import Image

from gan_jax.config import Dataset
from gan_jax.data import toys
from gan_jax.data.feed import read_all
from gan_jax.data.folder import Folder
from gan_jax.data.sources import announce, open_source
from gan_jax.errors import UsageError


def save(folder, name, value, size=(6, 6)):
    path = pathlib.Path(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(path)


@pytest.fixture
def pets(tmp_path):
    """Two classes, odd endings, and files that are no images."""
    folder = tmp_path / "pets"
    save(folder, "dogs/1.png", 10)
    save(folder, "cats/2.JPG", 200, size=(9, 5))
    save(folder, "cats/deep/1.webp", 100)
    save(folder, "cats/.hidden.png", 0)
    save(folder, "__MACOSX/cats/2.png", 0)
    (folder / "cats" / "notes.txt").write_text("not an image")
    return folder


def zipped(folder, prefix=""):
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, prefix + file.relative_to(folder).as_posix())
    return path


def test_digits_are_the_real_ones():
    source = open_source(Dataset(name="digits"))
    assert (len(source), source.shape, source.num_classes) == (1797, (8, 8, 1), 10)
    first = source.read(np.array([0]))
    assert first["label"] == [0]
    assert first["image"][0, 0, :, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]
    assert read_all(source)["image"].dtype == np.uint8


def test_digits_in_another_size_and_in_color():
    source = open_source(Dataset(name="digits", image_size=16, channels=3))
    assert source.shape == (16, 16, 3)


@pytest.mark.parametrize("make", [lambda folder: folder, zipped, lambda f: zipped(f, "top/")])
def test_a_folder_or_zip_gives_images_and_classes(pets, make):
    source = open_source(Dataset(name=f"folder:{make(pets)}", image_size=4, channels=1))
    assert [name.split("/")[-1] for name in source.names] == ["2.JPG", "1.webp", "1.png"]
    assert source.classes == ("cats", "dogs")
    assert source.num_classes == 2
    everything = read_all(source)
    assert everything["label"].tolist() == [0, 0, 1]
    assert everything["image"].shape == (3, 4, 4, 1)
    assert np.abs(everything["image"][:, 0, 0, 0] - np.array([200.0, 100, 10])).max() <= 2


def test_the_start_says_what_a_folder_holds(pets, caplog):
    save(pets, "stray.png", 0)
    with caplog.at_level("INFO", "gan_jax"):
        dataset = Dataset(name=f"folder:{pets}", image_size=4)
        announce(open_source(dataset), dataset.name)
    line, warning = (record.getMessage() for record in caplog.records)
    assert line == (
        f"folder:{pets}: 3 images of 2 classes (cats 2, dogs 1); classes by folders; left out: "
        "1 .txt files, 1 images beside the folders of classes, 2 hidden"
    )
    assert warning.endswith(": stray.png lies beside the folders of classes and is left out")


@pytest.mark.parametrize("kind", ["directory", "zip"])
def test_a_source_travels_to_another_process(pets, kind):
    source = Folder(str(pets if kind == "directory" else zipped(pets)), 4, 3)
    expected = source.read(np.array([2, 0]))
    again = pickle.loads(pickle.dumps(source)).read(np.array([2, 0]))
    assert np.array_equal(again["image"], expected["image"])


def refused(**dataset):
    with pytest.raises(UsageError) as refusal:
        read_all(open_source(Dataset(**dataset)))
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_folders_that_cannot_be_used(tmp_path, pets):
    assert "no such directory or zip" in refused(name="folder:/nowhere", image_size=8)
    (tmp_path / "empty").mkdir()
    assert "holds no files" in refused(name=f"folder:{tmp_path / 'empty'}", image_size=8)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    said = refused(name=f"folder:{tmp_path / 'texts'}", image_size=8)
    assert "1 files, none of them an image" in said
    assert "neither a directory nor a readable zip" in refused(
        name=f"folder:{tmp_path / 'texts' / 'a.txt'}", image_size=8
    )
    assert "config.dataset.image_size=0" in refused(name=f"folder:{pets}")


def test_a_truncated_image_is_named(pets):
    victim = pets / "dogs" / "1.png"
    victim.write_bytes(victim.read_bytes()[:40])
    assert f"{victim}: truncated or damaged" in refused(name=f"folder:{pets}", image_size=8)


def test_names_that_cannot_be_printed_are_read_and_said_in_one_line(pets):
    """Of files that an older system has named, in Latin-1; or somebody's script, by mistake."""
    victim = pets / "dogs" / os.fsdecode(b"\xe9\n.png")
    (pets / "dogs" / "1.png").rename(victim)
    source = Folder(str(pets), 4, 3)
    assert len(read_all(source)["image"]) == len(source)
    assert len(source.fingerprint()) == 64
    victim.write_bytes(b"none")
    said = refused(name=f"folder:{pets}", image_size=8)
    assert rf"{pets}/dogs/\udce9\n.png: " in said
    assert said.isprintable()


def test_damaged_zips_are_refused_whatever_their_damage(pets):
    path = zipped(pets)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(200):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), 8):
            damaged[position] = rng.integers(0, 256)
        path.write_bytes(bytes(damaged))
        try:
            read_all(Folder(str(path), 4, 3))
            outcomes.add("read")
        except UsageError as error:
            outcomes.add(f"refused in {len(str(error).splitlines())} line")
    assert outcomes == {"read", "refused in 1 line"}


def test_a_fingerprint_changes_with_the_files(pets):
    def of(path):
        return Folder(str(path), 4, 3).fingerprint()

    first = of(pets)
    assert of(pets) == first == of(zipped(pets))
    save(pets, "dogs/2.png", 20)
    second = of(pets)
    (pets / "dogs" / "2.png").rename(pets / "dogs" / "0.png")
    assert len({first, second, of(pets)}) == 3


def test_unknown_names_are_answered_with_those_that_exist():
    said = refused(name="digts")
    assert "did you mean digits?" in said
    assert "tfds:NAME" in said
    assert "did you mean mnist?" in refused(name="tfds:mnst")
    assert "has no images" in refused(name="tfds:imdb_reviews")
    for name in ("mnist:9.9.9", "mnist/foo", "mnist:", "foo bar", "/etc", "../mnist"):
        assert f"config.dataset.name='tfds:{name}': TFDS " in refused(name=f"tfds:{name}")


def test_an_unprepared_set_is_answered_with_the_command_that_prepares_it(tmp_path):
    said = refused(name="tfds:mnist", data_dir=str(tmp_path))
    assert f"not prepared in {tmp_path}/mnist" in said
    assert "python launch.py --mode=prepare --config=" in said
    assert f"--config.dataset.name=tfds:mnist --config.dataset.data_dir={tmp_path}" in said


def test_images_that_differ_in_size_need_a_size(tmp_path):
    said = refused(name="tfds:cats_vs_dogs", data_dir=str(tmp_path))
    assert "config.dataset.image_size=0: the images of cats_vs_dogs differ in size" in said


@pytest.mark.parametrize(
    ("name", "split", "shape", "size"),
    [("mnist", "train", (28, 28, 1), 60_000), ("cifar10", "test", (32, 32, 3), 10_000)],
)
def test_real_tfds_sets(real_data, name, split, shape, size):
    where = str(real_data / "tfds")
    source = open_source(Dataset(name=f"tfds:{name}", split=split, data_dir=where))
    assert (len(source), source.shape, source.num_classes) == (size, shape, 10)
    some = source.read(np.arange(0, size, size // 50))
    assert some["image"].std() > 50
    assert len(set(some["label"].tolist())) == 10
    again = pickle.loads(pickle.dumps(source)).read(np.arange(0, size, size // 50))
    assert np.array_equal(some["image"], again["image"])


def test_a_set_prepared_without_random_access_is_refused(real_data, tmp_path):
    there = tmp_path / "mnist" / "3.0.1"
    there.mkdir(parents=True)
    for name in ("dataset_info.json", "features.json"):
        text = (real_data / "tfds" / "mnist" / "3.0.1" / name).read_text()
        (there / name).write_text(text.replace("array_record", "tfrecord"))
    said = refused(name="tfds:mnist", data_dir=str(tmp_path))
    assert "in a format without random access" in said
    assert "--mode=prepare" in said


def test_real_mnist_slices_sizes_and_wrong_splits(real_data):
    where = str(real_data / "tfds")
    source = open_source(
        Dataset(name="tfds:mnist", split="test[:1%]", data_dir=where, image_size=32, channels=3)
    )
    assert (len(source), source.shape) == (100, (32, 32, 3))
    said = refused(name="tfds:mnist", split="trian", data_dir=where)
    assert "mnist has train | test" in said


def test_real_faces(real_data):
    path = real_data / "faces" / "lfw-faces-64.zip"
    source = open_source(Dataset(name=f"folder:{path}", image_size=64))
    assert (len(source), source.shape, source.num_classes) == (7701, (64, 64, 3), 0)
    assert source.read(np.array([0, 7700]))["image"].std() > 30


def test_toys_have_the_moments_of_their_densities():
    line = toys.gaussian_1d()
    assert line.mean() == pytest.approx(toys.GAUSSIAN_MEAN, abs=0.01)
    assert line.std() == pytest.approx(toys.GAUSSIAN_STD, abs=0.01)
    x = np.linspace(-4, 6, 1001)
    assert np.trapezoid(toys.gaussian_1d_density(x), x) == pytest.approx(1, abs=1e-6)
    for name, count in (("ring_2d", 8), ("grid_2d", 25)):
        centers, std = toys.MODES[name]
        points = toys.mixture(name)
        distance = np.linalg.norm(points[:, None] - centers()[None], axis=-1)
        assert (
            np.bincount(distance.argmin(1), minlength=count).tolist() == [100_000 // count] * count
        )
        per_axis = np.sqrt((distance.min(1) ** 2).mean() / 2)
        assert per_axis == pytest.approx(std, rel=0.01)


def test_toys_are_the_same_in_every_run():
    assert np.array_equal(toys.mixture("ring_2d"), toys.mixture("ring_2d"))

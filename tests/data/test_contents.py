"""What a folder is, is told by the bytes of its files, which are read once."""

import os
import pathlib
import shutil
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import contents, identity
from gan_jax.data.files import Directory
from gan_jax.data.folder import Folder
from gan_jax.errors import UsageError


def write(folder, low, high, names=range(8)):
    """Uncompressed PNGs of one size, as StyleGAN's tools write them: all have as many bytes."""
    rng = np.random.default_rng(low)
    folder.mkdir(exist_ok=True)
    for i in names:
        pixels = rng.integers(low, high, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png", compress_level=0)


def age(folder, seconds=60):
    """Make files look old enough to be remembered."""
    then = time.time() - seconds
    for path in folder.rglob("*.png"):
        os.utime(path, (then, then))


def opened(path, **settings):
    return Folder(str(path), 16, 3, **settings)


def test_other_pixels_under_the_same_names_and_sizes_are_other_data(tmp_path):
    write(tmp_path / "a", 0, 60)
    dark = opened(tmp_path / "a").fingerprint()
    write(tmp_path / "a", 190, 256)
    assert opened(tmp_path / "a").fingerprint() != dark


@pytest.mark.parametrize("restore", ["mtime", "racy"])
def test_a_change_that_hides_its_time_is_noticed(tmp_path, restore, monkeypatch):
    """A file system's clock is coarse, and tools set the time of modification as they like."""
    folder = tmp_path / "a"
    write(folder, 0, 60)
    age(folder)
    if restore == "mtime":  # else the files are too new to be remembered
        monkeypatch.setattr(contents, "_RECENT_NS", -(10**9))
    first = opened(folder).fingerprint()
    times = (folder / "3.png").stat()
    write(folder, 190, 256, names=[3])
    os.utime(folder / "3.png", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert opened(folder).fingerprint() != first


def test_a_place_is_no_part_of_what_a_folder_is(tmp_path):
    write(tmp_path / "a", 0, 60)
    first = opened(tmp_path / "a").fingerprint()
    shutil.copytree(tmp_path / "a", tmp_path / "elsewhere" / "b")
    assert opened(tmp_path / "elsewhere" / "b").fingerprint() == first
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in sorted((tmp_path / "a").iterdir()):
            archive.write(file, f"top/{file.name}")
    assert opened(tmp_path / "a.zip").fingerprint() == first


def test_all_that_decides_the_pixels_and_the_labels_is_part_of_it(tmp_path):
    for kind in ("cat", "dog"):
        write(tmp_path / kind, 0, 60, names=range(2))
    path = str(tmp_path)
    hashes = {
        Folder(path, 16, 3).fingerprint(),
        Folder(path, 8, 3).fingerprint(),
        Folder(path, 16, 1).fingerprint(),
        Folder(path, 16, 3, labels="none").fingerprint(),
    }
    assert len(hashes) == 4


def test_files_that_have_not_changed_are_not_read_again(tmp_path, cache, monkeypatch):
    folder = tmp_path / "a"
    write(folder, 0, 60)
    age(folder)
    monkeypatch.setattr(contents, "_RECENT_NS", -(10**9))
    read = []
    look = contents._look
    monkeypatch.setattr(contents, "_look", lambda *of: read.append(of[1]) or look(*of))
    first = opened(folder).fingerprint()
    assert sorted(read) == [f"{i}.png" for i in range(8)]
    assert opened(folder).fingerprint() == first
    assert len(read) == 8
    write(folder, 190, 256, names=[3, 8])
    second = opened(folder).fingerprint()
    assert sorted(read[8:]) == ["3.png", "8.png"]
    memory = contents._memory(folder)
    assert memory.is_relative_to(cache)
    shutil.rmtree(cache / "contents")
    assert opened(folder).fingerprint() == second
    memory.write_bytes(memory.read_bytes()[:-40])  # damaged: all is read again
    assert opened(folder).fingerprint() == second
    assert len(read) == 8 + 2 + 9 + 9


def test_deep_images_are_scaled_alike_and_that_is_said(tmp_path):
    for i, white in enumerate((4095, 700)):
        values = np.full((16, 16), white, np.uint16)
        Image.fromarray(values).save(tmp_path / f"{i}.png")
    folder = opened(tmp_path)
    assert folder.read(np.arange(2))["image"][:, 0, 0, 0].tolist() == [255, 43]
    assert folder.warnings() == ["the images of 16 bits use 12 of them, so 4095 is read as white"]


def run_of(folder, directory):
    directory.mkdir(exist_ok=True)
    identity.write_files(folder, directory)
    return identity.record(folder)


def test_changed_data_are_refused_with_what_has_changed(tmp_path):
    write(tmp_path / "a", 0, 60)
    run = tmp_path / "run"
    recorded = run_of(opened(tmp_path / "a"), run)
    identity.check(opened(tmp_path / "a"), recorded, run)
    (tmp_path / "a").rename(tmp_path / "b")  # moved, and still the same
    identity.check(opened(tmp_path / "b"), recorded, run)
    write(tmp_path / "b", 190, 256, names=[0, 1, 2, 3, 9])
    (tmp_path / "b" / "7.png").unlink()
    with pytest.raises(UsageError) as refusal:
        identity.check(opened(tmp_path / "b"), recorded, run)
    assert (
        "1 file added (9.png), 1 file removed (7.png), 4 files changed (0.png, 1.png, 2.png, ...)"
        in str(refusal.value)
    )


def test_other_classes_of_the_same_files_are_refused(tmp_path):
    for kind in ("cat", "dog"):
        (tmp_path / "a").mkdir(exist_ok=True)
        write(tmp_path / "a" / kind, 0, 60, names=range(2))
    run = tmp_path / "run"
    recorded = run_of(opened(tmp_path / "a"), run)
    with pytest.raises(UsageError, match="not their classes or how they are read"):
        identity.check(opened(tmp_path / "a", labels="none"), recorded, run)


def test_without_the_list_of_files_changed_data_are_refused_all_the_same(tmp_path):
    write(tmp_path / "a", 0, 60)
    run = tmp_path / "run"
    recorded = run_of(opened(tmp_path / "a"), run)
    write(tmp_path / "a", 190, 256)
    for damage in (b"", b"\x1f\x8b\x08", None):
        if damage is None:
            (run / "data_files.txt.gz").unlink()
        else:
            (run / "data_files.txt.gz").write_bytes(damage)
        with pytest.raises(UsageError, match="8 examples then, 8 now, and others"):
            identity.check(opened(tmp_path / "a"), recorded, run)


def test_runs_of_an_older_version_go_on_with_a_warning(tmp_path, caplog):
    write(tmp_path / "a", 0, 60)
    older = {"examples": 8, "sha256": "of names and sizes"}
    identity.check(opened(tmp_path / "a"), older, tmp_path)
    assert "whether they have changed is not known" in caplog.text
    with pytest.raises(UsageError, match="began with 9 examples, and there are 8 now"):
        identity.check(opened(tmp_path / "a"), {"examples": 9, "sha256": ""}, tmp_path)


def test_names_of_any_bytes_are_recorded(tmp_path):
    folder = tmp_path / "a"
    write(folder, 0, 60, names=range(1))
    (folder / "0.png").rename(pathlib.Path(os.fsdecode(os.fsencode(folder) + b"/\xff\n.png")))
    recorded = run_of(opened(folder), tmp_path / "run")
    identity.check(opened(folder), recorded, tmp_path / "run")
    assert len(Directory(folder).list().names) == 1


def test_the_contents_of_a_prepared_set_are_its_identity(real_data, tmp_path):
    from gan_jax.data.tfds import Tfds

    shutil.copytree(real_data / "tfds" / "mnist", tmp_path / "mnist")

    def of(split="test", size=0, where=tmp_path):
        return Tfds("mnist", split, str(where), size, 0).fingerprint()

    first = of()
    assert of(where=real_data / "tfds") == first
    assert len({first, of("test[:50%]"), of("train"), of(size=32)}) == 4
    (shard,) = tmp_path.rglob("mnist-test.array_record*")
    shard.chmod(0o644)
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    assert of() != first


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[-1.0, 1.0]], "hold values from -1 to 1; 0 is read as black and 1 as white"),
        ([[0.0, 0.01]], "hold values from 0 to 0.01;"),
        ([[0.0, 200.0]], "hold values from 0 to 200; 0 is read as black and 255 as white"),
    ],
)
def test_floating_point_images_of_another_range_are_warned_of(tmp_path, values, said):
    Image.fromarray(np.float32(values)).save(tmp_path / "x.tif")
    assert said in opened(tmp_path).warnings()[0]


@pytest.mark.parametrize("ending", ["ppm", "pgm"])
def test_dark_images_of_16_bits_that_pillow_scales_are_warned_of(tmp_path, ending):
    kind, channels = {"ppm": (b"P6", 3), "pgm": (b"P5", 1)}[ending]
    pixels = np.full(channels, 4095, ">u2").tobytes()
    (tmp_path / f"x.{ending}").write_bytes(kind + b" 1 1 65535\n" + pixels)
    assert "of 65535 and so come out dark" in opened(tmp_path).warnings()[0]


def test_files_of_a_moment_ago_are_read_again_without_a_word(tmp_path, caplog):
    write(tmp_path, 0, 60)
    first = opened(tmp_path).fingerprint()
    assert opened(tmp_path).fingerprint() == first
    assert not caplog.records


def test_a_large_file_is_hashed_whole_whatever_the_limit(tmp_path):
    data = bytes(4 * 10**6)
    (tmp_path / "0.png").write_bytes(data + b"0")
    (tmp_path / "1.png").write_bytes(data + b"1")
    hashes = opened(tmp_path, max_megapixels=1).hashes()
    assert hashes == opened(tmp_path).hashes()
    assert len(set(hashes.values())) == 2


def test_other_names_of_classes_are_refused(tmp_path):
    for kind in ("cat", "dog"):
        (tmp_path / "a").mkdir(exist_ok=True)
        write(tmp_path / "a" / kind, 0, 60, names=range(2))
    run = tmp_path / "run"
    recorded = run_of(opened(tmp_path / "a"), run)
    (tmp_path / "a" / "cat").rename(tmp_path / "a" / "chat")
    with pytest.raises(UsageError, match=r"classes have other names \(cat is now chat\)"):
        identity.check(opened(tmp_path / "a"), recorded, run)

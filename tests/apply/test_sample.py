"""--mode=sample: what is asked for is where it was asked for, and mistakes are told in a line."""

import numpy as np
import pytest
from PIL import Image

from gan_jax import workdir
from gan_jax.apply import photos
from gan_jax.apply import sample as module
from gan_jax.apply.options import Options
from gan_jax.apply.sample import sample
from gan_jax.apply.sampler import Made, Sampler
from gan_jax.apply.trained import open_trained
from gan_jax.data.class_names import directory_name
from gan_jax.data.sources import Arrays
from gan_jax.errors import UsageError
from gan_jax.evaluate import mode
from gan_jax.evaluate.evaluator import Evaluator
from gan_jax.report import pictures
from support import CLASSES, conditional_config, untrained_run


def make(directory, **options):
    sample(workdir.own_config(directory), directory, "latest", Options(**options))


def test_a_grid_goes_into_the_runs_directory(run, trained, capsys):
    make(run, num_samples=10, seed=4)
    expected = pictures.tile(Sampler(trained, 4, [0]).some(10).image)
    with Image.open(run / "sample.png") as grid:
        difference = np.asarray(grid).astype(int) - expected
    assert np.abs(difference).max() <= 1
    assert f"10 samples of step 6 (ema): {run / 'sample.png'}" in capsys.readouterr().out


def test_arrays_hold_the_images_and_where_they_come_from(conditional_run, conditional, tmp_path):
    make(conditional_run, num_samples=45, out=str(tmp_path / "new" / "s.npz"), label="1,8")
    made = Sampler(conditional, 0, [1, 8]).some(45)
    with np.load(tmp_path / "new" / "s.npz") as saved:
        assert set(saved) == {"image", "label", "z", "classes"}
        np.testing.assert_array_equal(saved["label"], [1, 8] * 22 + [1])
        np.testing.assert_array_equal(saved["z"], made.z)
        assert saved["classes"].tolist() == list("0123456789")
        assert np.abs(saved["image"].astype(int) - made.image).max() <= 1


def test_files_are_what_evaluate_reads(conditional_run, conditional, tmp_path):
    """A folder for each class, which the folder source takes for classes."""
    from gan_jax.data.folder import Folder

    make(conditional_run, num_samples=42, out=str(tmp_path / "s"), label="2,6")
    folder = Folder(str(tmp_path / "s"), 8, 1)
    assert (len(folder), folder.classes) == (42, ("2", "6"))
    made = Sampler(conditional, 0, [2, 6]).some(42).image
    twos = folder.read(np.arange(21))["image"]
    assert np.abs(twos.astype(int) - made[::2]).max() <= 1


def test_directories_are_named_by_classes_and_read_back(named_run, tmp_path, capsys):
    sample(
        workdir.own_config(named_run), named_run, "0", Options(num_samples=24, out=f"{tmp_path}/s")
    )
    folders = [path.name for path in (tmp_path / "s").iterdir()]
    assert sorted(folders) == sorted(map(directory_name, CLASSES))
    assert "T-shirt%2Ftop" in folders
    assert {len(list((tmp_path / "s" / name).iterdir())) for name in folders} == {2}
    trained = open_trained(workdir.own_config(named_run), named_run, "0")
    made = Sampler(trained, 0, list(range(12))).some(24)
    found = photos.read(trained, Options(num_samples=24, images=f"{tmp_path}/s"))
    for name, image, label in zip(found.name, found.image, found.label, strict=True):
        number = int(name[-10:-4])
        assert label == made.label[number] == number % 12, name
        assert np.abs(image.astype(int) - made.image[number]).max() <= 1
    assert r"24 samples of classes airplane, T-shirt/top, " in capsys.readouterr().out


@pytest.mark.parametrize("label", ["..", "red, blue", "CON", "11"])
def test_one_class_alone_is_read_back_too(named_run, tmp_path, label):
    options = Options(num_samples=3, label=label, out=f"{tmp_path}/s")
    sample(workdir.own_config(named_run), named_run, "0", options)
    trained = open_trained(workdir.own_config(named_run), named_run, "0")
    expected = 11 if label == "11" else CLASSES.index(label)
    found = photos.read(trained, Options(images=f"{tmp_path}/s"))
    assert found.label.tolist() == 3 * [expected]


@pytest.mark.parametrize("classes", [CLASSES, tuple(map(str, range(12)))])
@pytest.mark.parametrize("written", [range(12), (2, 7, 10)])
def test_evaluate_gives_back_the_labels_of_what_sample_writes(tmp_path, classes, written):
    """Copies of the data score as copies, class by class; in any other order they would not."""
    label = np.arange(240, dtype=np.int32) % 12
    noise = np.random.default_rng(0).integers(0, 9, (240, 8, 8, 1), np.uint8)
    source = Arrays(noise + (20 * label).astype(np.uint8)[:, None, None, None], label, classes)
    chosen = np.isin(label, written)
    made = Made(source.images[chosen], label[chosen], np.zeros((chosen.sum(), 8), np.float32))
    module._save_files(iter([made]), tmp_path, classes)
    config = conditional_config()
    config.eval.num_samples = config.eval.kept = 240
    row = mode._score_images(str(tmp_path), False, config, Evaluator(config, source), source)
    assert row["intra_fid"] == pytest.approx(0, abs=1e-6)
    assert row["intra_fid_classes"] == len(written)


def test_names_of_other_layouts_are_classes_all_the_same(tmp_path):
    """Folders of images may be named so where they are parts or splits of one set."""
    for names in (("00001", "00000"), ("train", "test"), ("__MACOSX", ".git")):
        directory = untrained_run(tmp_path / names[0], names)
        config, out = workdir.own_config(directory), tmp_path / f"of {names[0]}"
        sample(config, directory, "0", Options(num_samples=4, out=str(out)))
        found = photos.read(open_trained(config, directory, "0"), Options(images=str(out)))
        assert sorted(found.label.tolist()) == [0, 0, 1, 1]
        numbers = [int(name[-10:-4]) for name in found.name]
        assert [number % 2 for number in numbers] == found.label.tolist()


def test_several_values_make_a_sheet(run, tmp_path):
    make(run, psi="0.2,0.6,1", num_samples=5, out=str(tmp_path / "s.png"))
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.size == (5 * 49, 3 * 49)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"out": "s.jpg"}, r"--out=s.jpg: takes FILE.png.*FILE.npz.*directory"),
        ({"label": "3"}, "--label=3: .*told of no classes"),
        ({"psi": "1,x"}, "--psi='1,x': takes numbers above 0"),
        ({"truncation": "-1"}, "--truncation='-1': takes numbers above 0"),
        ({"psi": "1,2", "truncation": "1,2"}, "--truncation, --psi: both"),
        ({"psi": "1,2", "out": "s.npz"}, "--out=s.npz: several .*sheet"),
    ],
)
def test_what_cannot_be_made_is_refused(run, options, match):
    with pytest.raises(UsageError, match=match):
        make(run, **options)


def test_a_class_that_does_not_exist_is_refused(conditional_run):
    for label in ("10", "x", "1,", "-1"):
        with pytest.raises(UsageError, match=rf"--label='{label}': no class .*takes 0 \| 1 \| 2"):
            make(conditional_run, label=label)


def test_nothing_is_mixed_with_what_is_there(run, tmp_path):
    (tmp_path / "there").write_text("mine")
    with pytest.raises(UsageError, match="holds there, which this mode has not written"):
        make(run, out=str(tmp_path))
    with pytest.raises(UsageError, match="there is a file; name a directory"):
        make(run, out=str(tmp_path / "there"))
    (tmp_path / "a.png").mkdir()
    with pytest.raises(UsageError, match="is a directory; name a file"):
        make(run, out=str(tmp_path / "a.png"))
    with pytest.raises(UsageError, match=r"cannot be made|is a file"):
        make(run, out=str(tmp_path / "there" / "s.png"))
    assert (tmp_path / "there").read_text() == "mine"


MISTAKES = {
    "a flag of another mode": (("--mode=sample", "--mask=left"), "--mask: of no use to --mode=sam"),
    "no such choice": (("--mode=sample", "--params=emma"), "--params='emma': takes ema | live"),
    "no such step": (("--mode=sample", "--checkpoint=5"), "saved: 2, 4, 6"),
    "not of training": (("--mode=evaluate", "--seed=3"), "--seed: of no use to --mode=evaluate"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_one_line_and_exit_2(launch, run, name):
    flags, said = MISTAKES[name]
    ended = launch(f"--workdir={run}", *flags)
    assert ended.returncode == 2, ended.stderr
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_the_command_makes_the_same_on_any_number_of_devices(launch, run, tmp_path):
    for devices in (1, 3):
        out = tmp_path / f"{devices}.npz"
        ended = launch("--mode=sample", f"--workdir={run}", f"--out={out}", devices=devices)
        assert ended.returncode == 0, ended.stderr
    with np.load(tmp_path / "1.npz") as one, np.load(tmp_path / "3.npz") as three:
        assert len(one["image"]) == 64
        np.testing.assert_array_equal(one["z"], three["z"])
        assert np.abs(one["image"].astype(int) - three["image"]).max() <= 1

"""Images completed from the command line and by the function behind it, and what is refused."""

import importlib
import json
import os
import pathlib
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from gan_jax import workdir
from gan_jax.apply import masks
from gan_jax.apply import options as apply_options
from gan_jax.apply.complete import as_floats, pictures_of
from gan_jax.apply.options import Options
from gan_jax.config import Dataset, Ema, ResNetDiscriminator, ResNetGenerator, as_dict
from gan_jax.data.sources import open_source
from gan_jax.errors import GanJaxError
from support import CLASSES, TINY_FLAGS, tiny_config, tiny_mlp_config


def born(directory, **changes):
    """A run that has not begun: of its checkpoints there is number 0."""
    config = tiny_config(**changes)
    config.eval.features = "pixels"
    directory.mkdir()
    workdir.write_json(directory / "config.json", as_dict(config))
    return directory


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return born(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Five digits, gray and 8x8."""
    folder = tmp_path_factory.mktemp("pictures")
    for i, image in enumerate(open_source(Dataset()).images[:5]):
        Image.fromarray(image[..., 0]).save(folder / f"{i}.png")
    return folder


def use(mode, run, checkpoint="0", **options):
    """As the command does, but for what a process sets once."""
    given, directory = Options(**options), pathlib.Path(run)
    apply_options.check(mode, given)
    module = importlib.import_module(f"gan_jax.apply.{mode}")
    getattr(module, mode)(workdir.own_config(directory), directory, checkpoint, given)


def refused(mode, run, capsys, checkpoint="0", **options):
    """The one line that it ends with."""
    with pytest.raises(GanJaxError) as ended:
        use(mode, run, checkpoint, **options)
    assert ended.value.exit_code == 2
    assert capsys.readouterr().out == ""
    (line,) = str(ended.value).splitlines()
    return f"error: {line}"


def read(path):
    return np.asarray(Image.open(path))


@pytest.fixture(scope="module")
def completed(run, pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "completed"
    use("complete", run, images=str(pictures), out=str(out), iterations=4, restarts=2, seed=3)
    return out


def test_everything_is_written(completed, pictures):
    record = json.loads((completed / "complete.json").read_text())
    assert [row["name"] for row in record["images"]] == [f"{i}.png" for i in range(5)]
    assert (record["step"], record["params"], record["seed"]) == (0, "ema", 3)
    assert record["preset"]["iterations"] == 4
    assert record["mask"] == {"name": "center", "hidden": 16, "pool": 1}
    assert read(completed / "sheet.png").shape == (5 * 49, 4 * 49, 3)
    columns = ("before", "masked", "completed", "blended")
    names = {f"{i:03d}_{column}.png" for i in range(5) for column in columns}
    written = {path.name for path in completed.iterdir()}
    assert written == names | {"sheet.png", "complete.json", "latents.npz"}
    arrays = np.load(completed / "latents.npz")
    assert arrays["z"].shape == (5, 8)
    assert arrays["history"].shape == (5, 2, 4)
    for i, row in enumerate(record["images"]):
        np.testing.assert_array_equal(
            read(completed / f"{i:03d}_before.png"), read(pictures / f"{i}.png")
        )
        assert row["losses"]["total"] == pytest.approx(arrays["every"][i].min())
        assert row["completed"]["psnr_hole"] < row["completed"]["psnr"]


def test_known_pixels_are_left_alone(completed):
    known = masks.named("center", 8, 8, 0).known
    for i in range(5):
        before, *others = (
            read(completed / f"{i:03d}_{column}.png")
            for column in ("before", "masked", "completed", "blended")
        )
        for other in others:
            np.testing.assert_array_equal(other[known], before[known])
            assert (other[~known] != before[~known]).any()


def test_what_fills_the_hole_is_gs():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    made = rng.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    mask = masks.named("left", 8, 8, 0)
    columns = pictures_of(true, mask, as_floats(made), blended=False)
    assert list(columns) == ["before", "masked", "completed"]
    np.testing.assert_array_equal(columns["completed"][:, :, :4], made[:, :, :4])
    np.testing.assert_array_equal(columns["completed"][:, :, 4:], true[:, :, 4:])


def test_the_runs_own_data_are_chosen_by_the_seed(run, tmp_path, capsys):
    names = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        use("complete", run, num_samples=2, seed=seed, iterations=1, restarts=1,
            mask="lowres", out=str(tmp_path / name))  # fmt: skip
        record = json.loads((tmp_path / name / "complete.json").read_text())
        names.append([row["name"] for row in record["images"]])
    assert names[0] == names[1] != names[2]
    assert (tmp_path / "a" / "001_low.png").exists()
    assert not (tmp_path / "a" / "001_blended.png").exists()
    a, b = (np.load(tmp_path / name / "latents.npz")["z"] for name in "ab")
    np.testing.assert_array_equal(a, b)
    assert "before | low | completed: " in capsys.readouterr().out


def test_a_zip_and_a_single_file_are_read_and_fitted(run, pictures, tmp_path):
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as file:
        file.write(pictures / "1.png", "one.png")
    Image.new("RGB", (30, 20), "gray").save(tmp_path / "large.jpg")
    use("complete", run, num_samples=2, iterations=1, restarts=1, out=str(tmp_path / "out"))
    for images, fit in (("some.zip", False), ("large.jpg", True)):
        use("complete", run, images=str(tmp_path / images), fit=fit, iterations=1, restarts=1,
            out=str(tmp_path / "out"))  # fmt: skip
    assert read(tmp_path / "out" / "000_before.png").shape == (8, 8)
    assert not (tmp_path / "out" / "001_before.png").exists()


def test_files_of_any_name_are_completed(run, pictures, tmp_path, capsys):
    """A terminal takes no byte of Latin-1, and a newline would break the table."""
    (tmp_path / "images").mkdir()
    victim = tmp_path / "images" / os.fsdecode(b"\xe9\n.png")
    victim.write_bytes((pictures / "1.png").read_bytes())
    use("complete", run, images=str(victim.parent), iterations=1, restarts=1,
        out=str(tmp_path / "out"))  # fmt: skip
    assert "\n\\udce9\\n.png " in capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "complete.json").read_text())
    assert record["images"][0]["name"] == r"\udce9\n.png"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"mask": "centre"}, "--mask=centre: takes center | .*; did you mean center"),
        ({"preset": "bamas"}, "--preset='bamas': takes default | bamos | yeh; did you mean bamos"),
        ({"label": "3"}, "--label=3: the run's generator is told of no classes"),
        ({"split": "test"}, "--split=test: the run's data, digits, have no splits"),
        ({"images": "/nowhere"}, "--images=/nowhere: no such file, directory or zip"),
        ({"fit": True}, "--fit: of no use without --images"),
        ({"images": ".", "split": "test"}, "--split=test: of no use beside --images"),
        ({"params": "ema"}, None),
        ({"psi": "2"}, "--psi: of no use to --mode=complete"),
    ],
)
def test_what_makes_no_sense_is_refused(run, capsys, tmp_path, options, line):
    if line is None:
        run, line = born(tmp_path / "live", ema=Ema()), "--params=ema: the run .* keeps no average"
    said = refused("complete", run, capsys, **options)
    assert re.match("error: " + line.replace("|", r"\|"), said), said


def test_a_checkpoint_that_does_not_exist_is_answered_with_those_that_do(run, capsys):
    assert "--checkpoint=70: takes latest" in refused("complete", run, capsys, "70")


@pytest.mark.parametrize(
    ("mode", "size", "said"),
    [
        ("L", (9, 8), "is 9x8 gray, and the run takes 8x8 gray; --fit crops"),
        ("RGB", (8, 8), "is 8x8 RGB, and the run takes 8x8 gray; --fit"),
        ("LA", (8, 8), "is 8x8 of Pillow's mode LA"),
    ],
)
def test_an_image_of_another_size_or_mode_is_refused(run, capsys, tmp_path, mode, size, said):
    Image.new(mode, size).save(tmp_path / "a.png")
    for images in (tmp_path, tmp_path / "a.png"):
        line = refused("complete", run, capsys, images=str(images))
        assert f"--images: a.png: {said}" in line


def test_what_is_no_image_is_refused(run, capsys, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    line = refused("complete", run, capsys, images=str(tmp_path / "a.png"))
    assert "--images: a.png: truncated or damaged image (it is not a file of any" in line
    (tmp_path / "empty").mkdir()
    line = refused("complete", run, capsys, images=str(tmp_path / "empty"))
    assert f"error: --images={tmp_path}/empty holds no files" in line


@pytest.mark.parametrize(("value", "what"), [(0, "nothing"), (255, "everything")])
def test_a_mask_that_hides_all_or_nothing_is_refused(run, capsys, tmp_path, value, what):
    Image.new("L", (8, 8), value).save(tmp_path / "mask.png")
    line = refused("complete", run, capsys, mask=str(tmp_path / "mask.png"))
    assert f"hides {what}" in line


def test_an_out_that_is_a_file_is_refused(run, capsys, tmp_path):
    (tmp_path / "file").touch()
    assert "is a file" in refused("complete", run, capsys, out=str(tmp_path / "file"))


def test_what_an_earlier_call_has_left_makes_place_and_nothing_else_does(run, pictures, tmp_path):
    out = tmp_path / "out"
    some = {"images": str(pictures), "out": str(out), "iterations": 1, "restarts": 1}
    use("complete", run, num_samples=3, **some)
    (out / "2024_before.png").write_text("mine")
    use("complete", run, num_samples=2, **some)
    assert sorted(path.name for path in out.glob("*_before.png")) == [
        "000_before.png", "001_before.png", "2024_before.png"
    ]  # fmt: skip
    assert (out / "2024_before.png").read_text() == "mine"


def test_after_a_kill_the_same_call_writes_the_rest(run, pictures, tmp_path, monkeypatch):
    out = tmp_path / "out"
    some = {"images": str(pictures), "out": str(out), "iterations": 1, "restarts": 1}
    with monkeypatch.context() as patched:
        patched.setattr("gan_jax.apply.output.save_image", interrupted)
        with pytest.raises(KeyboardInterrupt):
            use("complete", run, **some)
    assert not (out / "latents.npz").exists()
    use("complete", run, **some)
    assert (out / "latents.npz").exists()
    assert len(list(out.glob("*_before.png"))) == 5


def interrupted(*_):
    raise KeyboardInterrupt


def test_a_directory_with_something_else_is_refused(run, capsys, tmp_path):
    (tmp_path / "photo.png").touch()
    line = refused("complete", run, capsys, out=str(tmp_path))
    assert "holds photo.png, which this mode has not written" in line


def test_a_run_of_points_is_refused(capsys, tmp_path):
    config = tiny_mlp_config()
    (tmp_path / "run").mkdir()
    workdir.write_json(tmp_path / "run" / "config.json", as_dict(config))
    for mode in ("complete", "invert"):
        assert "makes points" in refused(mode, tmp_path / "run", capsys)


def test_a_conditional_run_is_told_the_classes(tmp_path, pictures, capsys):
    run = born(
        tmp_path / "run", conditional=True, generator=ResNetGenerator(channels=(4, 4)),
        discriminator=ResNetDiscriminator(channels=(4,), down=1),
    )  # fmt: skip
    assert "--label: missing" in refused("complete", run, capsys, images=str(pictures))
    assert "no class is called '10'" in refused("complete", run, capsys, label="10")
    some = {"num_samples": 3, "iterations": 1, "restarts": 1, "out": str(tmp_path / "out")}
    use("complete", run, images=str(pictures), label="3,4", **some)
    record = json.loads((tmp_path / "out" / "complete.json").read_text())
    assert [row["label"] for row in record["images"]] == [3, 4, 3]
    assert [row["class"] for row in record["images"]] == ["3", "4", "3"]


def test_classes_are_named_in_the_record_and_the_table(named_run, pictures, tmp_path, capsys):
    for mode in ("complete", "invert"):
        out = tmp_path / mode
        use(mode, named_run, images=str(pictures), label="red, blue,11", num_samples=2,
            iterations=1, restarts=1, out=str(out))  # fmt: skip
        record = json.loads((out / f"{mode}.json").read_text())
        named = [(row["label"], row["class"]) for row in record["images"]]
        assert named == [(7, "red, blue"), (11, CLASSES[11])]
        said = capsys.readouterr().out
        assert "\n0.png (red, blue) " in said
        assert "\n1.png (b\\udce9\\n) " in said
    assert "did you mean red, blue" in refused("invert", named_run, capsys, label="red, blu")


def test_a_user_completes_and_inverts_what_a_run_has_learned(launch, tmp_path):
    run = tmp_path / "run"
    ended = launch(
        *TINY_FLAGS, f"--workdir={run}", "--config.steps=4", "--config.eval.features=pixels"
    )
    assert ended.returncode == 0, ended.stderr
    some = ("--num_samples=3", "--iterations=3", "--restarts=1")
    ended = launch("--mode=complete", f"--workdir={run}", "--preset=yeh", "--mask=random", *some)
    assert ended.returncode == 0, ended.stderr
    assert str(run / "complete" / "sheet.png") in ended.stdout
    record = json.loads((run / "complete" / "complete.json").read_text())
    assert f"{record['mean']['blended']['psnr_hole']:.2f}" in ended.stdout
    ended = launch("--mode=invert", f"--workdir={run}", *some)
    assert ended.returncode == 0, ended.stderr
    assert (run / "invert" / "invert.json").exists()
    ended = launch("--mode=complete", f"--workdir={run}", "--checkpoint=7")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: --checkpoint=7: takes")
    assert "saved: 4" in line

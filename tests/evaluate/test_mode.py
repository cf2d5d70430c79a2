"""A trained run, scored from the command line and by the function behind it."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from gan_jax import checkpoint, command
from gan_jax.config import Dataset
from gan_jax.data.folder import Folder
from gan_jax.errors import UsageError
from gan_jax.evaluate.mode import evaluate
from support import ROOT, TINY_FLAGS, json_lines, tiny_config

RUN = (
    *TINY_FLAGS, "--config.steps=40", "--config.checkpoint_every=20", "--config.eval_every=10",
    "--config.eval.num_samples=100", "--config.eval.features=pixels", "--config.eval.kept=200",
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(launch, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("trained") / "run"
    ended = launch(*RUN, f"--workdir={workdir}")
    assert ended.returncode == 0, ended.stderr
    workdir.with_name("said").write_text(ended.stderr)
    return workdir


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def rows(workdir):
    return json_lines(workdir / "eval.jsonl")


def scores(row):
    return {name: value for name, value in row.items() if name not in ("checkpoint", "seconds")}


def test_a_run_in_training_is_scored(trained):
    assert [row["step"] for row in rows(trained)] == [10, 20, 30, 40]
    said = trained.with_name("said").read_text()
    best = min(rows(trained), key=lambda row: row["fid"])
    assert f"best fid: {best['fid']:.4g} at step {best['step']}" in said
    (kept,) = (trained / "best").glob("0*")
    assert int(kept.name) == best["step"]
    assert all(
        row["protocol"].startswith("fid100_train;features=pixels-8x8;") for row in rows(trained)
    )


def test_every_checkpoint_has_the_score_that_it_had_in_training(run, capsys):
    trained = {row["step"]: row for row in rows(run)}
    evaluate(None, str(run), "all", "")
    added = rows(run)[4:]
    saved = {20, 40, min(trained.values(), key=lambda row: row["fid"])["step"]}
    assert {row["step"] for row in added} == saved
    for row in added:
        for name, value in scores(trained[row["step"]]).items():
            expected = pytest.approx(value, rel=1e-3) if isinstance(value, float) else value
            assert row[name] == expected, name
    assert "  fid                  " in capsys.readouterr().out


@pytest.mark.parametrize(("which", "step"), [("latest", 40), ("20", 20), ("0", 0)])
def test_one_checkpoint_is_scored(run, which, step):
    evaluate(None, str(run), which, "")
    row = rows(run)[-1]
    assert (row["step"], row["checkpoint"]) == (step, which)


def test_the_bounds_lie_apart(run):
    evaluate(None, str(run), "real", "")
    evaluate(None, str(run), "noise", "")
    floor, noise = rows(run)[-2:]
    assert floor["fid"] < 0.2 * noise["fid"]
    assert (floor["checkpoint"], noise["checkpoint"]) == ("real", "noise")
    assert (floor["kind"], noise["kind"]) == ("real", "noise")
    assert floor["num_samples"] == noise["num_samples"] == 100
    assert floor["note"] == "not comparable with checkpoints: real images 1697, not 1797"


def test_other_peoples_images_are_scored(launch, run, tmp_path):
    """The data's own, as files: by the command, without a run, and with other settings."""
    from gan_jax.config import Dataset
    from gan_jax.data.sources import open_source

    (tmp_path / "images").mkdir()
    for i, pixels in enumerate(open_source(Dataset()).images[:150]):
        Image.fromarray(pixels[..., 0]).save(tmp_path / "images" / f"{i:03d}.png")
    evaluate(None, str(run), "latest", str(tmp_path / "images"))
    row = rows(run)[-1]
    assert (row["num_samples"], row["step"]) == (150, 0)
    assert ";images;" in row["protocol"]
    assert row["precision"] > 0.95
    ended = launch(
        "--mode=evaluate", *TINY_FLAGS, f"--workdir={tmp_path / 'nothing'}",
        f"--images={tmp_path / 'images'}", "--config.eval.features=pixels",
        "--config.eval.kept=200", "--config.eval.neighbours=3",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert f"{row['fid']:.5g}" in ended.stdout
    assert ";k=3;" in ended.stdout
    assert not (tmp_path / "nothing").exists()


CLASSES = tuple(map(str, range(12)))  # as text they sort 0, 1, 10, 11, 2, ...
NAMED = tuple(f"kind {letter}" for letter in "abcdefghijkl")


def write_classes(folder, names, levels=range(12), count=12, size=(8, 8), mode="L"):
    """A folder for each class, each a level of gray with a little noise of its own."""
    for name, level in zip(names, levels, strict=True):
        (folder / name).mkdir(parents=True)
        noise = np.random.default_rng(level).integers(0, 9, (count, *size[::-1]), np.uint8)
        for i, pixels in enumerate(noise):
            image = Image.fromarray(pixels + np.uint8(20 * level)).convert(mode)
            image.save(folder / name / f"{i:02d}.png")
    return str(folder)


def conditional(folder):
    config = tiny_config(dataset=Dataset(name=f"folder:{folder}", image_size=8, channels=1))
    config.conditional, config.eval.features, config.eval.num_samples = True, "pixels", 144
    return config


def printed(capsys):
    """The numbers and words of the row on the terminal, and its protocol."""
    head, *lines = capsys.readouterr().out.splitlines()
    return dict(line.split(maxsplit=1) for line in lines) | {"protocol": head.split()[-1]}


@pytest.mark.parametrize(
    ("classes", "folders"),
    [
        (CLASSES, CLASSES),
        (NAMED, NAMED),
        (NAMED, CLASSES),  # by label, as directories of samples were named once
        (("a%b", "%", *NAMED[:10]), ("a%25b", "%25", *NAMED[:10])),
    ],
)
def test_copies_of_classes_are_found_by_their_names(tmp_path, capsys, classes, folders):
    """Read in another order than the data's, they had an intra-FID of 63."""
    data = write_classes(tmp_path / "data", classes)
    by_label = set(folders) - set(classes) == set(CLASSES)
    known = Folder(data, 8, 1).classes
    levels = [classes.index(known[i]) if by_label else i for i in range(12)]
    images = write_classes(tmp_path / "copies", folders, levels)
    evaluate(conditional(data), str(tmp_path / "nothing"), "latest", images)
    row = printed(capsys)
    assert float(row["intra_fid"]) < 1e-6
    assert (row["intra_fid_classes"], row["precision"], row["kid"]) == ("12", "1", "0")
    assert "note" not in row


def test_a_subset_of_the_classes_is_scored_as_that(tmp_path, capsys):
    data = write_classes(tmp_path / "data", CLASSES)
    images = write_classes(tmp_path / "copies", ("2", "10", "7"), (2, 10, 7))
    evaluate(conditional(data), str(tmp_path / "nothing"), "latest", images)
    row = printed(capsys)
    assert float(row["intra_fid"]) < 1e-6
    assert row["intra_fid_classes"] == "3"
    assert row["note"].endswith("samples 36, not 144; samples of 3 of 12 classes")


@pytest.mark.parametrize("names", [("2",), ("00003", "00011"), ("train", "test")])
def test_a_class_alone_or_with_an_odd_name_is_a_class(tmp_path, capsys, names):
    """A single folder, StyleGAN's parts and splits are no classes, unless the data have these."""
    classes = (*names, *NAMED[: 12 - len(names)])
    config = conditional(write_classes(tmp_path / "data", classes))
    config.dataset.labels = "folders"
    images = write_classes(tmp_path / "copies", names, range(len(names)))
    evaluate(config, str(tmp_path / "nothing"), "latest", images)
    row = printed(capsys)
    assert float(row["intra_fid"]) < 1e-6
    assert row["intra_fid_classes"] == str(len(names))


def test_images_without_folders_have_no_classes(tmp_path, capsys):
    data = write_classes(tmp_path / "data", CLASSES)
    for file in (tmp_path / "data").glob("*/*.png"):
        (tmp_path / "flat").mkdir(exist_ok=True)
        shutil.copy(file, tmp_path / "flat" / f"{file.parent.name}_{file.name}")
    evaluate(conditional(data), str(tmp_path / "nothing"), "latest", str(tmp_path / "flat"))
    row = printed(capsys)
    assert "intra_fid" not in row
    assert float(row["fid"]) < 1e-6


@pytest.mark.parametrize(
    ("classes", "folders", "match"),
    [
        (CLASSES, ("1", "12"), r"no class is called '12'.*takes 0 \| 1 \|"),
        (NAMED, ("kind a", "kind z"), r"'kind z'; did you mean kind .\?"),
        (NAMED, ("kind a", "1"), r"'1'; where a folder has the name of a class, all need one"),
        (NAMED, ("0", "12"), r"'12'.*or labels from 0 to 11"),
    ],
)
def test_a_folder_that_is_named_by_no_class_is_refused(tmp_path, classes, folders, match):
    data = write_classes(tmp_path / "data", classes)
    images = write_classes(tmp_path / "other", folders, (0, 1))
    with pytest.raises(UsageError, match=match):
        evaluate(conditional(data), str(tmp_path / "nothing"), "latest", images)


@pytest.mark.parametrize(
    ("changes", "found"), [({"size": (9, 8)}, "9x8"), ({"mode": "RGB"}, "RGB"), ({"mode": "1"}, "")]
)
def test_images_that_do_not_fit_are_refused_without_fit(tmp_path, capsys, changes, found):
    data = write_classes(tmp_path / "data", CLASSES)
    images = write_classes(tmp_path / "other", CLASSES, **changes)
    config, nothing = conditional(data), str(tmp_path / "nothing")
    with pytest.raises(UsageError, match=rf"^--images: .*/0/00.png: is .*{found}.*8x8 gray; --fit"):
        evaluate(config, nothing, "latest", images)
    evaluate(config, nothing, "latest", images, fit=True)
    assert ";resize=none;fit=center_crop_lanczos;images;" in printed(capsys)["protocol"]
    evaluate(config, nothing, "latest", data)
    assert ";resize=none;images;" in printed(capsys)["protocol"]


def test_fit_is_for_images(run):
    with pytest.raises(UsageError, match="--fit: of no use without --images"):
        evaluate(None, str(run), "latest", "", fit=True)


def test_an_experiment_may_be_given_for_its_settings(run):
    config = command.load(str(ROOT / "experiments" / "digits_dcgan.py"))
    with pytest.raises(UsageError, match=r"holds a run of another config .*batch_size"):
        evaluate(config, str(run), "latest", "")


@pytest.mark.parametrize(
    ("which", "images", "match"),
    [
        ("30000", "", r"--checkpoint=30000: takes .*, or a step that is saved: (\d+, )*20, .*40"),
        ("lates", "", "did you mean latest?"),
        ("²", "", "--checkpoint=²: takes"),
        ("latest", "/nowhere", "--images"),
    ],
)
def test_what_does_not_exist_is_answered_with_what_does(run, which, images, match):
    with pytest.raises(UsageError, match=match):
        evaluate(None, str(run), which, images)
    assert len(rows(run)) == 4


def test_damaged_data_are_not_taken_for_the_images(tmp_path):
    data = write_classes(tmp_path / "data", CLASSES)
    images = write_classes(tmp_path / "copies", CLASSES)
    (tmp_path / "data" / "3" / "05.png").write_bytes(b"no image")
    with pytest.raises(UsageError, match=r"^config.dataset.name: .*data/3/05.png"):
        evaluate(conditional(data), str(tmp_path / "nothing"), "latest", images)


def test_a_damaged_image_is_named_by_its_flag(run, tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(12):
        Image.new("L", (8, 8), i).save(tmp_path / "images" / f"{i:02d}.png")
    (tmp_path / "images" / "05.png").write_bytes(b"no image")
    with pytest.raises(UsageError, match=r"^--images: .*05.png"):
        evaluate(None, str(run), "latest", str(tmp_path / "images"))


def test_a_directory_without_a_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no run"):
        evaluate(None, str(tmp_path), "latest", "")
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(UsageError, match="damaged"):
        evaluate(None, str(tmp_path), "latest", "")


def test_a_damaged_checkpoint_is_refused_and_left(run):
    for file in (run / "checkpoints" / "00000040" / "state").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    with pytest.raises(UsageError, match="00000040: damaged"):
        evaluate(None, str(run), "latest", "")
    assert (run / "checkpoints" / "00000040").exists()


def test_of_all_those_that_cannot_be_read_are_named_and_the_others_scored(run, caplog):
    """As one that the run's own process has begun to remove."""
    shutil.rmtree(run / "checkpoints" / "00000020" / "state")
    before = len(rows(run))
    evaluate(None, str(run), "all", "")
    assert [row["step"] for row in rows(run)[before:]] == [
        step for step in checkpoint.all_steps(run) if step != 20
    ]
    (warning,) = [line.getMessage() for line in caplog.records if "not scored" in line.msg]
    assert warning.startswith("checkpoint 20 is not scored: ")
    assert "00000020: damaged" in warning
    for state in run.glob("*/0*/state"):
        shutil.rmtree(state)
    with pytest.raises(UsageError, match=r"--checkpoint=all: none of .*40 could be read"):
        evaluate(None, str(run), "all", "")


def test_a_run_without_a_checkpoint_is_refused(run):
    for folder in ("checkpoints", "best"):
        shutil.rmtree(run / folder)
    for which in ("all", "latest", "best"):
        with pytest.raises(UsageError, match=f"--checkpoint={which}: "):
            evaluate(None, str(run), which, "")


def test_a_run_of_a_strange_family_needs_its_experiment(run):
    saved = json.loads((run / "config.json").read_text())
    saved["generator"]["name"] = "mine"
    (run / "config.json").write_text(json.dumps(saved))
    (run / "manifest.json").unlink()  # it knows what the config was
    with pytest.raises(UsageError, match=r"config.generator.name='mine': .* give the experiment"):
        evaluate(None, str(run), "latest", "")


def test_a_run_that_goes_on_is_scored_again_alike(launch, run):
    """Killed after step 20, say: what was scored later is dropped, and comes back the same."""
    before = rows(run)
    shutil.rmtree(run / "checkpoints" / "00000040")
    ended = launch(*RUN, f"--workdir={run}")
    assert ended.returncode == 0, ended.stderr
    for old, new in zip(before, rows(run), strict=True):
        assert {k: v for k, v in scores(old).items() if k != "seconds"} == scores(new)
    assert len(list((run / "best").glob("0*"))) == 1


def test_the_best_may_be_by_another_metric(launch, run):
    ended = launch(*RUN, f"--workdir={run}", "--config.steps=50", "--config.eval.best=recall")
    assert ended.returncode == 0, ended.stderr
    best = max(rows(run), key=lambda row: row["recall"])
    assert f"best recall: {best['recall']:.4g} at step {best['step']}" in ended.stderr


def test_the_best_is_a_checkpoint_whatever_else_was_scored(launch, run):
    """The score of the real data was called the best, at step 0."""
    best = min(rows(run), key=lambda row: row["fid"])
    evaluate(None, str(run), "real", "")
    assert rows(run)[-1]["fid"] < best["fid"]
    ended = launch(*RUN, f"--workdir={run}")
    assert ended.returncode == 0, ended.stderr
    assert f"best fid: {best['fid']:.4g} at step {best['step']}" in ended.stderr


def test_bad_requests_end_with_one_line(launch, tmp_path):
    ended = launch("--mode=evaluate", f"--workdir={tmp_path}")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: --workdir=")
    assert len(ended.stderr.splitlines()) == 1

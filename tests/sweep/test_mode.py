"""launch.py --mode=sweep as a user runs it: real processes, real kills, what is left behind."""

import csv
import html
import json
import random
import re
import shlex
import shutil
import signal
import time

import pytest
from PIL import Image

from gan_jax import command, workdir
from gan_jax.config import Dataset, as_dict, from_dict
from gan_jax.data import identity
from gan_jax.data.sources import open_source
from gan_jax.errors import UsageError
from gan_jax.evaluate import classifier, rows
from gan_jax.sweep import mode
from gan_jax.sweep.space import Choice, LogUniform, Sweep
from gan_jax.sweep.study import Study
from support import (
    SMALL_EXPERIMENT,
    as_pasted,
    has_lines,
    json_lines,
    kill,
    tiny_config,
    wait_for,
)

EXPERIMENT = (
    SMALL_EXPERIMENT
    + """\
    players = ("generator", "discriminator")
    fields = tuple(f"{player}.optimizer.learning_rate" for player in players)
    space = {"rate": SPACE, "loss": Choice(("non_saturating", "hinge"))}
    return Sweep(space, sampler="random", OPTIONS)
"""
)
SPACE = "LogUniform(1e-4, 1e-2, fields=fields)"
# What a trial came to, whoever made it and how often it was interrupted.
RESULT = ("trial", "phase", "status", "value", "seeds", "step", "rate", "loss", "d_loss", "fid")


@pytest.fixture(scope="module")
def sweep(launch, tmp_path_factory):
    """Runs the sweep of an experiment: (options, space, name of the directory) -> arguments."""
    folder = tmp_path_factory.mktemp("sweeps")

    def arguments(options, name, space=SPACE):
        file = folder / f"{name}.py"
        file.write_text(EXPERIMENT.replace("OPTIONS", options).replace("SPACE", space))
        return ("--mode=sweep", f"--config={file}", f"--workdir={folder / name}"), folder / name

    return arguments


def table(directory):
    with (directory / "trials.csv").open() as file:
        return [{name: row[name] for name in RESULT} for row in csv.DictReader(file)]


PLAIN = "trials=6, repeat=2"


@pytest.fixture(scope="module")
def undisturbed(launch, sweep):
    arguments, directory = sweep(PLAIN, "undisturbed")
    arguments = (*arguments, "--config.batch_size=32")
    ended = launch(*arguments, "--population=3")
    assert ended.returncode == 0, ended.stderr
    return arguments, directory, ended


def test_a_sweep_ends_with_its_table_its_page_and_the_config_of_the_best(undisturbed):
    _, directory, ended = undisturbed
    found = table(directory)
    assert [row["phase"] for row in found] == ["wide"] * 6 + ["repeat"] * 2
    assert {row["status"] for row in found} == {"done"}
    assert [row["seeds"] for row in found] == ["0"] * 6 + ["1", "2"]
    best = min(found[:6], key=lambda row: float(row["value"]))
    assert [row["rate"] for row in found[6:]] == [best["rate"]] * 2
    assert f"best: trial {best['trial']}, fid" in ended.stderr
    assert "with seeds of its own" in ended.stderr
    config = from_dict(json.loads((directory / "best_config.json").read_text()))
    assert config.generator.optimizer.learning_rate == float(best["rate"])
    assert config.loss == best["loss"]
    page = (directory / "sweep.html").read_text()
    assert "8 done" in " ".join(page.replace("<b>", "").replace("</b>", "").split())


def test_a_trial_is_a_run_of_its_own(undisturbed):
    _, directory, _ = undisturbed
    run = directory / "trials" / "0003"
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "done"
    assert manifest["command"].startswith("python launch.py --config=")
    assert "--config.generator.optimizer.learning_rate=" in manifest["command"]
    assert "--mode" not in manifest["command"]  # nor the storage's URL, with its password
    assert manifest["command"] in html.unescape(
        re.sub("<.*?>", "", (run / "index.html").read_text())
    )
    assert [row["step"] for row in json_lines(run / "eval.jsonl")] == [20, 40, 60]
    assert [row["step"] for row in json_lines(run / "digests.jsonl")] == [20, 40, 60]
    assert (run / "samples" / "step_00000060.png").exists()


def test_the_command_that_is_named_trains_the_winner(launch, undisturbed):
    _, directory, said = undisturbed
    command = said.stderr.splitlines()[-1]
    _, program, *arguments = shlex.split(command)
    assert program == "launch.py"
    best = min(table(directory)[:6], key=lambda row: float(row["value"]))
    number = int(best["trial"])
    run = directory / f"best_{number:04d}"
    assert arguments[-1] == f"--workdir={run}"
    page = re.sub("<.*?>", "", (directory / "sweep.html").read_text())
    assert command in html.unescape(page), "the one that is copied"
    ended = launch(*arguments)
    assert ended.returncode == 0, ended.stderr
    trial = directory / "trials" / f"{number:04d}"
    assert json_lines(run / "digests.jsonl") == json_lines(trial / "digests.jsonl")


def test_the_same_command_after_the_end_trains_nothing(launch, undisturbed):
    arguments, directory, _ = undisturbed
    before = {path: path.stat().st_mtime_ns for path in directory.glob("trials/*/metrics.jsonl")}
    ended = launch(*arguments)
    assert ended.returncode == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_sweep_killed_at_any_time_goes_on_and_ends_the_same(launch, sweep, undisturbed):
    arguments, directory = sweep(PLAIN, "killed")
    arguments = (*arguments, "--config.batch_size=32")
    moments = random.Random(0)
    for _ in range(4):
        process = launch.start(*arguments, "--population=3")
        time.sleep(moments.uniform(3, 8))
        kill(process)
    ended = launch(*arguments, "--population=3")
    assert ended.returncode == 0, ended.stderr
    assert table(directory) == table(undisturbed[1])
    for trial in range(8):
        digests = [
            json_lines(folder / "trials" / f"{trial:04d}" / "digests.jsonl")
            for folder in (directory, undisturbed[1])
        ]
        assert digests[0] == digests[1]


def test_two_workers_share_a_sweep_also_when_one_is_killed(launch, sweep, undisturbed):
    arguments, directory = sweep(PLAIN, "shared")
    arguments = (*arguments, "--config.batch_size=32")
    workers = [launch.start(*arguments, "--population=2") for _ in range(3)]
    time.sleep(7)
    kill(workers[0])
    for worker in workers[1:]:
        _, said = worker.communicate()
        assert worker.returncode == 0, said
    assert table(directory) == table(undisturbed[1])
    manifests = directory.glob("trials/*/manifest.json")
    statuses = [json.loads(path.read_text())["status"] for path in manifests]
    assert statuses == ["done"] * 8


def test_a_worker_that_is_asked_to_stop_saves_and_gives_back(launch, sweep):
    arguments, directory = sweep("trials=2", "stopped")
    arguments = (*arguments, "--config.steps=1000000", "--config.checkpoint_every=0")
    arguments += ("--config.eval_every=1000000",)
    process = launch.start(*arguments)
    wait_for(lambda: any(map(has_lines, directory.glob("trials/*/metrics.jsonl"))), process)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 75
    assert "error: stopped by SIGTERM, saved; run the same command to continue" in said
    steps = {
        path.parent.name: json.loads(path.read_text())["step"]
        for path in directory.glob("trials/*/manifest.json")
    }
    assert all(0 < step < 1_000_000 for step in steps.values())
    for name, step in steps.items():
        (digest,) = json_lines(directory / "trials" / name / "digests.jsonl")
        assert digest["step"] == step


def test_a_trial_that_diverges_stays_in_the_table_and_stops_no_other(launch, sweep):
    space = "Choice((1e-3, 1e38), fields=fields)"
    arguments, directory = sweep("trials=6", "diverging", space)
    ended = launch(*arguments)
    assert ended.returncode == 0, ended.stderr
    found = table(directory)
    assert {(row["rate"], row["status"]) for row in found} == {
        ("0.001", "done"), ("1e+38", "diverged")
    }  # fmt: skip
    assert "diverged: " in (directory / "trials.csv").read_text()


def test_a_trial_whose_config_makes_no_sense_fails_alone(launch, sweep):
    """Wasserstein without a Lipschitz D is refused by the mathematics, not by its type."""
    arguments, directory = sweep("trials=6", "failing", SPACE)
    file = directory.with_suffix(".py")
    file.write_text(file.read_text().replace('"hinge"', '"wasserstein"'))
    ended = launch(*arguments)
    assert ended.returncode == 0, ended.stderr
    assert {(row["loss"], row["status"]) for row in table(directory)} == {
        ("non_saturating", "done"), ("wasserstein", "failed")
    }  # fmt: skip
    assert "has no minimum unless D is Lipschitz" in (directory / "trials.csv").read_text()


def test_a_command_that_is_pasted_makes_its_config(tmp_path):
    """Whatever the values are, and wherever the run lies."""
    file = tmp_path / "it's mine.py"
    file.write_text(SMALL_EXPERIMENT.partition("def get_sweep")[0])
    before = command.load(str(file))
    after = command.load(str(file))
    after.generator.hidden, after.discriminator.hidden = (64, 32), ()
    after.loss, after.conditional = "hinge", True
    after.dataset.data_dir = "/data/my sets/it's $HOME;\\"
    after.dataset.name = "folder:/cats & dogs"
    after.generator.optimizer.learning_rate = 1.2345678901234567e-05
    after.eval.features, after.seed = "pixels", 2**32 - 1
    path = tmp_path / "the sweep" / "best_0007"
    (found,) = as_pasted([mode._command(str(file), before, after, path)])
    assert found == (str(path), json.loads(json.dumps(as_dict(after))))


def test_what_needs_no_computing_is_refused_before_a_classifier_is_trained(launch, sweep, tmp_path):
    arguments, _ = sweep("trials=2", "refused")
    digits = ("--config.dataset.name=digits", "--config.conditional=false")
    for flag, said in (
        ("--storage=sqlite:///x.db", "SQLite gives one trial to two workers"),
        ("--storage=postgresql+psycopg2://me:secret@127.0.0.1:1/x", "me:***@127.0.0.1:1/x: cannot"),
        ("--population=100000", "--population='100000': takes whole numbers of at least 0 and at"),
    ):
        ended = launch(*arguments, *digits, flag, environment={"XDG_CACHE_HOME": str(tmp_path)})
        assert ended.returncode == 2
        assert said in ended.stderr
        assert ended.stderr.count("\n") == 1, "nothing was trained"
        assert "secret" not in ended.stderr


@pytest.mark.parametrize(
    ("metric", "features", "data", "there"),
    [
        ("inception_score", "pixels", "digits", "pixels; they have fid, kid, precision, recall, d"),
        ("modes", "pixels", "digits", "pixels"),
        ("inception_score", "", "ring_2d", "points; they have fid"),
        ("modes", "", "gaussian_1d", "points"),
        ("modes", "", "ring_2d", None),
        ("modes", "", "digits", None),
        ("fid", "pixels", "digits", None),
    ],
)
def test_a_metric_that_the_data_do_not_have_is_refused_at_once(metric, features, data, there):
    config = tiny_config(dataset=Dataset(name=data))
    config.eval.features = features
    if there is None:
        mode._check_metric(metric, config, open_source(config.dataset))
        return
    with pytest.raises(UsageError, match=f"^Sweep.metric='{metric}': .* by {there}"):
        mode._check_metric(metric, config, open_source(config.dataset))


def agree(study, config, directory, search=None):
    source = open_source(config.dataset)
    mode._agree(study.agree, search or Sweep({"loss": LOSSES}), config, source, directory)
    identity.write_files(source, directory)


LOSSES = Choice(("hinge", "minimax"))


def test_trials_on_data_that_have_changed_are_not_compared(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for i in range(3):
        Image.new("L", (8, 8), i).save(images / f"{i}.png", compress_level=0)
    config = tiny_config(dataset=Dataset(name=f"folder:{images}", image_size=8, channels=1))
    with Study("", "sweep", Sweep({"loss": LOSSES}), config, tmp_path) as study:
        agree(study, config, tmp_path)
        moved = images.rename(tmp_path / "moved")
        config.dataset.name = f"folder:{moved}"
        agree(study, config, tmp_path)
        Image.new("L", (8, 8), 9).save(moved / "1.png", compress_level=0)
        with pytest.raises(UsageError, match=r"data are not those .*: 1 file changed \(1\.png\)"):
            agree(study, config, tmp_path)


def test_a_study_of_another_protocol_is_refused_before_a_trial(tmp_path):
    config = tiny_config()
    with Study("", "sweep", Sweep({"loss": LOSSES}), config, tmp_path) as study:
        agree(study, config, tmp_path)
        config.eval.num_samples = 77
        with pytest.raises(UsageError, match=r"config\.eval\.num_samples: saved 10000, now 77"):
            agree(study, config, tmp_path)


def test_a_sweep_that_is_refused_claims_nothing(tmp_path):
    config = tiny_config()
    with Study("", "sweep", Sweep({"loss": LOSSES}), config, tmp_path) as study:
        source = open_source(config.dataset)
        look = lambda name, value: study.held(name) or value  # noqa: E731
        mode._agree(look, Sweep({"loss": LOSSES}), config, source, tmp_path)
        assert study.held("config") is study.held("sweep") is study.held("data") is None


MISTAKES = {
    "no sweep": ((), "the file has no get_sweep()"),
    "another sweep": ((), "holds another sweep"),
    "another config": (("--config.batch_size=64",), "batch_size: saved 32, now 64"),
    "another budget": (("--config.steps=80",), "config.steps: saved 60, now 80"),
    "a storage that is none": (("--storage=nosql://x",), "--storage=nosql://x: cannot be opened"),
    "no number": (("--population=many",), "population"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_one_line_and_exit_2(launch, sweep, undisturbed, name):
    arguments = undisturbed[0]
    more, said = MISTAKES[name]
    if name == "no sweep":
        arguments = ("--mode=sweep", "--config=experiments/gaussian_1d.py")
    if name == "another sweep":
        other, _ = sweep("trials=6, repeat=2, seeds=2", "other")
        arguments = (*other[:2], *arguments[2:], "--study=undisturbed")
    ended = launch(*arguments, *more)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert said in ended.stderr


def test_all_workers_of_a_study_compare_by_one_classifier(tmp_path, monkeypatch):
    """In one directory they share its file; elsewhere another classifier is refused at once."""
    monkeypatch.setattr(classifier, "_STEPS", 100)
    config = tiny_config()
    source, search = open_source(config.dataset), Sweep({"rate": LogUniform(1e-4, 1e-2)})
    study = Study("", "sweep", search, config, tmp_path)
    names = []
    for cache, steps in (("first", 100), ("second", 101)):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))
        monkeypatch.setattr(classifier, "_STEPS", steps)
        names.append(mode._features(study, config, source, tmp_path).name)
    assert names[0] == names[1]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "third"))
    away = tmp_path / "away"
    with pytest.raises(UsageError, match=f"^--study: its scores are by {names[0]}, and this "):
        mode._features(study, config, source, away)
    shutil.copy(tmp_path / "classifier.npz", away / "classifier.npz")
    assert mode._features(study, config, source, away).name == names[0]


def test_a_trial_that_somebody_has_scored_by_hand_keeps_its_own_scores(tmp_path):
    """Images in a directory called 20, say, are no checkpoint."""
    scored = {"step": 20, "checkpoint": "20", "kind": "checkpoint", "protocol": "p", "fid": 5.0}
    by_hand = scored | {"kind": "images", "step": 0, "fid": 0.5, "inception_score": 9.0}
    for row in (scored, by_hand):
        rows.append(tmp_path, row)
    assert mode._last_metrics(tmp_path) == {"fid": 5.0}


def test_a_trials_speed_and_time_are_those_of_its_training(tmp_path):
    """Whatever its last score took."""
    workdir.append_line(
        tmp_path / "metrics.jsonl", {"step": 9, "images_per_second": 1e3, "seconds": 8.0}
    )
    scored = {"step": 9, "checkpoint": "9", "kind": "checkpoint", "protocol": "p", "fid": 5.0}
    rows.append(tmp_path, scored | {"seconds": 70.0})
    assert mode._last_metrics(tmp_path) == {"images_per_second": 1e3, "seconds": 8.0, "fid": 5.0}

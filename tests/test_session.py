"""A run in its directory: when that is claimed, what ends it, what is said, what is scored."""

import json
import os
import pathlib
import shutil
import time

import pytest

from gan_jax import program as programs
from gan_jax import verify, workdir
from gan_jax.checkpoint import saved_steps
from gan_jax.config import Eval
from gan_jax.errors import UsageError
from gan_jax.evaluate.evaluator import Evaluator
from gan_jax.train import train
from support import json_lines, tiny_config, tiny_mlp_config


def config(**changes):
    settings = {"steps": 12, "log_every": 2, "sample_every": 4, "checkpoint_every": 4}
    return tiny_mlp_config(**settings | changes)


def scored(**changes):
    return config(**{"eval_every": 4, "eval": Eval(num_samples=50, kept=50)} | changes)


def digests(folder):
    return {row["step"]: row["sha256"] for row in json_lines(folder / "digests.jsonl")}


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(config(), str(folder))
    return folder


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


# The directory.


def test_a_step_that_does_not_compile_leaves_the_directory_to_another_config(tmp_path, monkeypatch):
    make = programs.make_train_step

    def broken(*arguments):
        step = make(*arguments)

        def fails(state, key, batch):
            step(state, key, batch)
            raise OverflowError("3000000000 is too large")

        return fails

    monkeypatch.setattr(programs, "make_train_step", broken)
    with pytest.raises(OverflowError):
        train(config(), str(tmp_path / "run"))
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
    monkeypatch.undo()
    train(config(seed=1, batch_size=8), str(tmp_path / "run"))
    assert manifest(tmp_path / "run")["status"] == "done"


def test_one_that_no_longer_compiles_leaves_a_run_what_it_is(run, monkeypatch):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}

    def broken(*arguments):
        def fails(state, key, batch):
            raise OverflowError

        return fails

    monkeypatch.setattr(programs, "make_train_step", broken)
    with pytest.raises(OverflowError):
        train(config(steps=20), str(run))
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_features_that_are_not_there_leave_the_directory_as_it_is(tmp_path):
    features = Eval(features="inception", weights=str(tmp_path / "none.safetensors"))
    with pytest.raises(UsageError, match="none"):
        train(tiny_config(eval_every=2, eval=features), str(tmp_path / "run"))
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]


# A name that is not UTF-8.


def test_a_directory_whose_name_is_not_utf_8(trained, tmp_path, capsys):
    folder = pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    train(config(steps=8), str(folder))
    train(config(), str(folder))
    assert digests(folder) == digests(trained)
    assert manifest(folder)["status"] == "done"
    assert saved_steps(folder / "checkpoints") == [4, 8, 12]
    said = capsys.readouterr().err
    assert "caf\\udce9" in said
    assert said.isascii()
    verify.verify(workdir.own_config(folder), folder, 0, 0.0)
    assert "identical through step 12" in capsys.readouterr().out


# What decorates a run.


def spoil_files(folder):
    (folder / "samples" / "step_00000004.png").write_bytes(b"\x89PNG, cut")
    (folder / "samples" / "step_00000016.png").mkdir()
    (folder / "samples" / "timelapse.gif").unlink()
    (folder / "samples" / "timelapse.gif").mkdir()
    (folder / "index.html").unlink()
    (folder / "index.html").mkdir()


def spoil_rows(folder):
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 12, "d_loss": "x", "diversity": [], "d_accuracy_real": null}\n')
    shutil.rmtree(folder / "samples")
    (folder / "samples").write_text("a file")
    (folder / "manifest.json").write_text('{"earlier": 7, "warnings": 3, "step": null}')


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            spoil_files,
            ["step_00000004.png (cannot identify", "drawing the samples", "time-lapse", "index."],
        ),
        (spoil_rows, ["drawing the samples failed"]),
    ],
)
def test_what_decorates_a_run_does_not_end_it(run, caplog, spoil, said):
    spoil(run)
    train(config(steps=24), str(run))
    assert manifest(run)["status"] == "done"
    assert max(digests(run)) == 24
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == len(set(told))
    for words in said:
        assert any(words in line for line in told), words


def test_neither_do_functions_that_fail(tmp_path, monkeypatch, caplog):
    def fails(*arguments, **options):
        raise RuntimeError("no font")

    monkeypatch.setattr("gan_jax.report.pictures.modes", fails)
    monkeypatch.setattr("gan_jax.report.pictures.time_lapse", fails)
    monkeypatch.setattr("gan_jax.report.metrics.EventsWriter", fails)
    monkeypatch.setattr("gan_jax.diagnose.spectral_norms", fails)
    monkeypatch.setattr("gan_jax.report.diagnosis.Diagnosis.see", fails)
    monkeypatch.setattr("gan_jax.report.progress.Progress.show", fails)
    monkeypatch.setattr("gan_jax.report.progress.Progress.begin", fails)
    monkeypatch.setattr("gan_jax.report.page.Page.write", fails)
    train(config(), str(tmp_path / "run"))
    assert manifest(tmp_path / "run")["status"] == "done"
    assert len(json_lines(tmp_path / "run" / "metrics.jsonl")) == 6
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == len(set(told))
    for what in ("drawing the samples", "TensorBoard's events", "time-lapse", "spectral norms"):
        assert sum(what in line for line in told) == 1, what


# What is said.


def test_a_run_ends_with_where_to_look(tmp_path, capsys):
    folder = tmp_path / "a run"
    train(config(), str(folder))
    *_, last = capsys.readouterr().err.splitlines()
    assert last == (
        f"look at {folder}/index.html; samples: {folder}/samples; draw more: python launch.py "
        f"--mode=sample '--workdir={folder}'"
    )


def test_missing_rows_are_named_when_a_run_goes_on(run, caplog):
    file = run / "metrics.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:2] + lines[3:]) + "\n")
    (run / "digests.jsonl").unlink()
    train(config(steps=20), str(run))
    assert [record.getMessage() for record in caplog.records] == [
        "digests.jsonl lacks the rows of steps 4, 8, 12 (3 of 3)",
        "metrics.jsonl lacks the row of step 6 (1 of 6)",
    ]


def test_a_run_that_goes_on_otherwise_lacks_nothing(run, caplog, capsys):
    train(config(steps=18, log_every=6, checkpoint_every=0), str(run))
    train(scored(steps=24, log_every=1, checkpoint_every=5), str(run))
    train(config(steps=30), str(run))
    assert caplog.records == []
    verify.verify(workdir.own_config(run), run, 0, 0.0)
    assert "identical through step 30" in capsys.readouterr().out


def test_a_record_with_gaps_is_not_called_identical(run):
    file = run / "metrics.jsonl"
    file.write_text("".join(line + "\n" for line in file.read_text().splitlines()[1:]))
    with pytest.raises(UsageError, match="all else is identical through step 12") as caught:
        verify.verify(workdir.own_config(run), run, 0, 0.0)
    assert str(caught.value).startswith(
        "the record has gaps: metrics.jsonl lacks the row of step 2 (1 of 6); all else is "
    )
    with pytest.raises(UsageError, match="all else is equal within"):
        verify.verify(workdir.own_config(run), run, 0, 0.1)
    verify.verify(workdir.own_config(run), run, 4, 0.0)


# What is scored of a run that has its steps.


def rows_of(folder):
    return [(row["step"], row["protocol"]) for row in json_lines(folder / "eval.jsonl")]


def test_the_checkpoints_that_are_kept_are_scored(run, tmp_path):
    train(scored(), str(tmp_path / "whole"))
    train(scored(), str(run))
    whole, late = (json_lines(folder / "eval.jsonl") for folder in (tmp_path / "whole", run))
    for row in (*whole, *late):
        del row["seconds"]
    assert late == whole
    assert [row["step"] for row in late] == [4, 8, 12]
    best = min(late, key=lambda row: row["fid"])["step"]
    assert saved_steps(run / "best") == [best]
    assert digests(run) == digests(tmp_path / "whole")
    train(scored(), str(run))
    assert len(json_lines(run / "eval.jsonl")) == 3


def test_those_that_are_due_and_have_no_row_by_the_same_protocol(run):
    train(scored(eval_every=8), str(run))
    assert [step for step, _ in rows_of(run)] == [8, 12]
    train(scored(), str(run))
    assert [step for step, _ in rows_of(run)] == [8, 12, 4]
    other = scored()
    other.eval.num_samples = 60
    train(other, str(run))
    assert [step for step, _ in rows_of(run)] == [8, 12, 4, 4, 8, 12]
    fids = {row["step"]: row["fid"] for row in json_lines(run / "eval.jsonl")[3:]}
    assert saved_steps(run / "best") == [min(fids, key=fids.get)]


def test_one_that_is_damaged_is_passed_over(run, caplog):
    for file in (run / "checkpoints" / "00000008" / "state").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    train(scored(), str(run))
    assert [step for step, _ in rows_of(run)] == [4, 12]
    assert "checkpoint 8 is not scored" in caplog.text


# Speed.


def test_images_per_second_are_those_of_the_steps(tmp_path, monkeypatch):
    """However long the scores take in between; at first the picture of step 0 is drawn beside."""
    quick = config(steps=120, log_every=10, sample_every=0, checkpoint_every=0)
    train(quick, str(tmp_path / "quick"))
    score = Evaluator.score

    def slow(*arguments):
        time.sleep(0.7)
        return score(*arguments)

    monkeypatch.setattr(Evaluator, "score", slow)
    often = scored(steps=120, log_every=10, sample_every=40, checkpoint_every=40, eval_every=40)
    train(often, str(tmp_path / "often"))
    speeds = [
        [row["images_per_second"] for row in json_lines(tmp_path / name / "metrics.jsonl")][4:]
        for name in ("quick", "often")
    ]
    assert min(speeds[1]) > min(speeds[0]) / 4, speeds


def test_seconds_to_the_first_step_count_from_the_runs_own_start(tmp_path):
    time.sleep(0.5)
    began = time.perf_counter()
    train(config(), str(tmp_path / "run"))
    whole = time.perf_counter() - began
    assert 0 < manifest(tmp_path / "run")["seconds_to_first_step"] < whole

"""Modes that use a run whose files were damaged: a sample of fuzz_run_files.py."""

import shutil

import pytest

import fuzz_run_files
from fuzz_run_files import CHEAP, FAULTS, MODES

EVERY = 10  # of so many mutations one goes to a mode that compiles much


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return fuzz_run_files.make_run(tmp_path_factory.mktemp("fuzz") / "whole")


def test_damaged_files_are_read_rightly_or_told_of(whole, tmp_path):
    def modes(number):
        return [*CHEAP, *[list(MODES)[number // EVERY % len(MODES)]] * (number % EVERY == 0)]

    counts, faults = fuzz_run_files.fuzz(whole, tmp_path, range(40), 1, modes, {}, print)
    assert not faults
    assert counts["page", "same"] + counts["page", "warned"] > 20


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_refuses_a_config_of_which_a_bit_was_flipped(whole, tmp_path, mode):
    """40 samples are 41 then: a config as valid as the run's own."""
    run = shutil.copytree(whole, tmp_path / "run")
    text = (run / "config.json").read_text()
    (run / "config.json").write_text(text.replace('"num_samples": 40', '"num_samples": 41'))
    outcome = fuzz_run_files.call(MODES[mode], run)
    assert outcome.kind == "refused"
    assert "its config.json was edited or damaged" in outcome.said


def test_the_page_of_a_run_whose_config_was_edited_says_so(whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    text = (run / "config.json").read_text()
    (run / "config.json").write_text(text.replace('"seed": 0', '"seed": 1'))
    outcome = fuzz_run_files.call(CHEAP["page"], run)
    assert outcome.kind == "warned"
    assert "config.json was edited or damaged" in outcome.said
    assert "config.json was edited or damaged" in (run / "index.html").read_text()


def test_a_fault_is_told(whole, tmp_path):
    """The check itself: of a mode that fails, that says much, and that computes something else."""
    run = shutil.copytree(whole, tmp_path / "run")

    def fail(run):
        raise KeyError("step")

    def chat(run):
        raise fuzz_run_files.GanJaxError("x" * 9999)

    assert fuzz_run_files.call(fail, run).kind == "traceback"
    assert fuzz_run_files.call(chat, run).kind == "lines"
    assert fuzz_run_files.call(lambda run: 3, run, 4).kind == "silent"
    assert {"traceback", "lines", "silent"} == set(FAULTS)

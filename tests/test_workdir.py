import json
import os

import pytest

from gan_jax import workdir
from gan_jax.config import as_dict
from gan_jax.errors import UsageError
from support import tiny_config


def began(path, config):
    """A directory in which a run of that config began."""
    workdir.write_json(path / "config.json", as_dict(config))


def test_a_claim_makes_the_directory_and_nothing_else(tmp_path):
    with workdir.claim(str(tmp_path / "a" / "b"), tiny_config()) as directory:
        assert [path.name for path in directory.iterdir()] == [".lock"]


def test_a_file_is_replaced_in_one_move(tmp_path):
    for value in ({"a": 1}, {"b": [2]}):
        workdir.write_json(tmp_path / "x.json", value)
        assert workdir.read_json(tmp_path / "x.json") == value
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("text", [None, "", "[]", '{"a": '])
def test_what_holds_no_json_object_reads_as_empty(tmp_path, text):
    if text is not None:
        (tmp_path / "x.json").write_text(text)
    assert workdir.read_json(tmp_path / "x.json") == {}


def test_a_directory_in_use_is_refused_until_it_is_free(tmp_path):
    with (
        workdir.claim(str(tmp_path), tiny_config()),
        pytest.raises(UsageError, match="another process trains there"),
        workdir.claim(str(tmp_path), tiny_config()),
    ):
        pass
    with workdir.claim(str(tmp_path), tiny_config()):
        pass


def test_another_config_is_refused_with_the_difference_and_changes_nothing(tmp_path):
    began(tmp_path, tiny_config())
    before = (tmp_path / "config.json").read_text()
    with (
        pytest.raises(UsageError, match=r"config\.seed: saved 0, now 1"),
        workdir.claim(str(tmp_path), tiny_config(seed=1)),
    ):
        pass
    assert (tmp_path / "config.json").read_text() == before


def test_a_longer_run_of_the_same_config_is_welcome(tmp_path):
    began(tmp_path, tiny_config(steps=6))
    with workdir.claim(str(tmp_path), tiny_config(steps=60)):
        pass


@pytest.mark.parametrize("text", ['{"seed": ', "[]", ""])
def test_a_damaged_config_is_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with (
        pytest.raises(UsageError, match=r"config\.json is damaged"),
        workdir.claim(str(tmp_path), tiny_config()),
    ):
        pass


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UsageError, match=r"cannot be written \(Not a directory\)"),
        workdir.claim(str(tmp_path / "file" / "run"), tiny_config()),
    ):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with (
        pytest.raises(UsageError, match="cannot be written"),
        workdir.claim(str(tmp_path), tiny_config()),
    ):
        pass


def test_lines_later_than_a_step_or_half_written_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for step in (1, 2, 3):
        workdir.append_line(path, {"step": step})
    with path.open("a") as file:
        file.write('{"step": 2, "los')
    workdir.keep_lines(path, 2)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"step": 1},
        {"step": 2},
    ]
    workdir.keep_lines(tmp_path / "missing.jsonl", 2)
    assert not (tmp_path / "missing.jsonl").exists()


def test_half_written_lines_are_passed_over(tmp_path):
    file = tmp_path / "rows.jsonl"
    assert workdir.read_lines(file) == []
    file.write_text('{"step": 1, "fid": 2.5}\n{"step": 2, "fi')
    assert workdir.read_lines(file) == [{"step": 1, "fid": 2.5}]

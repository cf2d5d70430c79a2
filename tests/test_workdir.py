import json
import os

import pytest

from gan_jax import workdir
from gan_jax.config import as_dict
from gan_jax.errors import Gone, Unwritable, UsageError
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


def test_a_line_behind_a_half_written_one_is_whole(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"step": 1, "fid": 2.5}\n{"step": 2, "fi')
    for step in (3, 4):
        workdir.append_line(file, {"step": step})
    assert [row["step"] for row in workdir.read_lines(file)] == [1, 3, 4]


def test_what_takes_the_place_of_a_claimed_directory_is_not_it(tmp_path):
    run = tmp_path / "run"
    with workdir.claim(str(run), tiny_config()):
        place = workdir.Place(run)
        place.check()
        run.rename(tmp_path / "moved")
        with pytest.raises(Gone, match="No such file or directory"):
            place.check()
        with (
            workdir.claim(str(run), tiny_config()),
            pytest.raises(Gone, match="another one is at its place"),
        ):
            place.check()


def test_an_error_at_the_end_does_not_hide_the_first_one():
    def close():
        raise Unwritable("the second")

    with pytest.raises(ValueError, match="the first"), workdir.closing(close):
        raise ValueError("the first")
    with pytest.raises(Unwritable, match="the second"), workdir.closing(close):
        pass


def test_a_byte_that_is_no_text_costs_its_line_alone(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n{"st\xff": 2}\n{"step": 3}\n')
    assert workdir.read_lines(path) == [{"step": 1}, {"step": 3}]
    workdir.keep_lines(path, 2)
    assert path.read_text() == '{"step": 1}\n'

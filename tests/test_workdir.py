import json
import os

import pytest

from gan_jax import workdir
from gan_jax.config import as_dict, as_saved, digest
from gan_jax.errors import Gone, Unwritable, UsageError
from support import tiny_config


def began(path, config):
    """A directory in which a run of that config began."""
    workdir.write_json(path / "config.json", as_dict(config))


def recorded(path, *configs):
    """The same, with a digest of each session's config in manifest.json; the last is the newest."""
    *earlier, now = ({"config_sha256": digest(as_saved(config))} for config in configs)
    workdir.write_json(path / "manifest.json", {**now, "earlier": earlier})
    workdir.write_json(path / "config.json", as_saved(configs[-1]))
    return path / "config.json"


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


NO_CONFIGS = {
    "cut": b'{"seed": ',
    "a list": b"[]",
    "nothing": b"",
    "no text": b'{"seed": \xff}',
    "deep": b'{"latent": ' + 100_000 * b"[" + 100_000 * b"]" + b"}",
    "not so deep": b'{"latent": ' + 100 * b'{"a":' + b"3" + 100 * b"}" + b"}",
    "a key twice": b'{"seed": 1, "seed": 1}',
    "a key twice in a group": b'{"latent": {"dim": 1, "dim": 2}}',
    "a huge number": b'{"seed": 1' + 5000 * b"0" + b"}",
    "a large number": b'{"seed": 1' + 30 * b"0" + b"}",
}


@pytest.mark.parametrize("text", NO_CONFIGS.values(), ids=NO_CONFIGS)
def test_a_damaged_config_is_refused(tmp_path, text):
    (tmp_path / "config.json").write_bytes(text)
    for given in (tiny_config(), None):
        with pytest.raises(UsageError, match=r"config\.json is damaged") as refusal:
            workdir.run_config(tmp_path, given)
        assert len(str(refusal.value)) < 400
    with (
        pytest.raises(UsageError, match=r"config\.json is damaged"),
        workdir.claim(str(tmp_path), tiny_config()),
    ):
        pass


@pytest.mark.parametrize(
    "changes",
    [
        {"latent": 3}, {"latent": None}, {"seed": None}, {"seed": "0"}, {"seed": True},
        {"ema": {"decay": float("nan")}}, {"generator": {"name": []}}, {"generator": []},
        {"dataset": {"name": {"a": 1}}}, {"seed": [[1]]}, {"schema_version": 99}, {"new": 1},
    ],
)  # fmt: skip
def test_a_config_that_makes_no_sense_is_refused(tmp_path, changes):
    workdir.write_json(tmp_path / "config.json", as_dict(tiny_config()) | changes)
    with pytest.raises(UsageError, match=r"^config"):
        workdir.own_config(tmp_path)


def test_a_config_that_is_a_directory_is_refused(tmp_path):
    (tmp_path / "config.json").mkdir()
    with pytest.raises(UsageError, match=r"config\.json cannot be read \(Is a directory\)"):
        workdir.own_config(tmp_path)


def test_a_config_that_was_edited_is_refused_with_what_differs(tmp_path):
    """The digest is of what it says: the layout and the order of its keys do not count."""
    file = recorded(tmp_path, tiny_config())
    assert workdir.own_config(tmp_path) == tiny_config()
    file.write_text(json.dumps(json.loads(file.read_text()), sort_keys=True))
    assert workdir.own_config(tmp_path) == tiny_config()
    file.write_text(json.dumps(as_saved(tiny_config(seed=1, log_every=7))))
    with pytest.raises(UsageError, match=r"was edited or damaged: .*manifest.*; undo that"):
        workdir.own_config(tmp_path)
    said = r"edited or damaged \(beside --config: config\.seed: saved 1, now 0\)"
    with pytest.raises(UsageError, match=said):
        workdir.run_config(tmp_path, tiny_config())
    for given in (tiny_config(), tiny_config(seed=1)):
        with (
            pytest.raises(UsageError, match="edited or damaged"),
            workdir.claim(str(tmp_path), given),
        ):
            pass


def test_every_bit_of_a_config_counts(tmp_path):
    file = recorded(tmp_path, tiny_config())
    whole = file.read_bytes()
    for place in range(0, len(whole), 5):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        file.write_bytes(flipped)
        with pytest.raises(UsageError):
            workdir.own_config(tmp_path)


def test_the_config_of_any_session_is_the_runs_own(tmp_path):
    """A session that was killed between manifest.json and config.json leaves the one before."""
    first, second, third = (tiny_config(steps=steps) for steps in (6, 12, 18))
    file = recorded(tmp_path, first, second, third)
    for config in (first, second, third):
        workdir.write_json(file, as_saved(config))
        assert workdir.own_config(tmp_path) == config


@pytest.mark.parametrize(
    "manifest",
    [None, "{", "[]", "null", '{"config_sha256": 3}', '{"earlier": {}}', '{"earlier": [3]}'],
)
def test_a_run_without_a_recorded_digest_opens(tmp_path, manifest):
    began(tmp_path, tiny_config())
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    assert workdir.own_config(tmp_path) == tiny_config()


def test_a_config_that_was_removed_comes_back_by_the_runs_own_settings_alone(tmp_path):
    recorded(tmp_path, tiny_config()).unlink()
    (tmp_path / "checkpoints" / "00000002").mkdir(parents=True)
    with workdir.claim(str(tmp_path), tiny_config()):
        pass
    with (
        pytest.raises(UsageError, match=r"config\.json is missing, and the config given is not"),
        workdir.claim(str(tmp_path), tiny_config(seed=1)),
    ):
        pass
    (tmp_path / "checkpoints" / "00000002").rmdir()  # nothing was trained: any config may begin
    with workdir.claim(str(tmp_path), tiny_config(seed=1)):
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


def test_damaged_lines_are_passed_over_and_dropped_with_a_warning(tmp_path, caplog):
    path = tmp_path / "metrics.jsonl"
    damaged = [
        "", "null", "3", "[1]", '"x"', "{}", '{"step": null}', '{"step": "1"}', '{"step": 1.0}',
        '{"step": true}', '{"step": -1}', '{"step": 4294967296}', '{"step": 1e999}',
        '{"step": NaN}', '{"step": 1' + 400 * "0" + "}", 2000 * "[", '{"step": 1, "step": 1}',
    ]  # fmt: skip
    path.write_text("\n".join(['{"step": 1}', *damaged, '{"step": 2}', '{"step": 3, "l']))
    assert workdir.read_lines(path) == [{"step": 1}, {"step": 2}]
    workdir.keep_lines(path, 2)
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: lines that are damaged, and {what}: {len(damaged)}"
        for what in ("passed over", "dropped")
    ]


def test_lines_that_cannot_be_read_are_refused(tmp_path):
    for read in (workdir.read_lines, lambda path: workdir.keep_lines(path, 2)):
        with pytest.raises(UsageError, match=r"cannot be read \(Is a directory\)"):
            read(tmp_path)

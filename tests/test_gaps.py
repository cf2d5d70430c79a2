"""Which rows a run's record must hold, and what is said of those that are gone."""

import json

import pytest

from gan_jax import gaps

EVERY = {"steps": 40, "log_every": 5, "checkpoint_every": 10, "eval_every": 20}


def sessions(folder, *found):
    """Writes a manifest of sessions, each (start, schedule)."""
    *earlier, last = [{"start": start, "schedule": told} for start, told in found]
    (folder / "manifest.json").write_text(json.dumps(last | {"earlier": earlier}))


def rows(folder, digests=(), metrics=(), scores=()):
    """Writes rows of these steps."""
    made = {
        "digests.jsonl": [{"step": step, "sha256": "0"} for step in digests],
        "metrics.jsonl": [{"step": step, "d_loss": 0.5} for step in metrics],
        "eval.jsonl": [{"step": s, "checkpoint": str(s), "protocol": "p"} for s in scores],
    }
    for name, written in made.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in written))


def whole(folder):
    rows(folder, range(10, 41, 10), range(5, 41, 5), (20, 40))


def test_a_whole_record_has_no_gaps(tmp_path):
    sessions(tmp_path, (0, EVERY))
    whole(tmp_path)
    assert gaps.find(tmp_path, 40) == []


def test_each_missing_row_is_named(tmp_path):
    sessions(tmp_path, (0, EVERY))
    rows(tmp_path, (10, 40), (5, 10, 20, 25, 30, 35, 40), ())
    assert gaps.find(tmp_path, 40) == [
        "digests.jsonl lacks the rows of steps 20, 30 (2 of 4)",
        "metrics.jsonl lacks the row of step 15 (1 of 8)",
        "eval.jsonl lacks the rows of steps 20, 40 (2 of 2)",
    ]
    assert gaps.find(tmp_path, 40, start=30) == [
        "eval.jsonl lacks the row of step 40 (1 of 1)",
    ]


def test_a_file_that_is_gone_lacks_all_of_them(tmp_path):
    sessions(tmp_path, (0, EVERY))
    whole(tmp_path)
    (tmp_path / "metrics.jsonl").unlink()
    said = "metrics.jsonl lacks the rows of steps 5, 10, 15, 20, 25, ... (8 of 8)"
    assert gaps.find(tmp_path, 40) == [said]


def test_a_file_that_was_cut(tmp_path):
    sessions(tmp_path, (0, EVERY))
    whole(tmp_path)
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(file.read_bytes()[: len(file.read_bytes()) // 2 + 5])
    said = "metrics.jsonl lacks the rows of steps 25, 30, 35, 40 (4 of 8)"
    assert gaps.find(tmp_path, 40) == [said]


@pytest.mark.parametrize(
    "line",
    ['{"step": 20, "d_lo', "", "null", "[20]", '{"step": "20"}', '{"step": null}', "\x00\x01", "["],
)
def test_a_line_in_the_middle_that_is_none(tmp_path, line):
    sessions(tmp_path, (0, EVERY))
    whole(tmp_path)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    lines[3] = line
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    said = "metrics.jsonl lacks the row of step 20 (1 of 8) and holds 1 damaged line"
    assert gaps.find(tmp_path, 40) == [said]


def test_a_row_that_says_nothing_is_missing(tmp_path):
    sessions(tmp_path, (0, EVERY))
    whole(tmp_path)
    with (tmp_path / "digests.jsonl").open("w") as file:
        for step in (10, 20, 30, 40):
            row = {"step": step, "sha256": "0"} if step != 30 else {"step": 30}
            file.write(json.dumps(row) + "\n")
    assert gaps.find(tmp_path, 40) == ["digests.jsonl lacks the row of step 30 (1 of 4)"]


def test_rows_later_than_the_checkpoint_and_a_last_line_without_an_end_are_no_matter(tmp_path):
    """As a kill leaves them."""
    sessions(tmp_path, (0, EVERY))
    whole(tmp_path)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 55, "d_loss": 1.0}\n{"step": 60')
    assert gaps.find(tmp_path, 40) == []


def test_another_schedule_from_the_middle_on(tmp_path):
    later = EVERY | {"log_every": 20, "checkpoint_every": 0, "eval_every": 0, "steps": 60}
    sessions(tmp_path, (0, EVERY), (20, later))
    rows(tmp_path, (10, 20, 60), (5, 10, 15, 20, 40, 60), (20,))
    assert gaps.find(tmp_path, 60) == []
    rows(tmp_path, (10, 60), (5, 10, 15, 20, 60), (20,))
    assert gaps.find(tmp_path, 60) == [
        "digests.jsonl lacks the row of step 20 (1 of 3)",
        "metrics.jsonl lacks the row of step 40 (1 of 6)",
    ]


def test_more_steps_after_an_end_and_a_stop_between_two_checkpoints(tmp_path):
    """The last step of a session is logged, a stop is saved alone."""
    sessions(tmp_path, (0, EVERY | {"steps": 12}), (12, EVERY), (17, EVERY))
    rows(tmp_path, (10, 12, 17, 20, 30, 40), (5, 10, 12, *range(15, 41, 5)), (12, 20, 40))
    assert gaps.find(tmp_path, 40) == []


def test_a_session_that_went_back_behind_a_damaged_checkpoint(tmp_path):
    sessions(tmp_path, (0, EVERY), (17, EVERY), (10, EVERY))
    whole(tmp_path)
    assert gaps.find(tmp_path, 40) == []


def test_sessions_that_did_not_tell_their_schedule(tmp_path):
    """Of those before the last nothing is known; the last is that of config.json."""
    manifest = {"start": 20, "earlier": [{"start": 0}]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "config.json").write_text(json.dumps(EVERY))
    rows(tmp_path, (20, 30, 40), (7, 14, 25, 35, 40), (40,))
    assert gaps.find(tmp_path, 40) == ["metrics.jsonl lacks the row of step 30 (1 of 4)"]


@pytest.mark.parametrize(
    "manifest",
    ["", "[]", '{"start": null, "earlier": 3}', '{"start": "x", "earlier": [1, null, {}]}',
     '{"schedule": 7}', '{"schedule": {"log_every": "5", "steps": []}}'],
)  # fmt: skip
def test_a_manifest_that_says_little_is_read_as_far_as_it_goes(tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(manifest)
    rows(tmp_path, (40,))
    assert gaps.find(tmp_path, 40) == []
    assert gaps.find(tmp_path, 50) == ["digests.jsonl lacks the row of step 50 (1 of 1)"]

"""What a row is of, and which is the best."""

import json

import pytest

from gan_jax import workdir
from gan_jax.checkpoint import Checkpoints
from gan_jax.evaluate import rows
from gan_jax.evaluate.record import Record
from gan_jax.program import Program
from support import tiny_mlp_config

PROTOCOL = "fid10k_train;features=pixels-8x8;resize=none;ema;seed=0"


def old(checkpoint, step=0, subject="ema", **others):
    """A row as versions without "kind" wrote it."""
    protocol = PROTOCOL.replace("ema", subject)
    return {"step": step, "checkpoint": checkpoint, "protocol": protocol, "fid": 5.0} | others


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (old("20", 20), True),
        (old("latest", 20), True),
        (old("best", 20, "live"), True),
        (old("real", subject="real"), False),
        (old("noise", subject="noise"), False),
        (old("latest", subject="images"), False),  # a directory of that name
        (old("20", subject="images"), False),
        (old("/somewhere/real"), False),
        (old("0", kind="checkpoint"), True),
        (old("latest", kind="images"), False),
    ],
)
def test_a_row_is_of_a_checkpoint_or_of_something_else(row, expected):
    assert rows.of_checkpoint(row) == expected


def test_only_a_checkpoint_is_the_best(tmp_path):
    """After --checkpoint=real, and after images at a path that looks like a step."""
    with Checkpoints(tmp_path, 1, "best") as checkpoints:
        record = Record(tmp_path, 0, "fid", checkpoints, lambda state: {})
        assert record.best() is None
        rows.append(tmp_path, old("real", subject="real", fid=1.0))
        assert record.best() is None
        for row in (
            old("20", 20, fid=7.0, kind="checkpoint"), old("40", 40, fid=8.0, kind="checkpoint"),
            old("real", subject="real", fid=1.0, kind="real"),
            old("60", subject="images", fid=0.5, kind="images"),
        ):  # fmt: skip
            rows.append(tmp_path, row)
        assert record.best()["step"] == 20
    assert rows.best(rows.read(tmp_path), "fid", PROTOCOL.replace("ema", "real")) is None


def test_a_run_whose_scores_change_their_protocol_says_so(tmp_path, caplog):
    """As one that goes on where another classifier was made."""
    state = Program(tiny_mlp_config()).template()
    with Checkpoints(tmp_path, 1, "best") as checkpoints:
        for start, protocol in ((0, "a"), (20, "a"), (30, "b")):
            rows.append(tmp_path, old("real", subject="real"))
            score = {"kind": "checkpoint", "protocol": protocol, "fid": None}
            record = Record(tmp_path, start, "fid", checkpoints, lambda state, score=score: score)
            for step in (start + 10, start + 20):
                record.take(step, state)
    (warning,) = [line.getMessage() for line in caplog.records if "do not compare" in line.msg]
    assert warning.endswith("they were by a, and are by b now")


def test_a_row_for_people_has_its_note(tmp_path):
    row = {
        "step": 0, "checkpoint": "real", "kind": "real", "protocol": "p", "num_samples": 10,
        "fid": float("nan"), "kid": 0.123456789, "note": "not comparable with checkpoints: k 3",
    }  # fmt: skip
    text = rows.table(rows.append(tmp_path, row))
    assert "kind" not in text
    lines = [line.split(maxsplit=1) for line in text.splitlines()[1:]]
    assert lines == [
        ["num_samples", "10"], ["fid", "none"], ["kid", "0.12346"], ["note", row["note"]]
    ]  # fmt: skip
    assert json.loads((tmp_path / "eval.jsonl").read_text())["fid"] is None
    assert workdir.read_lines(tmp_path / "eval.jsonl")[0]["kind"] == "real"


@pytest.mark.parametrize(
    "damage",
    [
        {"protocol": None}, {"protocol": 3}, {"checkpoint": 4}, {"checkpoint": []}, {"fid": "1"},
        {"fid": True}, {"fid": float("nan")}, {"fid": float("inf")}, {"recall": [1.0]},
        {"modes": {}},
    ],
)  # fmt: skip
def test_a_damaged_row_is_passed_over_with_a_warning(tmp_path, caplog, damage):
    """It would be the best otherwise."""
    whole = {"step": 2, "checkpoint": "2", "protocol": "p", "fid": 3.0, "recall": None}
    for row in (whole, whole | {"step": 4, "checkpoint": "4", "fid": 1.0} | damage):
        workdir.append_line(tmp_path / "eval.jsonl", row)
    assert rows.read(tmp_path) == [whole]
    assert "rows that are damaged, and passed over: 1" in caplog.text

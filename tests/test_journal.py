"""The record of a run: what is finite, its order on disk, and what a resumed run drops."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import prng, workdir
from gan_jax.checkpoint import Checkpoints, saved_steps
from gan_jax.errors import Diverged
from gan_jax.journal import Journal
from gan_jax.preview import Painter
from gan_jax.report.page import Page
from gan_jax.report.progress import Progress
from gan_jax.state import build_models, init_state
from support import json_lines, tiny_mlp_config

METRICS = ("d_loss", "g_loss", "d_accuracy_real", "d_accuracy_fake", "d_grad_norm")


def wait_for(action, *arguments):
    """What is handed over is written later, by another thread; errors come up then."""
    action(*arguments)
    action.__self__.settle()


def metrics(**changes):
    return {name: jnp.float32([changes.get(name, 0.5)]) for name in METRICS}


PAINTER = Painter(lambda state, key: {}, lambda seen, step: np.full((4, 4, 3), 100, np.uint8))


@pytest.fixture
def state():
    config = tiny_mlp_config()
    networks = build_models(config, (2,), None)
    return init_state(config, networks, (2,), prng.root(0))


@pytest.fixture
def open_journal(tmp_path):
    with contextlib.ExitStack() as stack:
        stack.enter_context(workdir.claim(str(tmp_path), tiny_mlp_config()))
        checkpoints = stack.enter_context(Checkpoints(tmp_path, keep=9))
        writer = stack.enter_context(ThreadPoolExecutor(1))

        def start(step=0):
            manifest = {}
            journal = Journal(
                tiny_mlp_config(), tmp_path, checkpoints, PAINTER, None, step, manifest,
                Page(tmp_path, step), Progress(), writer,
            )  # fmt: skip
            stack.callback(journal.close)
            return journal

        yield start


def test_a_logged_row_is_that_of_the_last_step(open_journal, tmp_path, state):
    journal = open_journal()
    for step in (1, 2, 3):
        journal.add(step, metrics(d_loss=step))
    journal.log(state)
    journal.settle()
    (row,) = json_lines(tmp_path / "metrics.jsonl")
    assert row["step"] == 3
    assert row["d_loss"] == 3.0
    assert row["images_per_second"] > 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_found_at_its_step(open_journal, tmp_path, state, bad):
    journal = open_journal()
    journal.add(1, metrics())
    journal.add(2, metrics(d_grad_norm=bad))
    journal.add(3, metrics())
    with pytest.raises(Diverged, match="d_grad_norm is not finite at step 2"):
        wait_for(journal.log, state)
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_state_that_is_not_finite_is_not_saved(open_journal, tmp_path, state):
    journal = open_journal()
    journal.add(1, metrics())
    params = jax.tree.map(lambda leaf: leaf.at[(0,) * leaf.ndim].set(jnp.nan), state.ema.params)
    broken = state.replace(step=jnp.int32(1), ema=state.ema.replace(params=params))
    with pytest.raises(Diverged, match=r"state\.ema\.params.* is not finite at step 1"):
        wait_for(journal.save, 1, broken)
    assert not (tmp_path / "digests.jsonl").exists()
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_nothing_is_saved_after_a_step_that_was_not_finite(open_journal, tmp_path, state):
    journal = open_journal()
    journal.add(1, metrics(g_loss=np.nan))
    with pytest.raises(Diverged, match="g_loss is not finite at step 1"):
        wait_for(journal.save, 1, state)
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_a_state_after_one_that_was_not_finite_is_not_drawn(open_journal, tmp_path, state):
    journal = open_journal()
    journal.add(1, metrics(g_loss=np.inf))
    with pytest.raises(Diverged, match="g_loss is not finite at step 1"):
        wait_for(journal.draw, 1, state)
    assert list((tmp_path / "samples").iterdir()) == []


def test_a_resumed_run_drops_what_is_later_than_its_checkpoint(open_journal, tmp_path, state):
    journal = open_journal()
    for step in (1, 2, 3):
        journal.add(step, metrics())
        journal.log(state)
        journal.save(step, state.replace(step=jnp.int32(step)))
    journal.close()
    open_journal(step=2)
    assert [row["step"] for row in json_lines(tmp_path / "metrics.jsonl")] == [1, 2]
    assert [row["step"] for row in json_lines(tmp_path / "digests.jsonl")] == [1, 2]


def test_a_step_within_a_call_that_is_not_finite_is_named(open_journal, state):
    journal = open_journal()
    values = jnp.array([0.5, np.nan, 0.5, np.nan], jnp.float32)
    journal.add(8, {name: values for name in METRICS})
    with pytest.raises(Diverged, match="is not finite at step 6"):
        wait_for(journal.log, state)


def test_an_error_of_the_writer_reaches_the_loop_and_stops_what_follows(
    open_journal, tmp_path, state
):
    journal = open_journal()
    journal.add(1, metrics(d_loss=np.nan))
    journal.log(state)
    with pytest.raises(Diverged):
        journal.settle()
    with pytest.raises(Diverged):
        journal.add(2, metrics())
    journal.close()
    assert not (tmp_path / "metrics.jsonl").exists()


def test_the_loop_runs_a_few_calls_ahead_of_the_devices_and_no_more(
    open_journal, state, monkeypatch
):
    """However often it logs."""
    waited = []
    monkeypatch.setattr(jax, "block_until_ready", waited.append)
    journal = open_journal()
    sent = [metrics(d_loss=step) for step in range(8)]
    for step, values in enumerate(sent, 1):
        journal.add(step, values)
        journal.log(state)
    journal.settle()
    assert waited[0] is sent[0]  # the first: it compiles
    assert [id(values) for values in waited[1:]] == [id(values) for values in sent[:6]]


def test_what_is_secured_is_on_disk(open_journal, state, tmp_path):
    journal = open_journal()
    journal.save(3, state.replace(step=jnp.int32(3)))
    journal.secure()
    assert saved_steps(tmp_path / "checkpoints") == [3]

"""A member of a population is the run that its config makes alone."""

import contextlib
import copy
import time
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest

from gan_jax import prng
from gan_jax.errors import Diverged
from gan_jax.program import Program, static_part
from gan_jax.stopping import StopSignals
from gan_jax.sweep.population import Lanes, Member, Turns
from gan_jax.train import train
from support import json_lines, tiny_config, tiny_mlp_config

# Of neither the clock nor another member's turn.
NOT_COMPARED = ("seconds", "images_per_second")


def variant(config, seed, factor):
    config = copy.deepcopy(config)
    config.seed = seed
    config.generator.optimizer.learning_rate *= factor
    config.discriminator.optimizer.b1 = 0.5 + 0.1 * seed
    config.ema.decay = 0.9 if seed else 0.5
    return config


def populate(kind, program, configs, folder, places):
    """Trains all of them, a free place given to the next at once; returns the members by place."""
    todo, members = list(enumerate(configs)), {}
    with ThreadPoolExecutor(1) as writer, StopSignals() as signals, contextlib.ExitStack() as stack:
        population = kind(program, places, signals)
        while todo or population.members():
            while todo and len(population.members()) < places:
                i, config = todo.pop(0)
                members[i] = Member(program, config, str(folder / str(i)), writer)
                stack.callback(members[i].close)
                population.enter(members[i])
            population.advance(population.members())
            for member in population.members():
                if member.ended:
                    member.finish()
                    population.leave(member)
                if not isinstance(member.error, Diverged | None):
                    raise member.error
    return members


def rows(folder):
    found = json_lines(folder / "metrics.jsonl")
    return [{k: v for k, v in row.items() if k not in NOT_COMPARED} for row in found]


def assert_rows_are_close(one, other, tolerance):
    assert [row["step"] for row in one] == [row["step"] for row in other]
    for a, b in zip(one, other, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=tolerance, atol=tolerance / 10)


def test_members_in_turns_are_the_runs_alone_bit_for_bit(tmp_path):
    """BatchNorm, an average and four devices; the second place is given twice."""
    configs = [variant(tiny_config(), seed, 1 + seed) for seed in range(3)]
    populate(Turns, Program(tiny_config()), configs, tmp_path / "together", places=2)
    for i, config in enumerate(configs):
        train(config, str(tmp_path / "alone" / str(i)))
        alone, together = (tmp_path / name / str(i) for name in ("alone", "together"))
        digests = json_lines(alone / "digests.jsonl")
        assert len(digests) == 3
        assert digests == json_lines(together / "digests.jsonl")
        assert rows(alone) == rows(together)
        assert {path.name for path in alone.rglob("*.png")} == {
            path.name for path in together.rglob("*.png")
        }


def test_a_member_that_was_left_can_be_continued_alone(tmp_path):
    config = variant(tiny_config(), 1, 1.0)
    short = copy.deepcopy(config)
    short.steps = 2
    populate(Turns, Program(short), [short], tmp_path / "run", places=1)
    train(config, str(tmp_path / "run" / "0"))
    train(config, str(tmp_path / "alone"))
    assert json_lines(tmp_path / "run" / "0" / "digests.jsonl") == json_lines(
        tmp_path / "alone" / "digests.jsonl"
    )


def test_members_in_lanes_are_the_runs_alone_to_rounding(tmp_path):
    """100 steps, 5 runs in 4 places of 4 devices, so that one begins beside others' step 100."""
    base = tiny_mlp_config(steps=100, log_every=10, sample_every=0, checkpoint_every=50)
    configs = [variant(base, seed, 1 + 0.5 * seed) for seed in range(5)]
    populate(Lanes, Program(base), configs, tmp_path / "together", places=4)
    for i in (0, 3, 4):
        train(configs[i], str(tmp_path / "alone" / str(i)))
        alone, together = (tmp_path / name / str(i) for name in ("alone", "together"))
        assert_rows_are_close(rows(alone), rows(together), 1e-4)
        steps = [
            [row["step"] for row in json_lines(f / "digests.jsonl")] for f in (alone, together)
        ]
        assert steps == [[50, 100], [50, 100]]


@pytest.mark.parametrize("kind", [Turns, Lanes])
def test_a_members_speed_is_that_of_its_own_steps(tmp_path, monkeypatch, kind):
    """However long a picture of any of them takes, and whoever has the devices in between."""
    base = tiny_mlp_config(steps=80, log_every=20, sample_every=20, checkpoint_every=0)
    train(base, str(tmp_path / "alone"))
    monkeypatch.setattr("gan_jax.report.pictures.modes", lambda *_: time.sleep(1.0))
    configs = [variant(base, seed, 1.0) for seed in range(2)]
    members = populate(kind, Program(base), configs, tmp_path / "together", places=2)
    assert [member.error for member in members.values()] == [None, None]
    alone = json_lines(tmp_path / "alone" / "metrics.jsonl")[-1]["images_per_second"]
    for i in range(2):
        rows = json_lines(tmp_path / "together" / str(i) / "metrics.jsonl")
        assert [row["images_per_second"] > alone / 20 for row in rows[1:]] == [True] * 3
        assert rows[-1]["images_per_second"] < 20 * alone


def test_members_in_lanes_see_the_data_and_the_latents_that_they_see_alone(tmp_path):
    """Players that stand still: their losses are a function of these alone."""
    base = tiny_mlp_config(steps=12, log_every=1, sample_every=0, checkpoint_every=0)
    configs = [variant(base, seed, 0.0) for seed in range(2)]
    for config in configs:
        config.discriminator.optimizer.learning_rate = 0.0
    populate(Lanes, Program(base), configs, tmp_path / "together", places=8)
    for i, config in enumerate(configs):
        train(config, str(tmp_path / "alone" / str(i)))
        alone, together = (rows(tmp_path / name / str(i)) for name in ("alone", "together"))
        losses = [row["d_loss"] for row in alone]
        assert len(set(losses)) == 12
        np.testing.assert_allclose([row["d_loss"] for row in together], losses, rtol=2e-6)


@pytest.mark.parametrize("kind", [Turns, Lanes])
def test_one_that_diverges_ends_alone(tmp_path, kind):
    base = tiny_mlp_config(sample_every=0)
    configs = [variant(base, seed, 1.0) for seed in range(3)]
    configs[1].generator.optimizer.learning_rate = 1e38
    members = populate(kind, Program(base), configs, tmp_path, places=4)
    assert isinstance(members[1].error, Diverged)
    assert [members[0].error, members[2].error] == [None, None]
    manifests = [json_lines(tmp_path / str(i) / "digests.jsonl")[-1]["step"] for i in (0, 2)]
    assert manifests == [6, 6]
    assert '"status": "diverged"' in (tmp_path / "1" / "manifest.json").read_text()


def test_what_is_traced_does_not_part_programs_and_what_is_static_does():
    base = tiny_config()
    assert static_part(variant(base, 3, 7.0)) == static_part(base)
    for changes in ({"loss": "hinge"}, {"batch_size": 32}, {"d_steps": 2}, {"packing": 2}):
        assert static_part(tiny_config(**changes)) != static_part(base)


def test_a_traced_setting_is_no_part_of_what_is_compiled():
    """The programs of two configs that differ in all of them are the same text."""
    texts = []
    for config in (tiny_config(), variant(tiny_config(), 2, 3.0)):
        config.penalty.weight += config.seed
        config.generator.optimizer.b2 -= 0.1 * config.seed
        config.generator.optimizer.eps *= 1 + config.seed
        program = Program(config)
        step = jax.vmap(program.step, axis_name="devices", in_axes=(None, None, 0), out_axes=None)
        batch = {
            "image": jax.ShapeDtypeStruct((4, 1, 4, 8, 8, 1), np.uint8),
            "label": jax.ShapeDtypeStruct((4, 1, 4), np.int32),
        }
        texts.append(jax.jit(step).lower(program.template(), prng.root(0), batch).as_text())
    assert texts[0] == texts[1]

"""A run's networks come out of its directory as they went in, or it is said why not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import workdir
from gan_jax.apply.trained import make_generate, must_make_images, open_trained
from gan_jax.config import Dataset
from gan_jax.errors import UsageError
from gan_jax.program import Program
from gan_jax.report.progress import Silence
from gan_jax.session import open_session
from support import tiny_config


def open_run(directory, *arguments):
    return open_trained(workdir.own_config(directory), directory, *arguments)


def assert_equal(left, right):
    jax.tree.map(np.testing.assert_array_equal, left, right)


def test_the_networks_are_those_of_the_state(run, trained):
    config = workdir.own_config(run)
    program = Program(config)
    with open_session(program, config, str(run), Silence()) as session:
        state = jax.device_get(session.take_state())
    assert (trained.step, trained.params, trained.shape) == (6, "ema", (8, 8, 1))
    assert trained.num_classes == 0
    assert_equal(trained.generator, {"params": state.ema.params, **state.ema.model_state})
    live = open_run(run, "latest", "live")
    assert live.params == "live"
    assert_equal(live.generator["params"], state.generator.params)
    assert_equal(trained.discriminator["params"], state.discriminator.params)


def test_a_step_can_be_chosen(run):
    steps = {which: open_run(run, which).step for which in ("latest", "4", "0")}
    assert steps == {"latest": 6, "4": 4, "0": 0}
    born, later = open_run(run, "0").generator, open_run(run, "4").generator
    with pytest.raises(AssertionError):
        assert_equal(born, later)


def test_the_data_need_not_be_at_hand(run, monkeypatch):
    def gone(dataset):
        raise UsageError("no data")

    monkeypatch.setattr("gan_jax.apply.trained.open_source", gone)
    assert open_run(run).shape == (8, 8, 1)
    values = workdir.read_json(run / "manifest.json")
    classes = list("0123456789")
    assert values["sample"] == {"shape": [8, 8, 1], "num_classes": 10, "classes": classes}


def test_a_run_without_an_average_has_live_parameters_alone(conditional, conditional_run):
    assert (conditional.params, conditional.num_classes) == ("live", 10)
    with pytest.raises(UsageError, match=r"--params=ema: .*keeps no average.*take live"):
        open_run(conditional_run, "latest", "ema")


@pytest.mark.parametrize(
    ("which", "match"),
    [
        ("5", r"--checkpoint=5: takes latest \| best, .*saved: 2, 4, 6"),
        ("best", "--checkpoint=best: .*has none.*2, 4, 6"),
        ("lastest", "did you mean latest"),
    ],
)
def test_a_step_that_does_not_exist_is_answered_with_those_that_do(run, which, match):
    with pytest.raises(UsageError, match=match):
        open_run(run, which)


def test_images_lie_in_the_signed_range_whatever_the_runs(trained):
    config = tiny_config(dataset=Dataset(pixel_range="unit"))
    unit = trained._replace(config=config)
    z, label = jnp.zeros((3, 8)), jnp.zeros(3, jnp.int32)
    made = make_generate(trained)(trained.generator, z, label)
    np.testing.assert_allclose(
        make_generate(unit)(trained.generator, z, label), 2 * made - 1, rtol=1e-6
    )


def test_points_are_no_images(trained):
    with pytest.raises(UsageError, match=r"--mode=neighbors: .*makes points"):
        must_make_images(trained._replace(shape=(2,)), "neighbors")

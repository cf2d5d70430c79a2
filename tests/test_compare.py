"""What agrees and what does not, on numbers chosen at the edge."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import compare, prng
from gan_jax.checkpoint import to_host
from gan_jax.state import build_models, init_state
from support import tiny_mlp_config


@pytest.fixture(scope="module")
def state():
    config = tiny_mlp_config()
    born = to_host(init_state(config, build_models(config, (2,), None), (2,), prng.root(0)))
    return born.replace(step=np.int32(7))


def changed(state, path, change):
    """The state with one leaf made another."""

    def visit(where, leaf):
        return change(leaf.copy()) if jax.tree_util.keystr(where) == path else leaf

    return jax.tree_util.tree_map_with_path(visit, state)


KERNEL = ".generator.params['Dense_0']['kernel']"


@pytest.mark.parametrize(
    ("recorded", "here", "tolerance", "agrees"),
    [
        (0.1, 0.1, 0.0, True),
        (0.1, float(np.nextafter(0.1, 1)), 0.0, False),
        (float("nan"), float("nan"), 0.0, False),
        (100.0, 100.9, 0.01, True),
        (100.0, 101.1, 0.01, False),
        (-1.0, 1.0, 0.5, False),
        (0.0, 0.9e-5, 0.01, True),  # a hundredth of compare.SMALL_METRIC
        (0.0, 1.1e-5, 0.01, False),
        (float("nan"), 1.0, 0.5, False),
        (float("inf"), 1.0, 0.5, False),
        ("1.0", 1.0, 0.5, False),
        (None, 1.0, 0.0, False),
    ],
)
def test_numbers_agree_bit_for_bit_or_within_a_share_of_the_larger(
    recorded, here, tolerance, agrees
):
    found = compare.metrics({"step": 1, "loss": recorded}, {"loss": here}, tolerance)
    assert found == ([] if agrees else ["loss"])


def test_what_one_row_lacks_is_not_compared():
    assert compare.metrics({"a": 1.0, "seconds": 3.0}, {"a": 1.0, "b": 2.0}, 0.0) == []


def test_parts_of_digests_that_differ_are_named():
    row = {"step": 1, "sha256": "x", "generator.params": "g", "discriminator.params": "d"}
    assert compare.digests(row, dict(row)) == []
    other = {**row, "sha256": "y", "discriminator.params": "e", "new.part": "n"}
    assert compare.digests(row, other) == ["discriminator.params", "new.part"]
    assert compare.digests(row, {**row, "sha256": "y"}) == [
        "sha256 of the whole, though of no part"
    ]


@pytest.mark.parametrize("tolerance", [0.0, 1e-6])
def test_equal_states_agree(state, tolerance):
    assert compare.states(state, jax.tree.map(np.copy, state), tolerance) is None


def test_a_leaf_is_told_by_its_path_and_how_far_it_is_off(state):
    def change(kernel):
        kernel.flat[3] += 0.25
        return kernel

    other = changed(state, KERNEL, change)
    apart = compare.states(state, other, 0.0)
    largest = np.abs(state.generator.params["Dense_0"]["kernel"]).max()
    assert apart.path == "generator.params['Dense_0']['kernel']"
    assert apart.absolute == pytest.approx(0.25, rel=1e-6)
    assert apart.relative == pytest.approx(0.25 / largest, rel=1e-6)
    assert str(apart).startswith(
        "generator.params['Dense_0']['kernel'], by at most 0.25 (relative "
    )


def test_the_sign_of_zero_is_a_bit(state):
    path = ".generator.params['Dense_0']['bias']"
    apart = compare.states(state, changed(state, path, np.negative), 0.0)
    assert (apart.path, apart.absolute) == (path[1:], 0)
    assert compare.states(state, changed(state, path, np.negative), 1e-6) is None


def test_parameters_come_before_what_the_optimizers_keep(state):
    """D's parameters, though G's optimizer comes earlier in the tree."""
    other = state.replace(
        generator=state.generator.replace(
            opt_state=jax.tree.map(
                lambda leaf: leaf + leaf.dtype.type(1), state.generator.opt_state
            )
        ),
        discriminator=state.discriminator.replace(
            params=jax.tree.map(lambda leaf: leaf + np.float32(1), state.discriminator.params)
        ),
    )
    assert compare.states(state, other, 0.0).path.startswith("discriminator.params")


@pytest.mark.parametrize(("share", "agrees"), [(0.9, True), (1.1, False)])
def test_an_array_agrees_within_a_share_of_its_norm(state, share, agrees):
    """All of it in one number, which alone is off by far more."""
    tolerance = 1e-2

    def change(kernel):
        kernel.flat[0] += share * tolerance * np.linalg.norm(kernel)
        return kernel

    found = compare.states(state, changed(state, KERNEL, change), tolerance)
    assert (found is None) == agrees


@pytest.mark.parametrize(("share", "agrees"), [(0.9, True), (1.1, False)])
def test_an_array_of_nearly_nothing_counts_as_a_little(state, share, agrees):
    path = ".generator.params['Dense_0']['bias']"  # zeros, at birth
    off = share * 1e-2 * compare.SMALL_ARRAY
    other = changed(state, path, lambda bias: bias + np.float32(off))
    assert (compare.states(state, other, 1e-2) is None) == agrees


def test_whole_numbers_are_equal_or_not(state):
    assert compare.states(state, state.replace(step=np.int32(8)), 0.5).path == "step"


def test_half_precision_is_compared_as_numbers(state):
    def half(leaf):
        return np.asarray(leaf, jnp.bfloat16)

    def with_average(params):
        return state.replace(ema=state.ema.replace(params=jax.tree.map(half, params)))

    params = state.generator.params
    one = with_average(params)
    two = with_average(jax.tree.map(lambda leaf: leaf * np.float32(1.01), params))
    assert compare.states(one, two, 0.05) is None
    assert compare.states(one, two, 1e-3).path.startswith("ema.params")

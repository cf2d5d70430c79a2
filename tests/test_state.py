import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import prng
from gan_jax.config import Ema, Optimizer
from gan_jax.state import build_models, fixed_latents, init_state, make_optimizer
from support import tiny_config

SHAPE = (8, 8, 1)


def born(config, seed=0):
    networks = build_models(config, SHAPE, None)
    return init_state(config, networks, SHAPE, prng.root(seed))


def test_a_state_is_a_function_of_the_seed():
    first, again, other = (born(tiny_config(), seed) for seed in (0, 0, 1))
    same = jax.tree.map(lambda a, b: bool(np.array_equal(a, b)), first, again)
    assert jax.tree.all(same)
    kernels = [s.generator.params["Dense_0"]["kernel"] for s in (first, other)]
    assert not np.array_equal(*kernels)


def test_the_average_starts_as_a_copy_that_can_be_donated_with_the_rest():
    state = born(tiny_config())
    equal = jax.tree.map(np.array_equal, state.ema.params, state.generator.params)
    assert jax.tree.all(equal)
    pointers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state) if leaf.size]
    assert len(set(pointers)) == len(pointers)


def test_the_average_keeps_the_decay_of_the_config():
    for k in (1, 2):  # a step consumes k batches
        config = tiny_config(batch_size=16, d_steps=k, ema=Ema(half_life=160.0 * k))
        assert np.isclose(born(config).ema.decay ** 10, 0.5)


def test_adam_takes_the_steps_of_the_formula():
    """Kingma and Ba 2015, algorithm 1, by hand for two steps."""
    settings = Optimizer(learning_rate=0.1, b1=0.5, b2=0.9, eps=1e-3)
    optimizer = make_optimizer(settings)
    p, g = jnp.float32(1.0), jnp.float32(2.0)
    opt_state = optimizer.init(p)
    expected, m, v = 1.0, 0.0, 0.0
    with jax.numpy_dtype_promotion("standard"):
        for t in (1, 2):
            update, opt_state = optimizer.update(g * t, opt_state, p)
            p = p + update
            m, v = 0.5 * m + 0.5 * 2 * t, 0.9 * v + 0.1 * (2 * t) ** 2
            expected -= 0.1 * (m / (1 - 0.5**t)) / ((v / (1 - 0.9**t)) ** 0.5 + 1e-3)
            assert np.isclose(p, expected, rtol=1e-6)


def test_sgd_takes_the_gradient_times_the_rate():
    optimizer = make_optimizer(Optimizer(name="sgd", learning_rate=0.5))
    p = jnp.float32(1.0)
    update, _ = optimizer.update(jnp.float32(3.0), optimizer.init(p), p)
    assert p + update == -0.5


def test_picture_latents_do_not_depend_on_how_many_there_are():
    config, key = tiny_config(), prng.root(0)
    assert np.array_equal(fixed_latents(config, key, 9)[:4], fixed_latents(config, key, 4))

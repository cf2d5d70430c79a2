"""The train step against a plain transcription, and what must never go wrong in it."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gan_jax.objectives
from gan_jax import latents, parallel, prng
from gan_jax.config import MLP, Dataset, Optimizer
from gan_jax.objectives import pack, prepare
from gan_jax.state import build_models, init_state
from gan_jax.step import make_call, make_train_step
from support import tiny_config

SHAPE = (8, 8, 1)


def build(config, axis_name=None):
    networks = build_models(config, SHAPE, axis_name)
    state = init_state(config, networks, SHAPE, prng.root(config.seed))
    return networks, state, make_train_step(config, networks, axis_name)


def real_batches(k, size, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (k, size, *SHAPE), dtype=np.uint8)
    return {"image": jnp.asarray(pixels), "label": jnp.zeros((k, size), jnp.int32)}


def assert_close(tree, expected, **tolerance):
    assert jax.tree.structure(tree) == jax.tree.structure(expected)
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(tree), jax.tree.leaves(expected), strict=True
    ):
        np.testing.assert_allclose(a, b, err_msg=jax.tree_util.keystr(path), **tolerance)


def transcription(config, networks, state, root, batch):
    """Algorithm 1 of Goodfellow et al. 2014 with k steps on D, Adam, the non-saturating loss, and
    the moving average, as one would write it on a blackboard."""
    generator, discriminator = networks
    g, d = state.generator.params, state.discriminator.params
    g_stats, d_stats = state.generator.model_state, state.discriminator.model_state
    k = config.d_steps

    def latent(update):
        rows = []
        for example in range(config.batch_size):
            key = jax.random.fold_in(prng.stream(root, "latent", state.step, update), example)
            rows.append(jax.random.normal(key, (config.latent.dim,)))
        return jnp.stack(rows)

    def forward(module, params, stats, x):
        label = jnp.zeros(len(x), jnp.int32)
        variables = {"params": params, **stats}
        return module.apply(variables, x, label, train=True, mutable=["batch_stats"])

    def log_sigmoid(x):
        return -jnp.log1p(jnp.exp(-x))

    def adam(settings, opt_state, params, grads):
        m, v = opt_state.inner_state[0].mu, opt_state.inner_state[0].nu
        t = opt_state.inner_state[0].count + 1
        m = jax.tree.map(lambda m, g: settings.b1 * m + (1 - settings.b1) * g, m, grads)
        v = jax.tree.map(lambda v, g: settings.b2 * v + (1 - settings.b2) * g * g, v, grads)

        def move(p, m, v):
            m_hat = m / (1 - settings.b1 ** float(t))
            v_hat = v / (1 - settings.b2 ** float(t))
            return p - settings.learning_rate * m_hat / (jnp.sqrt(v_hat) + settings.eps)

        inner = opt_state.inner_state[0]._replace(mu=m, nu=v, count=t)
        opt_state = opt_state._replace(inner_state=(inner, *opt_state.inner_state[1:]))
        return jax.tree.map(move, params, m, v), opt_state

    d_opt = state.discriminator.opt_state
    for i in range(k):
        real = batch["image"][i].astype(jnp.float32) / 127.5 - 1
        fake, _ = forward(generator, g, g_stats, latent(i))

        def d_objective(d, stats, real=real, fake=fake):
            real_logits, stats = forward(discriminator, d, stats, real)
            fake_logits, stats = forward(discriminator, d, stats, fake)
            value = log_sigmoid(real_logits).mean() + log_sigmoid(-fake_logits).mean()
            return -value, stats

        grads, d_stats = jax.grad(d_objective, has_aux=True)(d, d_stats)
        d, d_opt = adam(config.discriminator.optimizer, d_opt, d, grads)

    def g_objective(g, stats):
        fake, stats = forward(generator, g, stats, latent(k))
        fake_logits, _ = forward(discriminator, d, d_stats, fake)
        return -log_sigmoid(fake_logits).mean(), stats

    grads, g_stats = jax.grad(g_objective, has_aux=True)(g, g_stats)
    g, g_opt = adam(config.generator.optimizer, state.generator.opt_state, g, grads)

    decay = min(config.ema.decay, (1 + int(state.step)) / (10 + int(state.step)))

    def average(old, new):
        return decay * old + (1 - decay) * new

    ema = state.ema.replace(
        params=jax.tree.map(average, state.ema.params, g),
        model_state=jax.tree.map(average, state.ema.model_state, g_stats),
    )
    return state.replace(
        step=state.step + 1,
        generator=state.generator.replace(params=g, model_state=g_stats, opt_state=g_opt),
        discriminator=state.discriminator.replace(params=d, model_state=d_stats, opt_state=d_opt),
        ema=ema,
    )


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_jitted_step_equals_a_plain_transcription(k):
    network = MLP(hidden=(12,), batch_norm="before", optimizer=Optimizer(learning_rate=1e-2))
    config = tiny_config(d_steps=k, batch_size=8, generator=network, discriminator=network)
    networks, state, step = build(config)
    root, jitted = prng.root(config.seed), jax.jit(step)
    expected = state
    for moment in range(3):
        batch = real_batches(k, config.batch_size, seed=moment)
        state, _ = jitted(state, root, batch)
        expected = transcription(config, networks, expected, root, batch)
        opt = expected.generator.opt_state._replace(count=state.generator.opt_state.count)
        expected = expected.replace(generator=expected.generator.replace(opt_state=opt))
        opt = expected.discriminator.opt_state._replace(count=state.discriminator.opt_state.count)
        expected = expected.replace(discriminator=expected.discriminator.replace(opt_state=opt))
    assert_close(state, expected, rtol=2e-3, atol=2e-5)


@pytest.fixture(scope="module")
def moved():
    """A DCGAN before and after one step with k = 3."""
    config = tiny_config(d_steps=3)
    _, state, step = build(config)
    after, metrics = jax.jit(step)(state, prng.root(0), real_batches(3, config.batch_size))
    return state, after, metrics


def optimizer_steps(player):
    return int(player.opt_state.inner_state[0].count)


def test_d_is_updated_k_times_and_g_once(moved):
    _, after, _ = moved
    assert optimizer_steps(after.discriminator) == 3
    assert optimizer_steps(after.generator) == 1
    assert after.step == 1


def test_gradients_of_one_player_never_reach_the_other():
    """With one player's learning rate at 0, it does not move whatever the other does."""
    still, moving = (
        Optimizer(name="sgd", learning_rate=0.0),
        Optimizer(name="sgd", learning_rate=1.0),
    )
    for stays, moves in (("generator", "discriminator"), ("discriminator", "generator")):
        config = tiny_config()
        getattr(config, stays).optimizer, getattr(config, moves).optimizer = still, moving
        _, state, step = build(config)
        after, _ = jax.jit(step)(state, prng.root(0), real_batches(1, config.batch_size))
        assert_close(getattr(after, stays).params, getattr(state, stays).params, rtol=0)
        with pytest.raises(AssertionError):
            assert_close(getattr(after, moves).params, getattr(state, moves).params, rtol=0)


def test_statistics_move_in_their_owners_update_alone(moved):
    """Variances start at 1 and decay by .9 toward these small ones of a batch: G's once, D's twice
    in each of its three updates. Had G's moved in D's updates too, .9^4 would be left."""
    before, after, _ = moved
    for player, moves in (("generator", 1), ("discriminator", 6)):
        start, end = (
            getattr(state, player).model_state["batch_stats"]["BatchNorm_0"]["var"]
            for state in (before, after)
        )
        assert np.all(start == 1)
        assert np.allclose(end, 0.9**moves, atol=0.03)


def test_metrics_are_finite_scalars_and_accuracies_are_shares(moved):
    _, _, metrics = moved
    assert set(metrics) == {
        "d_loss", "g_loss", "d_real", "d_fake", "d_accuracy_real", "d_accuracy_fake",
        "d_grad_norm", "g_grad_norm", "d_saturated", "diversity",
    }  # fmt: skip
    for name, value in metrics.items():
        assert value.shape == ()
        assert np.isfinite(value), name
    for name in ("d_accuracy_real", "d_accuracy_fake"):
        assert float(metrics[name]) * 16 == pytest.approx(round(float(metrics[name]) * 16))


def test_every_update_of_every_step_has_latents_of_its_own(monkeypatch):
    drawn = []

    def draw(latent, keys):
        drawn.extend(tuple(key) for key in np.asarray(jax.random.key_data(keys)).tolist())
        return latents.draw(latent, keys)

    config = tiny_config(d_steps=2, generator=MLP(hidden=(4,)), discriminator=MLP(hidden=(4,)))
    monkeypatch.setattr(gan_jax.objectives, "latents", types.SimpleNamespace(draw=draw))
    _, state, step = build(config)
    with jax.disable_jit():  # so that keys have values
        for _ in range(2):
            state, _ = step(state, prng.root(0), real_batches(2, config.batch_size))
    assert len(drawn) == 2 * (2 + 1) * config.batch_size
    assert len(set(drawn)) == len(drawn)


def test_no_key_is_used_twice_directly():
    """JAX's own check; a stream that is derived twice is for the test above to find."""
    config = tiny_config(d_steps=2)
    _, state, step = build(config)
    with jax.debug_key_reuse(True):
        jax.jit(step)(state, prng.root(0), real_batches(2, config.batch_size))


def mapped_like_pmap(step, k=1):
    """Evaluates shapes under vmap with pmap's axes, where an output that varies is an error."""
    config = tiny_config(d_steps=k)
    _, state, _ = build(config)
    batch = jax.tree.map(
        lambda leaf: leaf.reshape(k, 4, 4, *leaf.shape[2:]), real_batches(k, config.batch_size)
    )
    mapped = jax.vmap(step, axis_name=parallel.AXIS, in_axes=(None, None, 1), out_axes=None)
    return jax.eval_shape(mapped, state, prng.root(0), batch)


@pytest.mark.parametrize("k", [1, 2])
def test_everything_that_leaves_the_step_is_equal_on_all_devices(k):
    _, _, step = build(tiny_config(d_steps=k), parallel.AXIS)
    mapped_like_pmap(step, k)


@pytest.mark.parametrize("forgotten", range(4))
def test_a_step_that_forgets_a_mean_is_caught(monkeypatch, forgotten):
    """The means are, in the order of tracing: D's gradients, its metrics, G's gradients, its."""
    calls = []

    def mean(tree, axis_name):
        calls.append(1)
        return tree if len(calls) - 1 == forgotten else jax.lax.pmean(tree, axis_name)

    monkeypatch.setattr(parallel, "mean", mean)
    _, _, step = build(tiny_config(), parallel.AXIS)
    with pytest.raises(ValueError, match="out_axes"):
        mapped_like_pmap(step)
    assert len(calls) == 4


@pytest.mark.parametrize(("step", "share"), [(0, 0.1), (8, 0.5), (10**6, 0.9)])
def test_the_average_follows_closely_at_first(step, share):
    """Of the old average, (1 + step) / (10 + step) is kept, and at most the decay of .9."""
    config = tiny_config(generator=MLP(hidden=(4,)), discriminator=MLP(hidden=(4,)))
    _, state, step_function = build(config)
    old = jax.tree.map(lambda leaf: leaf + 5.0, state.ema.params)
    state = state.replace(step=jnp.int32(step), ema=state.ema.replace(params=old))
    after, _ = jax.jit(step_function)(state, prng.root(0), real_batches(1, config.batch_size))
    expected = jax.tree.map(lambda a, b: share * a + (1 - share) * b, old, after.generator.params)
    assert_close(after.ema.params, expected, rtol=1e-5, atol=1e-5)


def test_pixels_map_to_their_range_and_vectors_pass():
    pixels = jnp.array([0, 51, 255], jnp.uint8).reshape(3, 1, 1, 1)
    signed, unit = (
        prepare(pixels, Dataset(pixel_range=name), no_keys).ravel() for name in ("signed", "unit")
    )
    assert np.allclose(signed, [-1, -0.6, 1])
    assert np.allclose(unit, [0, 0.2, 1])
    points = jnp.array([[3.0], [-7.0]])
    assert np.array_equal(prepare(points, Dataset(), no_keys), points)


def no_keys(name):
    raise AssertionError(f"nothing is random about {name}")


def keys_for(count):
    return lambda name: prng.per_example(prng.stream(prng.root(0), name), jnp.arange(count))


def test_flips_mirror_half_of_the_images_whole():
    pixels = jax.random.randint(jax.random.key(0), (200, 2, 3, 1), 0, 256).astype(jnp.uint8)
    plain = prepare(pixels, Dataset(), no_keys)
    flipped = prepare(pixels, Dataset(flip=True), keys_for(200))
    same = (flipped == plain).all(axis=(1, 2, 3))
    mirrored = (flipped == plain[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same | mirrored).all()
    assert 70 < int(mirrored.sum()) < 130


def test_dequantized_pixels_spread_over_their_level_and_stay_in_range():
    pixels = jnp.tile(jnp.array([0, 128, 255], jnp.uint8).reshape(3, 1, 1, 1), (1, 20, 20, 1))
    spread = prepare(pixels, Dataset(dequantize=True, pixel_range="unit"), keys_for(3)) * 256
    for level, values in zip((0, 128, 255), spread, strict=True):
        assert level <= values.min() < level + 0.05
        assert level + 0.95 < values.max() <= level + 1 + 1e-4


def test_packing_stacks_channels_of_examples_that_follow_each_other():
    points = jnp.arange(8.0).reshape(4, 2)
    assert pack(points, 2).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    images = jnp.arange(4.0 * 2 * 3).reshape(4, 1, 2, 3)
    packed = pack(images, 2)
    assert packed.shape == (2, 1, 2, 6)
    assert np.array_equal(packed[1, ..., :3], images[2])
    assert np.array_equal(packed[1, ..., 3:], images[3])


def test_steps_that_share_a_call_are_the_steps_made_one_by_one():
    network = MLP(hidden=(12,), batch_norm="before", optimizer=Optimizer(learning_rate=1e-2))
    config = tiny_config(d_steps=2, batch_size=8, generator=network, discriminator=network)
    _, state, step = build(config)
    root, batches = prng.root(0), [real_batches(2, 8, seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)
    call = make_call(step, lambda constant, item: item)
    together, metrics = jax.jit(call)(state, root, (), stacked)
    for index, batch in enumerate(batches):
        state, alone = jax.jit(step)(state, root, batch)
        for name, value in alone.items():
            np.testing.assert_allclose(metrics[name][index], value, rtol=1e-3, err_msg=name)
    assert_close(together, state, rtol=1e-3, atol=1e-6)


def test_hyperparameters_are_traced_values_of_the_state():
    """Another learning rate in the state trains otherwise without compiling again."""
    config = tiny_config()
    _, state, step = build(config)
    jitted = jax.jit(step)
    batch, root = real_batches(1, config.batch_size), prng.root(0)
    slow, _ = jitted(state, root, batch)
    opt = state.generator.opt_state
    faster = opt._replace(hyperparams=opt.hyperparams | {"learning_rate": jnp.float32(1.0)})
    changed = state.replace(generator=state.generator.replace(opt_state=faster))
    fast, _ = jitted(changed, root, batch)
    assert jitted._cache_size() == 1
    first, kernels = state.generator.params["Dense_0"]["kernel"], [
        after.generator.params["Dense_0"]["kernel"] for after in (slow, fast)
    ]  # fmt: skip
    moved = [np.abs(kernel - first).max() for kernel in kernels]
    assert moved[1] > 100 * moved[0]

"""What the step does with each option that a recipe may set."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gan_jax.objectives
from gan_jax import latents, parallel, penalties, prng
from gan_jax.config import (
    DCGAN,
    MLP,
    R3GAN,
    CS231n,
    Dataset,
    Ema,
    Latent,
    MLPDiscriminator,
    Optimizer,
    Penalty,
    ResNetDiscriminator,
    ResNetGenerator,
    Schedule,
)
from gan_jax.models import resnet
from gan_jax.state import build_models, init_state, make_optimizer
from gan_jax.step import make_train_step
from support import tiny_config

SHAPE, CLASSES = (8, 8, 1), 10


def sgd(rate=0.05):
    return Optimizer(name="sgd", learning_rate=rate)


def mlps(**options):
    settings = {
        "generator": MLP(hidden=(12,), optimizer=sgd()),
        "discriminator": MLP(hidden=(12,), optimizer=sgd()),
    }
    return tiny_config(**(settings | options))


def resnets(**options):
    generator = {"channels": (8, 8), "spectral_norm": True, "attention": 8, "optimizer": sgd(1e-2)}
    discriminator = {"channels": (8, 8), "down": 1, "spectral_norm": True, "optimizer": sgd(1e-2)}
    settings = {
        "generator": ResNetGenerator(**generator),
        "discriminator": ResNetDiscriminator(**discriminator),
    }
    return tiny_config(conditional=True, loss="hinge", **(settings | options))


def born(config, axis_name=None):
    networks = build_models(config, SHAPE, axis_name, CLASSES)
    state = init_state(config, networks, SHAPE, prng.root(config.seed))
    return networks, state, make_train_step(config, networks, axis_name)


def batch_of(config, k=None, seed=0):
    rng = np.random.default_rng(seed)
    size = (k or config.d_steps, config.batch_size)
    return {
        "image": jnp.asarray(rng.integers(0, 256, (*size, *SHAPE), dtype=np.uint8)),
        "label": jnp.asarray(rng.integers(0, CLASSES, size, dtype=np.int32)),
    }


def one_step(config, **options):
    _, state, step = born(config)
    after, metrics = jax.jit(step)(state, prng.root(0), batch_of(config, **options))
    return state, after, metrics


def differs(a, b):
    return max(
        float(np.abs(x - y).max()) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True)
    )


SPREAD = {
    "spectral norm, attention, conditional BatchNorm, hinge, two images of G for one of D":
        lambda: resnets(d_steps=2, g_batch_ratio=2, dataset=Dataset(flip=True, dequantize=True)),
    "BatchNorm in G, WGAN-GP, DiffAugment":
        lambda: tiny_config(
            loss="wasserstein", penalty=Penalty(name="wgan_gp"), d_steps=2,
            augment="color,translation,cutout",
            generator=DCGAN(width=4, base=2, optimizer=sgd(1e-1)),
            discriminator=ResNetDiscriminator(channels=(8, 8), down=1, optimizer=sgd(1e-3))),
    "packing and minibatch standard deviation":
        lambda: mlps(packing=2, discriminator=MLPDiscriminator(
            hidden=(12,), minibatch_std=2, optimizer=sgd())),
    "DRAGAN": lambda: mlps(penalty=Penalty(name="dragan", weight=1.0)),
    "LeCam": lambda: mlps(penalty=Penalty(name="lecam"), d_steps=2),
    "halves, and G twice": lambda: mlps(d_updates="separate", g_steps=2),
    "R1 and R2 of pairs, now and then": lambda: mlps(
        loss="relativistic_pairing", penalty=Penalty(name="r1_r2", weight=1.0, every=2)),
}  # fmt: skip


@pytest.mark.parametrize("name", SPREAD)
def test_four_devices_take_the_step_that_one_takes(name):
    """Under vmap with pmap's axes, where an output that varies between devices is an error."""
    config = SPREAD[name]()
    _, state, step = born(config)
    _, _, local = born(config, parallel.AXIS)
    batch = batch_of(config)
    split = jax.tree.map(lambda leaf: leaf.reshape(len(leaf), 4, -1, *leaf.shape[2:]), batch)
    mapped = jax.vmap(local, axis_name=parallel.AXIS, in_axes=(None, None, 1), out_axes=None)
    alone, metrics = jax.jit(step)(state, prng.root(0), batch)
    spread, spread_metrics = jax.jit(mapped)(state, prng.root(0), split)
    for player in ("generator", "discriminator"):
        assert differs(getattr(alone, player).params, getattr(state, player).params) > 1e-4
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(alone), jax.tree.leaves(spread), strict=True
    ):
        name = jax.tree_util.keystr(path)
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5, err_msg=name)
    for name, value in metrics.items():
        assert value == pytest.approx(float(spread_metrics[name]), rel=1e-3, abs=1e-4), name


def test_k_is_the_number_of_batches_that_the_step_is_given():
    config = mlps(generator=MLP(hidden=(12,)), discriminator=MLP(hidden=(12,)))
    for k in (1, 3):
        _, after, _ = one_step(config, k=k)
        assert after.discriminator.opt_state.inner_state[0].count == k


def test_separate_halves_are_two_updates_and_sgd_sums_their_gradients_at_first_order():
    still = 1e-4
    together, separate = (
        one_step(mlps(d_updates=name, discriminator=MLP(hidden=(12,), optimizer=sgd(still))))
        for name in ("together", "separate")
    )
    moved = differs(together[1].discriminator.params, together[0].discriminator.params)
    assert moved > 1e-5
    apart = differs(together[1].discriminator.params, separate[1].discriminator.params)
    assert 0 < apart < 0.05 * moved
    adam = mlps(d_updates="separate", discriminator=MLP(hidden=(12,)))
    assert one_step(adam)[1].discriminator.opt_state.inner_state[0].count == 2


def test_g_moves_g_steps_times():
    config = mlps(g_steps=3, generator=MLP(hidden=(12,)))
    _, after, _ = one_step(config)
    assert after.generator.opt_state.inner_state[0].count == 3
    assert after.step == 1


def test_more_fakes_for_g_are_drawn_for_more_examples(monkeypatch):
    sizes = []
    draw = gan_jax.objectives.latents.draw

    def note(latent, keys):
        sizes.append(len(keys))
        return draw(latent, keys)

    monkeypatch.setattr(gan_jax.objectives.latents, "draw", note)
    one_step(mlps(g_batch_ratio=2))
    assert sizes == [16, 32]


def test_fakes_have_the_classes_of_the_real_images_of_their_update(monkeypatch):
    config = resnets(g_batch_ratio=2)
    _, state, step = born(config)
    seen = {resnet.Generator: [], resnet.Discriminator: []}
    apply = resnet.Generator.apply

    def note(module, variables, inputs, label, **options):
        seen[type(module)].append(np.asarray(label))
        return apply(module, variables, inputs, label, **options)

    for module in seen:
        monkeypatch.setattr(module, "apply", note)
    batch = batch_of(config)
    with jax.disable_jit():
        step(state, prng.root(0), batch)
    real = np.asarray(batch["label"][0])
    doubled = np.repeat(real, 2)
    in_d, in_g = seen[resnet.Generator]
    assert np.array_equal(in_d, real)
    assert np.array_equal(in_g, doubled)
    for label, expected in zip(
        seen[resnet.Discriminator], (real, real, doubled, real), strict=True
    ):
        assert np.array_equal(label, expected)


def test_clipping_holds_after_every_update_and_g_is_not_clipped():
    config = mlps(loss="wasserstein", penalty=Penalty(clip=0.01), d_steps=2)
    _, after, _ = one_step(config)
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(after.discriminator.params)) <= 0.01
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(after.generator.params)) > 0.1


def test_a_lazy_penalty_comes_every_so_many_steps_with_so_much_more_weight():
    lazy = mlps(penalty=Penalty(name="r1", weight=2.0, every=3))
    eager = mlps(penalty=Penalty(name="r1", weight=6.0))
    none = mlps()
    (_, after_lazy, metrics), (_, after_eager, _) = one_step(lazy), one_step(eager)
    assert differs(after_lazy.discriminator.params, after_eager.discriminator.params) < 1e-6
    assert metrics["penalty"] > 0
    steps = []
    for config in (lazy, none):
        _, state, step = born(config)
        state = state.replace(step=jnp.int32(1))
        steps.append(jax.jit(step)(state, prng.root(0), batch_of(config)))
    assert steps[0][1]["penalty"] == 0
    players = [after.discriminator.params for after, _ in steps]
    assert differs(*players) < 1e-7


def test_the_weight_of_a_penalty_is_a_traced_value_of_the_state():
    config = mlps(penalty=Penalty(name="r1", weight=2.0))
    _, state, step = born(config)
    jitted, batch = jax.jit(step), batch_of(config)
    light, _ = jitted(state, prng.root(0), batch)
    heavier = state.replace(penalty=state.penalty.replace(weight=jnp.float32(50.0)))
    heavy, _ = jitted(heavier, prng.root(0), batch)
    assert jitted._cache_size() == 1
    assert differs(light.discriminator.params, heavy.discriminator.params) > 1e-4


def test_the_average_logits_move_for_lecam_alone():
    _, after, metrics = one_step(mlps(penalty=Penalty(name="lecam")))
    assert after.penalty.real == pytest.approx(0.9 * float(metrics["d_real"]), rel=1e-5)
    assert after.penalty.fake == pytest.approx(0.9 * float(metrics["d_fake"]), rel=1e-5)
    _, after, _ = one_step(mlps())
    assert after.penalty.real == after.penalty.fake == 0


def test_orthogonal_regularization_moves_its_own_player():
    base = one_step(mlps())[1]
    for player in ("generator", "discriminator"):
        network = MLP(hidden=(12,), optimizer=sgd(), orthogonal=1e-2)
        config = mlps(**{player: network})
        state, after, _ = one_step(config)
        gradient = jax.grad(penalties.orthogonality)(getattr(state, player).params)
        expected = jax.tree.map(
            lambda params, grads: params - 0.05 * 1e-2 * grads,
            getattr(base, player).params, gradient,
        )  # fmt: skip
        assert differs(getattr(after, player).params, expected) < 1e-6
        if player == "generator":
            assert differs(after.discriminator.params, base.discriminator.params) == 0


def test_a_schedule_changes_the_step_and_leaves_the_start_in_the_state():
    config = mlps(schedule=Schedule(name="linear", learning_rate=0.0), steps=4)
    _, state, step = born(config)
    jitted, batch = jax.jit(step), batch_of(config)
    moves = []
    for moment in (0, 2, 4):
        now = state.replace(step=jnp.int32(moment))
        after, _ = jitted(now, prng.root(0), batch)
        moves.append(differs(after.generator.params, state.generator.params))
        rate = after.generator.opt_state.hyperparams["learning_rate"]
        assert rate == pytest.approx(0.05)
    assert 0.2 * moves[0] < moves[1] < 0.8 * moves[0]
    assert moves[2] == 0


def test_the_average_is_the_live_generator_until_it_starts():
    config = mlps(ema=Ema(decay=0.999, start=3))
    _, state, step = born(config)
    jitted = jax.jit(step)
    for moment, kept in ((0, 0.0), (2, 0.0), (3, 0.999)):
        now = state.replace(step=jnp.int32(moment))
        after, _ = jitted(now, prng.root(0), batch_of(config))
        old, new = state.ema.params, after.generator.params
        expected = jax.tree.map(lambda a, b, kept=kept: kept * a + (1 - kept) * b, old, new)
        assert differs(after.ema.params, expected) < 1e-7


def test_rmsprop_divides_by_the_root_of_the_mean_square_as_pytorch_does():
    optimizer = make_optimizer(Optimizer(name="rmsprop", learning_rate=0.1, b2=0.99, eps=1e-3))
    p, opt_state = jnp.float32(1.0), None
    opt_state = optimizer.init(p)
    expected, square = 1.0, 0.0
    with jax.numpy_dtype_promotion("standard"):
        for gradient in (2.0, -1.0, 0.5):
            update, opt_state = optimizer.update(jnp.float32(gradient), opt_state, p)
            p = p + update
            square = 0.99 * square + 0.01 * gradient**2
            expected -= 0.1 * gradient / (square**0.5 + 1e-3)
            assert p == pytest.approx(expected, abs=1e-5)


def test_truncated_latents_stay_within_their_bound_and_are_not_clipped_to_it():
    keys = prng.per_example(prng.root(0), jnp.arange(500, dtype=jnp.int32))
    z = latents.draw(Latent(dim=4), keys, truncation=0.5)
    assert np.abs(z).max() < 0.5
    assert np.std(z) == pytest.approx(0.2837, rel=0.05)  # of N(0, 1) between -.5 and .5


BFLOAT16 = {
    "residual, classes, attention, spectral norm": lambda: (resnets(d_steps=2), (8, 8, 1)),
    "R3GAN, R1 and R2": lambda: (
        tiny_config(
            loss="relativistic_pairing", penalty=Penalty(name="r1_r2"), conditional=True,
            generator=R3GAN(channels=(8, 8)), discriminator=R3GAN(channels=(8, 8))), (8, 8, 3)),
    "CS231n": lambda: (
        tiny_config(generator=CS231n(width=2), discriminator=CS231n(width=2)), (28, 28, 1)),
    "DCGAN, WGAN-GP, DiffAugment": lambda: (
        tiny_config(
            penalty=Penalty(name="wgan_gp"), augment="color,translation,cutout",
            discriminator=DCGAN(width=4, base=2, batch_norm=False)), (8, 8, 3)),
}  # fmt: skip


ACCUMULATED = {
    "a penalty, k = 2": lambda: mlps(d_steps=2, penalty=Penalty(name="wgan_gp")),
    "pairs": lambda: mlps(loss="relativistic_pairing", penalty=Penalty(name="r1_r2")),
    "packs and more fakes": lambda: mlps(packing=2, g_batch_ratio=3, augment="translation"),
}


@pytest.mark.parametrize("name", ACCUMULATED)
def test_a_batch_in_parts_makes_the_update_of_the_whole(name):
    """Where no layer looks at the batch: the same latents, images and keys, in four parts."""
    whole, parts = ACCUMULATED[name](), ACCUMULATED[name]()
    parts.accumulate = 4
    (after, metrics), (expected, expected_metrics) = (
        jax.jit(born(config)[2])(born(config)[1], prng.root(0), batch_of(config))
        for config in (parts, whole)
    )
    for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    for metric, value in expected_metrics.items():
        np.testing.assert_allclose(metrics[metric], value, rtol=1e-4, atol=1e-6, err_msg=metric)


def test_a_batch_in_parts_moves_the_statistics_by_every_part():
    config = tiny_config(accumulate=2)
    _, state, step = born(config)
    after, _ = jax.jit(step)(state, prng.root(0), batch_of(config))
    var = after.discriminator.model_state["batch_stats"]["BatchNorm_0"]["var"]
    assert np.allclose(var, 0.9**4, atol=0.03)  # real and fake, twice each, toward little


def working_memory(config):
    """Bytes that the compiled step needs beside its inputs and outputs."""
    _, state, step = born(config)
    compiled = jax.jit(step).lower(state, prng.root(0), batch_of(config)).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def test_a_batch_in_parts_needs_less_memory():
    network = {"width": 16, "base": 2}
    config = tiny_config(batch_size=128, generator=DCGAN(**network), discriminator=DCGAN(**network))
    whole = working_memory(config)
    config.accumulate = 8
    assert working_memory(config) < 0.5 * whole


REMAT = {
    "resnet": lambda remat: resnets(
        generator=ResNetGenerator(
            channels=(8, 8), spectral_norm=True, remat=remat, optimizer=sgd()),
        discriminator=ResNetDiscriminator(
            channels=(8, 8), down=1, spectral_norm=True, remat=remat, optimizer=sgd()),
    ),
    "r3gan": lambda remat: tiny_config(
        generator=R3GAN(channels=(8, 8), remat=remat, optimizer=sgd()),
        discriminator=R3GAN(channels=(8, 8), remat=remat, optimizer=sgd()),
        conditional=True, penalty=Penalty(name="r1_r2"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REMAT)
def test_blocks_that_are_computed_again_change_no_number(name):
    states = []
    for remat in (False, True):
        config = REMAT[name](remat)
        _, state, step = born(config)
        text = str(jax.make_jaxpr(step)(state, prng.root(0), batch_of(config)))
        assert ("remat" in text or "checkpoint" in text) == remat
        states.append(jax.jit(step)(state, prng.root(0), batch_of(config)))
    assert jax.tree.structure(states[0]) == jax.tree.structure(states[1])
    for a, b in zip(*map(jax.tree.leaves, states), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", BFLOAT16)
def test_in_bfloat16_networks_compute_coarsely_and_everything_that_lasts_is_float32(name):
    config, shape = BFLOAT16[name]()
    config.precision = "bfloat16"
    networks = build_models(config, shape, None, CLASSES)
    step = make_train_step(config, networks, None)
    size = (config.d_steps, config.batch_size)
    batch = {
        "image": jax.ShapeDtypeStruct((*size, *shape), jnp.uint8),
        "label": jax.ShapeDtypeStruct(size, jnp.int32),
    }
    with jax.numpy_dtype_promotion("standard"):  # flax's BatchNorm subtracts a float32 mean
        state = jax.eval_shape(lambda: init_state(config, networks, shape, prng.root(0)))
        after, metrics = jax.eval_shape(step, state, prng.root(0), batch)
        text = str(jax.make_jaxpr(step)(state, prng.root(0), batch))
    assert "bf16" in text
    dtypes = [jax.tree.map(lambda leaf: leaf.dtype, tree) for tree in (state, after)]
    assert dtypes[0] == dtypes[1]
    assert {leaf.dtype for leaf in jax.tree.leaves(metrics)} == {jnp.dtype("float32")}

"""The search for latents: against plain NumPy, and what it may not depend on."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import latents, prng
from gan_jax.apply import masks
from gan_jax.apply.presets import PRESETS
from gan_jax.apply.search import Wanted, make_judge, search
from gan_jax.apply.trained import Trained
from gan_jax.config import (
    MLP,
    Dataset,
    Latent,
    MLPDiscriminator,
    ResNetDiscriminator,
    ResNetGenerator,
)
from gan_jax.state import build_models, init_state
from support import tiny_config

SHAPE = (8, 8, 1)
DEFAULT = dataclasses.replace(PRESETS["default"], iterations=20, restarts=2)


def born(classes=0, **changes):
    """A run before its first step, its biases moved from 0."""
    config = tiny_config(conditional=bool(classes), **changes)
    models = build_models(config, SHAPE, None, classes)
    state = init_state(config, models, SHAPE, prng.root(0))
    rng = np.random.default_rng(0)

    def moved(tree):
        return jax.tree.map(
            lambda x: np.asarray(x) + 0.3 * rng.standard_normal(x.shape, np.float32), tree
        )

    g, d = state.generator, state.discriminator
    return Trained(
        config, None, 0, SHAPE, classes, tuple(map(str, range(classes))), models,
        {"params": moved(g.params), **g.model_state},
        {"params": moved(d.params), **d.model_state}, "live",
    )  # fmt: skip


def mlps(distribution="uniform", **changes):
    settings = {
        "latent": Latent(dim=5, distribution=distribution),
        "generator": MLP(hidden=(16,)),
        "discriminator": MLP(hidden=(12,), activation="leaky_relu"),
    }
    return born(**(settings | changes))


def photos(count, seed=1):
    pixels = np.random.default_rng(seed).uniform(-1, 1, (count, *SHAPE))
    return pixels.astype(np.float32)


def wanted(count, mask="center"):
    return Wanted(photos(count), np.zeros(count, np.int32), masks.named(mask, 8, 8, 0))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def plain_loss(trained, z, images, known):
    """Amos's loss of one-hidden-layer networks and its gradient by z, written out by hand."""
    (g_b0, g_w0, g_b1, g_w1), (d_b0, d_w0, d_b1, d_w1) = (
        [
            player["params"][f"Dense_{i}"][part].astype(np.float64)
            for i in (0, 1)
            for part in ("bias", "kernel")
        ]
        for player in (trained.generator, trained.discriminator)
    )
    hidden = z @ g_w0 + g_b0
    x = np.tanh(np.maximum(hidden, 0) @ g_w1 + g_b1)
    seen = x @ d_w0 + d_b0
    logit = (np.where(seen > 0, seen, 0.2 * seen) @ d_w1 + d_b1)[:, 0]
    off = known * (x - images)
    loss = np.abs(off).sum(axis=1) + 0.1 * np.log1p(np.exp(-logit))

    by_logit = -0.1 * sigmoid(-logit)[:, None]
    by_x = known * np.sign(off) + (by_logit @ d_w1.T * np.where(seen > 0, 1, 0.2)) @ d_w0.T
    by_hidden = (by_x * (1 - x**2)) @ g_w1.T * (hidden > 0)
    return loss, by_hidden @ g_w0.T


def plain_bamos(trained, z, images, known, iterations):
    """dcgan-completion.tensorflow, model.py, complete(), its Adam as it stands there."""
    m, v, losses = 0, 0, []
    for i in range(iterations):
        loss, gradient = plain_loss(trained, z, images, known)
        losses.append(loss)
        m = 0.9 * m + (1 - 0.9) * gradient
        v = 0.999 * v + (1 - 0.999) * np.square(gradient)
        m_hat = m / (1 - 0.9 ** (i + 1))
        v_hat = v / (1 - 0.999 ** (i + 1))
        z = np.clip(z - 0.01 * m_hat / (np.sqrt(v_hat) + 1e-8), -1, 1)
    return z, np.stack(losses, axis=1)


def test_the_numpy_gradient_is_that_of_its_loss():
    trained, images = mlps(), photos(1).reshape(1, -1).astype(np.float64)
    known = masks.named("center", 8, 8, 0).known.ravel()
    z = np.random.default_rng(2).uniform(-1, 1, (1, 5))
    _, gradient = plain_loss(trained, z, images, known)
    for i in range(5):
        step = np.zeros((1, 5))
        step[0, i] = 1e-6
        ahead, behind = (plain_loss(trained, z + s, images, known)[0] for s in (step, -step))
        assert gradient[0, i] == pytest.approx((ahead - behind)[0] / 2e-6, rel=1e-4)


@pytest.mark.parametrize(("distribution", "iterations"), [("uniform", 10), ("normal", 1)])
def test_bamos_is_the_published_algorithm(distribution, iterations):
    trained, task = mlps(distribution), wanted(3)
    keys = [prng.stream(prng.root(7), "search latent", i, 0) for i in range(3)]
    start = latents.draw(Latent(dim=5, distribution="uniform"), jnp.stack(keys))
    z, losses = plain_bamos(
        trained, np.float64(start), task.images.reshape(3, -1).astype(np.float64),
        task.mask.known.ravel(), iterations,
    )  # fmt: skip
    found = search(
        trained, dataclasses.replace(PRESETS["bamos"], iterations=iterations), task, seed=7
    )
    np.testing.assert_allclose(found.z, z, atol=1e-5)
    np.testing.assert_allclose(found.history[:, 0], losses, rtol=1e-5)


@pytest.fixture(scope="module")
def run():
    return mlps("normal")


@pytest.fixture(scope="module")
def found(run):
    return search(run, DEFAULT, wanted(5), seed=3)


def test_yeh_is_clipped():
    fast = dataclasses.replace(PRESETS["yeh"], iterations=3, learning_rate=5.0)
    assert np.abs(search(mlps("normal"), fast, wanted(2), seed=0).z).max() == 1


def test_an_image_alone_is_the_image_among_others(run, found):
    task = wanted(5)
    alone = search(run, DEFAULT, task._replace(images=task.images[:1], label=task.label[:1]), 3)
    np.testing.assert_allclose(alone.z[0], found.z[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(alone.history[0], found.history[0], rtol=1e-4)


def test_batches_and_calls_are_as_one(run, found, monkeypatch):
    monkeypatch.setattr("gan_jax.apply.search._PIXELS", 64)
    monkeypatch.setattr("gan_jax.apply.search._CALL", 8)
    parts = search(run, DEFAULT, wanted(5), seed=3)
    assert parts.history.shape == found.history.shape == (5, 2, 20)
    np.testing.assert_allclose(parts.history, found.history, rtol=1e-4)
    np.testing.assert_allclose(parts.z, found.z, rtol=1e-4, atol=1e-5)


def test_seeds_say_where_it_begins(run, found):
    other = search(run, DEFAULT, wanted(5), seed=4)
    assert np.abs(found.history[..., 0] - other.history[..., 0]).min() > 1e-4


def test_more_restarts_and_iterations_are_never_worse(run, found):
    many = search(run, dataclasses.replace(DEFAULT, restarts=4), wanted(5), seed=3)
    np.testing.assert_allclose(many.every[:, :2], found.every, rtol=1e-4)
    assert (many.losses.total <= found.losses.total * (1 + 1e-4)).all()
    np.testing.assert_array_equal(many.losses.total, many.every.min(axis=1))
    assert (many.every <= many.history.min(axis=-1) * (1 + 1e-6)).all()


def test_what_g_has_made_is_found_again(run):
    z = np.random.default_rng(0).standard_normal((3, 5), np.float32)
    label = jnp.zeros(3, jnp.int32)
    images = run.models.generator.apply(run.generator, jnp.asarray(z), label, train=False)
    plain = dataclasses.replace(
        DEFAULT, iterations=300, restarts=8, near=0, perceptual=0.0, prior=0.0
    )
    task = wanted(3, "random")._replace(images=np.asarray(images))
    found = search(run, plain, task, seed=0)
    assert (found.losses.contextual < 0.05 * found.history[..., 0].mean()).all()
    np.testing.assert_allclose(found.z, z, atol=0.1)


def test_the_parts_of_the_loss_are_what_they_say(run):
    task = wanted(2, "lowres")
    found = search(run, DEFAULT, task, seed=0)
    low, true = (x.reshape(2, 4, 2, 4, 2, 1).mean(axis=(2, 4)) for x in (found.image, task.images))
    np.testing.assert_allclose(
        found.losses.contextual, np.abs(low - true).mean(axis=(1, 2, 3)), rtol=1e-4
    )
    prior = DEFAULT.prior * np.square(found.z).mean(axis=1) / 2
    np.testing.assert_allclose(found.losses.prior, prior, rtol=1e-4)
    images, label = jnp.asarray(found.image), jnp.asarray(task.label)
    logits = np.asarray(make_judge(run)(run.discriminator, images, label))
    unreal = DEFAULT.perceptual * np.log1p(np.exp(-logits))
    np.testing.assert_allclose(found.losses.perceptual, unreal, rtol=1e-4)
    np.testing.assert_allclose(found.losses.total, sum(found.losses[1:]), rtol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "wasserstein", "packing": 2, "dataset": Dataset(pixel_range="unit")},
        {"discriminator": MLPDiscriminator(hidden=(12,), minibatch_std=4)},
        {
            "classes": 3,
            "loss": "hinge",
            "generator": ResNetGenerator(channels=(4, 4)),
            "discriminator": ResNetDiscriminator(channels=(4,), down=1, spectral_norm=True),
        },
    ],
    ids=["a critic of packs in unit range", "minibatch statistics", "classes"],
)
def test_all_kinds_of_runs_can_be_searched(changes):
    trained = mlps("normal", **changes)
    task = wanted(3)._replace(label=np.arange(3, dtype=np.int32) % max(trained.num_classes, 1))
    found = search(trained, dataclasses.replace(DEFAULT, iterations=3), task, seed=0)
    assert found.image.shape == (3, *SHAPE)
    assert -1 <= found.image.min() < found.image.max() <= 1
    assert (found.losses.total < found.history[..., 0].min(axis=1)).all()


def test_d_is_shown_copies_where_it_judges_several_together():
    images = jnp.asarray(photos(3))
    label = jnp.zeros(3, jnp.int32)
    packed = mlps(packing=2, dataset=Dataset(pixel_range="unit"))
    both = jnp.concatenate([(images + 1) / 2] * 2, axis=-1)
    expected = packed.models.discriminator.apply(packed.discriminator, both, label, train=False)
    np.testing.assert_allclose(make_judge(packed)(packed.discriminator, images, label), expected)
    grouped = mlps(discriminator=MLPDiscriminator(hidden=(12,), minibatch_std=4))
    judge = make_judge(grouped)
    together = judge(grouped.discriminator, images, label)
    alone = judge(grouped.discriminator, images[:1], label[:1])
    np.testing.assert_allclose(together[:1], alone, rtol=1e-5)


def test_a_critics_loss_means_the_same_whatever_its_unit():
    """Its logits a hundred times as large, and off: the same search."""
    trained = mlps("normal", loss="wasserstein")
    larger = jax.tree.map(np.copy, trained.discriminator)
    larger["params"]["Dense_1"]["kernel"] *= 100
    larger["params"]["Dense_1"]["bias"] += 1e3
    some = dataclasses.replace(DEFAULT, perceptual=1.0, iterations=5)
    one = search(trained, some, wanted(2), seed=0)
    other = search(trained._replace(discriminator=larger), some, wanted(2), seed=0)
    np.testing.assert_allclose(one.losses.perceptual, other.losses.perceptual, rtol=0.02)

"""Every family takes classes: what they add, by hand, and that without them nothing is added."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import models
from gan_jax.config import (
    DCGAN,
    MLP,
    R3GAN,
    CS231n,
    MLPDiscriminator,
    ResNetDiscriminator,
    ResNetGenerator,
)
from gan_jax.models import Shared

CLASSES, DIM = 3, 5
# family: (G, D), shape of an example
FAMILIES = {
    "mlp": ((MLP(hidden=(6,)), MLPDiscriminator(hidden=(6,), minibatch_std=2)), (2,)),
    "dcgan": ((DCGAN(width=2, base=2), DCGAN(width=2, base=2)), (8, 8, 3)),
    "cs231n": ((CS231n(width=1), CS231n(width=1)), (28, 28, 1)),
    "resnet": (
        (ResNetGenerator(channels=(4, 4)), ResNetDiscriminator(channels=(4,), down=1)), (8, 8, 3)),
    "r3gan": ((R3GAN(channels=(8, 8), blocks=1), R3GAN(channels=(8, 8), blocks=1)), (8, 8, 3)),
}  # fmt: skip


def built(name, num_classes):
    """(module, its input) of G and of D."""
    (generator, discriminator), shape = FAMILIES[name]
    shared = Shared(sample_shape=shape, num_classes=num_classes)
    return (
        (models.build_generator(generator, shared), normal(0, 4, DIM)),
        (models.build_discriminator(discriminator, shared), normal(1, 4, *shape)),
    )


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def init(module, x):
    with jax.numpy_dtype_promotion("standard"):
        return module.init(jax.random.key(7), x, jnp.zeros(len(x), jnp.int32), train=True)


def apply(module, variables, x, label):
    label = jnp.asarray(label, jnp.int32)
    with jax.numpy_dtype_promotion("standard"):
        return np.asarray(module.apply(variables, x, label, train=False))


def test_every_family_is_here():
    assert set(FAMILIES) == set(models.FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("player", [0, 1], ids=["generator", "discriminator"])
def test_the_class_tells_where_both_players_know_it_and_nowhere_else(name, player):
    module, x = built(name, CLASSES)[player]
    variables = init(module, x)
    # R3GAN's last weights and ResNet's shifts are born as zeros.
    params = jax.tree.map(lambda w: w + 0.1 * normal(3, *w.shape), variables["params"])
    told = [apply(module, variables | {"params": params}, x, [label] * 4) for label in range(3)]
    assert all(np.abs(told[i] - told[j]).max() > 1e-4 for i, j in ((0, 1), (0, 2), (1, 2)))
    mixed = apply(module, variables | {"params": params}, x, [0, 1, 2, 0])
    if name != "mlp":  # whose minibatch feature compares examples
        rows = np.stack([told[label][i] for i, label in enumerate([0, 1, 2, 0])])
        np.testing.assert_allclose(mixed, rows, atol=1e-4)

    module, x = built(name, 0)[player]
    without = init(module, x)
    names = jax.tree_util.tree_leaves_with_path(without["params"])
    assert not any("embedding" in path[-1].key for path, _ in names)
    assert np.array_equal(apply(module, without, x, [0] * 4), apply(module, without, x, [2] * 4))


def test_dcgans_discriminator_adds_the_projection_of_its_features_on_the_class():
    (_, (module, x)), ((_, (plain, _))) = built("dcgan", CLASSES), built("dcgan", 0)
    variables = init(module, x)
    table = variables["params"]["classes"]["embedding"]
    rest = {name: leaf for name, leaf in variables["params"].items() if name != "classes"}
    assert table.shape == (CLASSES, 2 * 2 * 4)  # base * base * channels of the last map

    def features(params):
        """With the head's weights on one feature after another: all of them."""
        units = jnp.eye(table.shape[1])[:, :, None]
        heads = [params | {"Dense_0": {"kernel": unit}} for unit in units]
        columns = [apply(plain, variables | {"params": head}, x, [0] * 4) for head in heads]
        return np.stack(columns, axis=1)

    head = apply(plain, variables | {"params": rest}, x, [0] * 4)
    label = np.array([2, 0, 1, 2])
    expected = head + np.sum(np.asarray(table)[label] * features(rest), axis=1)
    np.testing.assert_allclose(apply(module, variables, x, label), expected, atol=1e-6)


def test_dcgans_generator_has_the_class_in_its_batch_norms_and_nowhere_else():
    """Beside z it would be a variance that is not z's, and G would make one image of each class."""
    (module, z), _ = built("dcgan", CLASSES)
    (plain, _), _ = built("dcgan", 0)
    variables, without = init(module, z), init(plain, z)
    assert variables["params"]["Dense_0"]["kernel"].shape[0] == DIM
    norms = [name for name in variables["params"] if "ConditionalBatchNorm" in name]
    assert len(norms) == len([name for name in without["params"] if "BatchNorm" in name]) == 2
    assert not any(name.startswith("BatchNorm") for name in variables["params"])
    assert "classes" not in variables["params"]


@pytest.mark.parametrize("name", ["mlp", "cs231n", "dcgan"])
def test_a_generator_takes_an_embedding_of_the_class_beside_z(name, monkeypatch):
    """DCGAN's where it has no BatchNorm. With zeros in its rows all classes are one."""
    monkeypatch.setitem(
        FAMILIES, "dcgan", ((DCGAN(width=2, base=2, batch_norm=False),) * 2, (8, 8, 3))
    )
    (module, z), _ = built(name, CLASSES)
    variables = init(module, z)
    table = variables["params"]["classes"]["embedding"]
    assert table.shape == (CLASSES, 16)
    assert 0.7 < float(jnp.std(table)) < 1.3
    params = variables["params"] | {"classes": {"embedding": jnp.zeros_like(table)}}
    first, second = (apply(module, variables | {"params": params}, z, [i] * 4) for i in (0, 2))
    assert np.array_equal(first, second)

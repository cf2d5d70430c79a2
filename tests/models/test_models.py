import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gan_jax import models
from gan_jax.config import DCGAN, MLP
from gan_jax.errors import UsageError
from gan_jax.models import Shared


def both(generator, discriminator, shape, **shared):
    shared = Shared(sample_shape=shape, **shared)
    return (
        models.build_generator(generator, shared),
        models.build_discriminator(discriminator, shared),
    )


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (DCGAN(width=4, base=2), (8, 8, 1)),
        (DCGAN(width=4, base=7), (28, 28, 1)),
        (DCGAN(width=2, base=4), (32, 32, 3)),
        (MLP(hidden=(5, 6), activation="leaky_relu", batch_norm="after"), (8, 8, 3)),
        (MLP(hidden=(5,), activation="tanh"), (2,)),
        (MLP(hidden=()), (1,)),
    ],
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_shapes_ranges_and_types(network, shape, precision):
    generator, discriminator = both(network, network, shape, precision=precision)
    label = jnp.zeros(3, jnp.int32)
    z = 10 * jax.random.normal(jax.random.key(0), (3, 7))

    def whole(key):
        g, d = (
            generator.init(key, z, label, train=True),
            discriminator.init(key, jnp.zeros((3, *shape)), label, train=True),
        )
        fake = generator.apply(g, z, label, train=False)
        return g, d, fake, discriminator.apply(d, fake, label, train=False)

    with jax.numpy_dtype_promotion("standard"):  # flax's BatchNorm subtracts a float32 mean
        g, d, fake, logits = jax.jit(whole)(jax.random.key(1))
    assert fake.shape == (3, *shape)
    assert logits.shape == (3,)
    assert {leaf.dtype for leaf in jax.tree.leaves((g, d, fake, logits))} == {jnp.dtype("float32")}
    if len(shape) == 3:
        assert np.abs(fake).max() <= 1


def test_bfloat16_computes_what_float32_does_to_its_own_precision():
    network, label = MLP(hidden=(32,)), jnp.zeros(4, jnp.int32)
    z = jax.random.normal(jax.random.key(0), (4, 8))
    exact, coarse = (
        models.build_generator(network, Shared((2,), precision=precision))
        for precision in ("float32", "bfloat16")
    )
    variables = exact.init(jax.random.key(1), z, label, train=True)
    a, b = (
        np.asarray(module.apply(variables, z, label, train=False)) for module in (exact, coarse)
    )
    assert not np.array_equal(a, b)
    assert np.allclose(a, b, atol=0.03 * np.abs(a).max())


def test_dcgan_widths_double_inwards():
    assert models.dcgan.stage_widths((64, 64, 3), base=4, width=64) == [64, 128, 256, 512]
    assert models.dcgan.stage_widths((28, 28, 1), base=7, width=64) == [64, 128]


@pytest.mark.parametrize("shape", [(30, 30, 1), (4, 4, 3), (8, 16, 1), (2,)])
def test_what_dcgan_cannot_make_is_refused_with_what_it_can(shape):
    with pytest.raises(UsageError, match=r"it makes 8, 16, 32|take the family mlp"):
        models.dcgan.stage_widths(shape, base=4, width=8)


@pytest.mark.parametrize(
    ("side", "bases"), [(48, "3 or 6"), (96, "3 or 6"), (28, "7"), (100, ""), (50, "")]
)
def test_a_size_that_another_base_makes_is_told_of_it(side, bases):
    with pytest.raises(UsageError, match=f"cannot make {side}x{side}") as raised:
        models.dcgan.stage_widths((side, side, 3), base=4, width=8)
    _, _, hint = str(raised.value).partition("pixels a side")
    expected = f"; for {side} set config.generator.base and config.discriminator.base to {bases}"
    assert hint == (expected if bases else "")


def test_a_family_with_another_ones_options_is_refused():
    network = DCGAN()
    network.name = "mlp"
    with pytest.raises(UsageError, match=r"config\.generator\.name='mlp'.*hidden"):
        models.build_generator(network, Shared((8, 8, 1)))
    network.name = "dcgna"
    with pytest.raises(UsageError, match=r"did you mean dcgan\?"):
        models.build_discriminator(network, Shared((8, 8, 1)))


def test_a_family_of_ones_own_that_knows_no_classes_is_refused_them(monkeypatch):
    class Blind(nn.Module):
        hidden: tuple[int, ...]
        activation: str
        initializer: str
        batch_norm: str
        batch_norm_decay: float
        batch_norm_eps: float

    family = types.ModuleType("blind")
    family.Generator = Blind
    monkeypatch.setitem(models.FAMILIES, "blind", family)
    network = MLP()
    network.name = "blind"
    models.build_generator(network, Shared((8, 8, 1)))
    with pytest.raises(UsageError, match=r"conditional=True: the family blind.*mlp, dcgan, cs231n"):
        models.build_generator(network, Shared((8, 8, 1), num_classes=2))

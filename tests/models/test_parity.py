"""Parameter counts of published networks, counted in their authors' code, weights and biases,
BatchNorm's scales and shifts, embeddings and attention's gamma included."""

import jax
import jax.numpy as jnp
import pytest

from gan_jax import models
from gan_jax.config import (
    DCGAN,
    MLP,
    R3GAN,
    CS231n,
    ResNetDiscriminator,
    ResNetGenerator,
)
from gan_jax.models import Shared

BIGGAN_128 = (16, 16, 8, 4, 2, 1)


def resnet_128(width, **options):
    """G and D of BigGAN's PyTorch code at 128x128."""
    shared = {"spectral_norm": True, "attention": 64}
    generator = ResNetGenerator(
        channels=tuple(width * times for times in BIGGAN_128), **shared, **options
    )
    discriminator = ResNetDiscriminator(
        channels=tuple(width * times for times in (1, 2, 4, 8, 16, 16)), down=5, **shared
    )
    return generator, discriminator


def keras_mlp():
    return (
        MLP(hidden=(256, 512, 1024), activation="leaky_relu", batch_norm="after"),
        MLP(hidden=(512, 256), activation="leaky_relu"),
    )


# name: (G, D), shape, latent dim, classes, parameters of G and of D
NETWORKS = {
    "the tutorials' 100-128-784": (
        (MLP(hidden=(128,)), MLP(hidden=(128,))), (28, 28, 1), 100, 0, 114_064, 100_609),
    "Keras-GAN's MLP": (keras_mlp(), (28, 28, 1), 100, 0, 1_489_936, 533_505),
    "CS231n, z of 96": ((CS231n(), CS231n()), (28, 28, 1), 96, 0, 6_675_009, 1_102_721),
    "CS231n, z of 4": ((CS231n(), CS231n()), (28, 28, 1), 4, 0, 6_580_801, 1_102_721),
    "DCGAN, PyTorch's example": (
        (DCGAN(), DCGAN()), (64, 64, 3), 100, 0, 3_576_704, 2_765_568),
    "DCGAN-tensorflow": (
        (DCGAN(kernel=5, bias=True), DCGAN(kernel=5, bias=True)),
        (64, 64, 3), 100, 0, 5_135_363, 4_316_545),
    "WGAN-GP's toy": (
        (MLP(hidden=(512,) * 3), MLP(hidden=(512,) * 3)), (2,), 2, 0, 527_874, 527_361),
    "WGAN-GP on CIFAR-10": (
        (ResNetGenerator(channels=(128,) * 4), ResNetDiscriminator(pool="mean")),
        (32, 32, 3), 128, 0, 1_204_483, 1_053_825),
    "SNGAN on CIFAR-10": (
        (ResNetGenerator(), ResNetDiscriminator(spectral_norm=True, head_bias=False)),
        (32, 32, 3), 128, 0, 4_276_739, 1_053_824),
    "SNGAN with projection": (
        (ResNetGenerator(), ResNetDiscriminator(spectral_norm=True, head_bias=False)),
        (32, 32, 3), 128, 10, 4_304_387, 1_055_104),
    "SAGAN at 32x32": (
        (ResNetGenerator(spectral_norm=True, attention=16),
         ResNetDiscriminator(spectral_norm=True, attention=16)),
        (32, 32, 3), 128, 10, 4_386_308, 1_075_586),
    "BigGAN on CIFAR-10": (
        (ResNetGenerator(spectral_norm=True),
         ResNetDiscriminator(channels=(256,) * 4, spectral_norm=True)),
        (32, 32, 3), 128, 10, 4_304_387, 4_207_361),
    "SAGAN at 128x128": (resnet_128(64), (128, 128, 3), 128, 1000, 42_017_412, 39_448_258),
    "BigGAN at 128x128, 64 channels": (
        resnet_128(64, shared_dim=128, hierarchical=True),
        (128, 128, 3), 120, 1000, 31_978_628, 39_448_258),
    "BigGAN at 128x128, 96 channels": (
        resnet_128(96, shared_dim=128, hierarchical=True),
        (128, 128, 3), 120, 1000, 70_433_988, 87_982_370),
    "R3GAN on CIFAR-10": ((R3GAN(), R3GAN()), (32, 32, 3), 64, 0, 20_732_160, 20_683_776),
    "R3GAN on CIFAR-10, classes": (
        (R3GAN(), R3GAN()), (32, 32, 3), 64, 10, 20_781_952, 21_280_512),
    "R3GAN at 64x64": (
        (R3GAN(channels=(768,) * 4 + (384,)), R3GAN(channels=(768,) * 4 + (384,))),
        (64, 64, 3), 64, 0, 22_429_824, 22_381_440),
    "R3GAN on ImageNet at 32x32": (
        (R3GAN(channels=(1536,) * 4, group_size=32), R3GAN(channels=(1536,) * 4, group_size=32)),
        (32, 32, 3), 64, 1000, 82_914_304, 86_548_992),
}  # fmt: skip

# name: spectrally normalized layers and the sum of the lengths of their u, of G and of D
SPECTRAL = {
    "SNGAN on CIFAR-10": ((0, 0), (11, 1_281)),
    "SNGAN with projection": ((0, 0), (12, 1_291)),
    "BigGAN at 128x128, 96 channels": ((41, 48_627), (23, 13_169)),
    "SAGAN at 128x128": ((21, 22_563), (23, 9_113)),
    "BigGAN on CIFAR-10": ((11, 6_403), (12, 2_571)),
}


def shapes_of(name):
    (generator, discriminator), shape, dim, classes, *_ = NETWORKS[name]
    shared = Shared(sample_shape=shape, num_classes=classes)
    label = jnp.zeros(2, jnp.int32)

    def variables(module, x):
        return jax.eval_shape(
            lambda key: module.init_with_output(key, x, label, train=True), jax.random.key(0)
        )

    return (
        variables(models.build_generator(generator, shared), jnp.zeros((2, dim))),
        variables(models.build_discriminator(discriminator, shared), jnp.zeros((2, *shape))),
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_and_shapes_are_those_of_the_original(name):
    _, shape, _, _, *expected = NETWORKS[name]
    (images, generator), (logits, discriminator) = shapes_of(name)
    counts = [
        sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
        for variables in (generator, discriminator)
    ]
    assert counts == expected
    assert images.shape == (2, *shape)
    assert logits.shape == (2,)


@pytest.mark.parametrize("name", SPECTRAL)
def test_spectral_norm_is_on_the_layers_that_the_original_has_it_on(name):
    """An embedding's u here is as long as its vectors, there as its classes: sigma is the same."""
    classes = NETWORKS[name][3]
    for (_, variables), (layers, length) in zip(shapes_of(name), SPECTRAL[name], strict=True):
        leaves = jax.tree_util.tree_leaves_with_path(variables.get("batch_stats", {}))
        vectors = [(path[-1].key, leaf.size) for path, leaf in leaves if path[-1].key[-2:] == "/u"]
        assert len(vectors) == layers
        total = sum(size for _, size in vectors)
        table = dict(vectors).get("classes/embedding/u", 0)
        if table:
            total += classes - table
        assert total == length

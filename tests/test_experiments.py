"""Every file of experiments/: a valid config whose state and step have shapes, and that trains."""

import pathlib

import jax
import jax.numpy as jnp
import pytest

from docs import recipes
from gan_jax import checks, command, parallel, prng
from gan_jax.config import DCGAN, R3GAN, CS231n, ResNetDiscriminator, ResNetGenerator, validate
from gan_jax.state import build_models, init_state
from gan_jax.step import make_train_step
from gan_jax.train import train
from support import ROOT, json_lines

FILES = sorted(path.stem for path in (ROOT / "experiments").glob("*.py"))


def path_of(name):
    return str(ROOT / "experiments" / f"{name}.py")


def variants(name):
    listed = getattr(recipes.load(pathlib.Path(path_of(name))), "VARIANTS", ("",))
    return [name, *(f"{name}.py:{variant}" for variant in listed[1:])]


EXPERIMENTS = [each for name in FILES for each in variants(name)]


def load(name):
    return command.load(path_of(name) if ":" not in name else f"{ROOT}/experiments/{name}")


def test_there_is_an_experiment_for_every_system():
    assert set(FILES) == {
        "digits_dcgan", "gaussian_1d", "ring_2d", "grid_2d",
        "mnist_dcgan", "mnist_mlp", "mnist_mlp_keras", "mnist_conv_gan", "mnist_conv_lsgan",
        "mnist_minimax", "mnist_wgan", "faces_dcgan64", "cifar10_dcgan", "cifar10_lsgan",
        "cifar10_wgan_gp", "cifar10_sngan", "cifar10_sagan", "cifar10_biggan", "cifar10_r3gan",
        "imagenet128_sagan", "imagenet128_biggan", "stacked_mnist_dcgan", "stacked_mnist_r3gan",
    }  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_docstring_says_source_command_time_and_result(name):
    text = pathlib.Path(path_of(name)).read_text().split('"""')[1]
    assert f"python launch.py --config=experiments/{name}.py" in text
    assert "Measured" in text
    assert all(f"experiments/{variant}" in text for variant in variants(name)[1:])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_state_and_step_have_shapes(name):
    """The whole at its real size, abstractly: nothing of it is computed."""
    config, root = load(name), prng.root(0)
    validate(config)
    shape, num_classes = recipes.data(config)
    networks = build_models(config, shape, parallel.AXIS, num_classes)
    state = jax.eval_shape(lambda key: init_state(config, networks, shape, key), root)
    checks.check(config, shape, num_classes, state)
    step = make_train_step(config, networks, parallel.AXIS)
    dtype = jnp.uint8 if len(shape) == 3 else jnp.float32
    leading = (1, config.d_steps, config.batch_size)
    batch = {
        "image": jax.ShapeDtypeStruct((*leading, *shape), dtype),
        "label": jax.ShapeDtypeStruct(leading, jnp.int32),
    }
    mapped = jax.vmap(step, axis_name=parallel.AXIS, in_axes=(None, None, 0), out_axes=None)
    after, _ = jax.eval_shape(mapped, state, root, batch)
    assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, state)


def narrow(network):
    """The same network with as few channels as it can have."""
    if isinstance(network, DCGAN):
        network.width = 4
    elif isinstance(network, CS231n):
        network.width = 1
    elif isinstance(network, ResNetGenerator | ResNetDiscriminator | R3GAN):
        network.channels = (8,) * len(network.channels)
    if isinstance(network, ResNetGenerator) and network.shared_dim:
        network.shared_dim = 4


def real(dataset, data_dir):
    """A little of real data; CIFAR-10, enlarged, stands in for ImageNet."""
    if dataset.name == "tfds:imagenet2012":
        dataset.name = "tfds:cifar10"
    if dataset.name == "folder:faces":
        dataset.name = f"folder:{data_dir / 'faces' / 'lfw-faces-64.zip'}"
    dataset.data_dir, dataset.split, dataset.resident_mb = str(data_dir / "tfds"), "test[:1%]", 0


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_two_real_steps_at_reduced_width(name, tmp_path, request):
    config = load(name)
    config.steps, config.batch_size, config.num_samples = 2, 16 * config.packing, 4
    config.d_steps, config.d_boost.d_steps = min(config.d_steps, 2), min(config.d_boost.d_steps, 3)
    if config.dataset.name in ("tfds:imagenet2012", "folder:faces", "stacked_mnist") or (
        config.dataset.name.startswith("tfds:")
    ):
        real(config.dataset, request.getfixturevalue("real_data"))
    narrow(config.generator)
    narrow(config.discriminator)
    train(config, str(tmp_path))
    assert [row["step"] for row in json_lines(tmp_path / "metrics.jsonl")] == [2]
    assert len(list(pathlib.Path(tmp_path / "samples").glob("*.png"))) == 2

"""Every file of experiments/: a valid config whose state and step have shapes, and that trains."""

import pathlib

import jax
import jax.numpy as jnp
import pytest

from gan_jax import command, parallel, prng
from gan_jax.config import DCGAN, validate
from gan_jax.state import build_models, init_state
from gan_jax.step import make_train_step
from gan_jax.train import train
from support import ROOT, json_lines

EXPERIMENTS = sorted(path.stem for path in (ROOT / "experiments").glob("*.py"))
SHAPES = {"digits": (8, 8, 1), "tfds:mnist": (28, 28, 1), "ring_2d": (2,), "gaussian_1d": (1,)}


def load(name):
    return command._load(str(ROOT / "experiments" / f"{name}.py"))


def test_there_are_experiments():
    assert {"digits_dcgan", "mnist_dcgan", "ring_2d", "gaussian_1d"} <= set(EXPERIMENTS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_docstring_says_source_command_time_and_result(name):
    text = (ROOT / "experiments" / f"{name}.py").read_text().split('"""')[1]
    assert f"python launch.py --config=experiments/{name}.py" in text
    assert "Measured" in text


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_state_and_step_have_shapes(name):
    config = load(name)
    validate(config)
    shape = SHAPES[config.dataset.name]
    networks = build_models(config, shape, parallel.AXIS)
    root = prng.root(config.seed)
    state = jax.eval_shape(lambda key: init_state(config, networks, shape, key), root)
    step = make_train_step(config, networks, parallel.AXIS)
    dtype = jnp.uint8 if len(shape) == 3 else jnp.float32
    images = jax.ShapeDtypeStruct((1, config.d_steps, config.batch_size, *shape), dtype)
    labels = jax.ShapeDtypeStruct((1, config.d_steps, config.batch_size), jnp.int32)
    mapped = jax.vmap(step, axis_name=parallel.AXIS, in_axes=(None, None, 0), out_axes=None)
    after, _ = jax.eval_shape(mapped, state, root, {"image": images, "label": labels})
    assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, state)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_two_real_steps_at_reduced_width(name, tmp_path, request):
    config = load(name)
    config.steps, config.batch_size, config.d_steps = 2, 8, min(config.d_steps, 2)
    config.num_samples = 4
    if config.dataset.name.startswith("tfds:"):
        config.dataset.data_dir = str(request.getfixturevalue("real_data") / "tfds")
        config.dataset.split = "test[:1%]"
    for network in (config.generator, config.discriminator):
        if isinstance(network, DCGAN):
            network.width = 4
    train(config, str(tmp_path))
    assert [row["step"] for row in json_lines(tmp_path / "metrics.jsonl")] == [2]
    assert len(list(pathlib.Path(tmp_path / "samples").glob("*.png"))) == 2

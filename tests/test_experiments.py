"""Every file of experiments/: a valid config whose state and step have shapes, and that trains."""

import pathlib
import shutil

import jax
import jax.numpy as jnp
import pytest
from PIL import Image, ImageDraw

from docs import recipes
from gan_jax import augment, checks, command, parallel, prng
from gan_jax.config import DCGAN, R3GAN, CS231n, ResNetDiscriminator, ResNetGenerator, validate
from gan_jax.errors import UsageError
from gan_jax.program import Program
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
        "images",
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
    step = make_train_step(augment.settled(config, 1), networks, parallel.AXIS)
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
    else:
        dataset.data_dir, dataset.split = str(data_dir / "tfds"), "test[:1%]"
    dataset.resident_mb = 0


@pytest.fixture(scope="session")
def icons(tmp_path_factory):
    """A folder of 40 small PNGs, discs and squares by class, RGBA and palette."""
    folder = tmp_path_factory.mktemp("icons")
    for index in range(40):
        name = ("disc", "square")[index % 2]
        image = Image.new("RGBA", (48, 40), (0, 0, 0, 0))
        draw = ImageDraw.Draw(image)
        shape = draw.ellipse if name == "disc" else draw.rectangle
        shape((10, 8, 20 + index // 2, 18 + index // 2), fill=(6 * index, 255 - 6 * index, 99, 255))
        (folder / name).mkdir(exist_ok=True)
        (image.quantize(8) if index % 4 < 2 else image).save(folder / name / f"{index}.png")
    return folder


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_two_real_steps_at_reduced_width(name, tmp_path, request):
    config = load(name)
    config.steps, config.batch_size, config.num_samples = 2, 16 * config.packing, 4
    config.eval_every = 0
    if config.dataset.name == "folder:images":
        config.dataset.name = f"folder:{request.getfixturevalue('icons')}"
    config.d_steps, config.d_boost.d_steps = min(config.d_steps, 2), min(config.d_boost.d_steps, 3)
    if config.dataset.name in ("tfds:imagenet2012", "folder:faces", "stacked_mnist") or (
        config.dataset.name.startswith("tfds:")
    ):
        real(config.dataset, request.getfixturevalue("real_data"))
    narrow(config.generator)
    narrow(config.discriminator)
    train(config, str(tmp_path))
    assert [row["step"] for row in json_lines(tmp_path / "metrics.jsonl")] == [2]
    samples = {path.name for path in (tmp_path / "samples").glob("*.png")}
    assert samples >= {"step_00000000.png", "step_00000002.png"}


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["images", "images.py:conditional"])
def test_own_images_of_any_offered_size_start_from_4x4(name, channels, size, icons):
    config = load(name)
    config.dataset.name = f"folder:{icons}"
    config.dataset.image_size, config.dataset.channels = size, channels
    program = Program(config)
    assert program.source.shape == (size, size, channels)
    assert program.settled.augment == "color,translation,cutout"  # 40 images
    first = 4 * size  # 32 channels at half the size, doubled at each halving
    params = program.template().generator.params
    assert params["Dense_0"]["kernel"].shape == (config.latent.dim, 4 * 4 * first)
    assert ("ConditionalBatchNorm_0" in params) == config.conditional


@pytest.mark.parametrize(("size", "bases"), [(48, "3 or 6"), (96, "3 or 6"), (100, "")])
def test_own_images_of_another_size_are_answered_with_those_that_work(size, bases, icons):
    config = load("images")
    config.dataset.name, config.dataset.image_size = f"folder:{icons}", size
    with pytest.raises(UsageError, match=rf"image_size.*{size}x{size}.*8, 16, 32, 64, 128") as told:
        Program(config)
    assert "\n" not in str(told.value)
    assert ("to " + bases in str(told.value)) if bases else ("base to" not in str(told.value))


def test_own_images_by_class_are_scored_and_the_best_is_kept(icons, tmp_path):
    config = load("images.py:conditional")
    config.dataset.name, config.dataset.image_size = f"folder:{icons}", 8
    config.steps, config.batch_size, config.num_samples, config.eval_every = 4, 8, 4, 2
    config.eval.num_samples = 20
    narrow(config.generator)
    narrow(config.discriminator)
    train(config, str(tmp_path / "run"))
    rows = json_lines(tmp_path / "run" / "eval.jsonl")
    assert [row["step"] for row in rows] == [2, 4]
    assert all("pixels" in row["protocol"] and row["intra_fid"] > 0 for row in rows)
    best = min(rows, key=lambda row: row["fid"])["step"]
    assert [int(path.name) for path in (tmp_path / "run" / "best").glob(8 * "[0-9]")] == [best]


def test_the_budget_of_own_images_is_in_images():
    config = load("images")
    assert config.steps * config.batch_size == 400_000


def test_own_images_too_few_for_a_score_are_told_so_before_they_are_trained_on(icons, tmp_path):
    (tmp_path / "few").mkdir()
    for path in sorted(icons.glob("disc/*.png"))[:5]:
        shutil.copy(path, tmp_path / "few")
    config = load("images")
    config.dataset.name, config.dataset.image_size = f"folder:{tmp_path / 'few'}", 8
    config.steps, config.batch_size, config.num_samples = 2, 8, 4
    narrow(config.generator)
    narrow(config.discriminator)
    with pytest.raises(UsageError, match=r"eval_every=1250: 5 examples are too few.*eval_every=0"):
        train(config, str(tmp_path / "run"))
    assert not list((tmp_path / "run").glob("metrics.jsonl"))
    config.eval_every = 0
    train(config, str(tmp_path / "run"))
    assert [row["step"] for row in json_lines(tmp_path / "run" / "metrics.jsonl")] == [2]

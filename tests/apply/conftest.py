"""Two tiny runs to use: one of a DCGAN with an average, one of a conditional ResNet without."""

import jax
import jax.numpy as jnp
import pytest

from gan_jax.apply.trained import open_trained
from gan_jax.config import Ema, ResNetDiscriminator, ResNetGenerator, as_dict
from gan_jax.train import train
from gan_jax.workdir import own_config, write_json
from support import tiny_config


def trained_run(config, directory):
    config.eval.features = "pixels"
    config.eval.batch_size = 40
    train(config, str(directory))
    return directory


CLASSES = (
    "airplane", "T-shirt/top", "..", "pick-up truck", "caf\u00e9", "CON", "a|b", "red, blue", "red",
    "<script>alert(1)</script>", "\u65e5\u672c", "b\udce9\n",
)  # fmt: skip


def conditional_config():
    """A ResNet that is told of classes, at the least width."""
    config = tiny_config(
        conditional=True, ema=Ema(), steps=2, loss="hinge",
        generator=ResNetGenerator(channels=(4, 4), spectral_norm=True),
        discriminator=ResNetDiscriminator(channels=(4,), down=1, spectral_norm=True),
    )  # fmt: skip
    config.eval.features = "pixels"
    config.eval.batch_size = 40
    return config


def untrained_run(directory, classes=CLASSES):
    """A run that has not begun: of its checkpoints there is number 0, and its data are gone."""
    config = conditional_config()
    config.dataset.name, config.dataset.image_size = f"folder:{directory}/gone", 8
    directory.mkdir()
    write_json(directory / "config.json", as_dict(config))
    sample = {"shape": [8, 8, 1], "num_classes": len(classes), "classes": list(classes)}
    write_json(directory / "manifest.json", {"sample": sample})
    return directory


def on_devices(trained):
    """With arrays of JAX's, for a test that applies networks outside of a compiled function."""
    return trained._replace(generator=jax.tree.map(jnp.asarray, trained.generator))


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The directory of a run that is not conditional, with checkpoints of steps 2, 4 and 6."""
    return trained_run(tiny_config(), tmp_path_factory.mktemp("apply") / "run")


@pytest.fixture(scope="session")
def conditional_run(tmp_path_factory):
    """The directory of a run that knows ten classes."""
    return trained_run(conditional_config(), tmp_path_factory.mktemp("apply") / "conditional")


@pytest.fixture(scope="session")
def named_run(tmp_path_factory):
    """The directory of an untrained run whose twelve classes have odd names."""
    return untrained_run(tmp_path_factory.mktemp("apply") / "named")


@pytest.fixture(scope="session")
def trained(run):
    return on_devices(open_trained(own_config(run), run))


@pytest.fixture(scope="session")
def conditional(conditional_run):
    return on_devices(open_trained(own_config(conditional_run), conditional_run))

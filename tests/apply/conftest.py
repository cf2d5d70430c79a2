"""Two tiny runs to use: one of a DCGAN with an average, one of a conditional ResNet without."""

import jax
import jax.numpy as jnp
import pytest

from gan_jax.apply.trained import open_trained
from gan_jax.train import train
from gan_jax.workdir import own_config
from support import CLASSES, conditional_config, tiny_config, untrained_run


def trained_run(config, directory):
    config.eval.features = "pixels"
    config.eval.batch_size = 40
    train(config, str(directory))
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
    return untrained_run(tmp_path_factory.mktemp("apply") / "named", CLASSES)


@pytest.fixture(scope="session")
def trained(run):
    return on_devices(open_trained(own_config(run), run))


@pytest.fixture(scope="session")
def conditional(conditional_run):
    return on_devices(open_trained(own_config(conditional_run), conditional_run))

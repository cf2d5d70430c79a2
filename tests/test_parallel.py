"""One device or several: the same run. Real processes, fake devices, and two ways to map."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from gan_jax import checkpoint, parallel, prng
from gan_jax.config import Optimizer
from gan_jax.data import order
from gan_jax.data.feed import Plan, open_feed
from gan_jax.data.sources import open_source
from gan_jax.errors import UsageError
from gan_jax.preview import make_painter
from gan_jax.state import build_models, init_state
from gan_jax.step import make_call, make_train_step
from support import TINY_FLAGS, json_lines, tiny_config

SGD = Optimizer(name="sgd", learning_rate=0.05)


def restored(workdir, step):
    options = ocp.CheckpointManagerOptions(step_format_fixed_length=8)
    with ocp.CheckpointManager(workdir / "checkpoints", options=options) as manager:
        items = ocp.args.Composite(state=ocp.args.StandardRestore())
        return manager.restore(step, args=items)["state"]


@pytest.fixture(scope="module")
def ten_steps(launch, tmp_path_factory):
    """The run directory of ten SGD steps on 1, 2 and 4 devices, BatchNorm and all."""
    folder = tmp_path_factory.mktemp("devices")
    for devices in (1, 2, 4):
        ended = launch(
            *TINY_FLAGS, f"--workdir={folder / str(devices)}", "--config.steps=10",
            "--config.d_steps=2", "--config.log_every=1",
            "--config.generator.optimizer.name=sgd",
            "--config.generator.optimizer.learning_rate=0.05",
            "--config.discriminator.optimizer.name=sgd",
            "--config.discriminator.optimizer.learning_rate=0.05",
            devices=devices,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert f"{devices} x cpu" in ended.stderr
    return folder


@pytest.mark.parametrize("devices", [2, 4])
def test_parameters_agree_whatever_the_number_of_devices(ten_steps, devices):
    one, several = (restored(ten_steps / str(n), 10) for n in (1, devices))
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(several), strict=True
    ):
        name = jax.tree_util.keystr(path)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("devices", [2, 4])
def test_metrics_agree_whatever_the_number_of_devices(ten_steps, devices):
    one, several = (json_lines(ten_steps / str(n) / "metrics.jsonl") for n in (1, devices))
    for a, b in zip(one, several, strict=True):
        for name in set(a) - {"seconds", "images_per_second"}:
            assert a[name] == pytest.approx(b[name], abs=2e-5), name


def test_a_run_goes_on_with_another_number_of_devices(launch, ten_steps, tmp_path):
    shutil.copytree(ten_steps / "4", tmp_path / "run")
    arguments = (
        *TINY_FLAGS, f"--workdir={tmp_path / 'run'}", "--config.steps=12", "--config.d_steps=2",
        "--config.generator.optimizer.name=sgd", "--config.generator.optimizer.learning_rate=0.05",
        "--config.discriminator.optimizer.name=sgd",
        "--config.discriminator.optimizer.learning_rate=0.05",
    )  # fmt: skip
    ended = launch(*arguments, devices=2)
    assert ended.returncode == 0, ended.stderr
    assert "continues at step 10" in ended.stderr
    straight = launch(*arguments, f"--workdir={tmp_path / 'straight'}")
    assert straight.returncode == 0, straight.stderr
    one, several = (restored(tmp_path / name, 12) for name in ("straight", "run"))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(several), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


def test_latents_are_exactly_those_of_one_device():
    def ids(per_device):
        mapped = jax.vmap(
            lambda _: parallel.example_ids(per_device, "devices"), axis_name="devices"
        )
        return np.asarray(mapped(np.arange(8 // per_device))).ravel()

    for per_device in (1, 2, 4, 8):
        assert ids(per_device).tolist() == list(range(8))


def test_data_are_exactly_those_of_one_device_and_one_process():
    size, batch, k = 50, 24, 2

    def global_batches(step, processes, devices):
        rows = batch // processes
        shares = [
            Plan(size, batch, (p * rows, (p + 1) * rows), devices, k).at(3, step)
            for p in range(processes)
        ]
        return np.concatenate(shares).swapaxes(0, 1).reshape(k, batch)

    for step in range(4):
        expected = order.examples(3, size, step * k * batch, (step + 1) * k * batch)
        for processes, devices in ((1, 1), (1, 4), (2, 2), (4, 1), (3, 2)):
            assert np.array_equal(global_batches(step, processes, devices).ravel(), expected)


def test_shard_map_and_pmap_are_bitwise_equal():
    config = tiny_config(d_steps=2)
    networks = build_models(config, (8, 8, 1), parallel.AXIS)
    key = prng.root(0)
    step = make_train_step(config, networks, parallel.AXIS)

    def local(state, key, constant, item):
        return step(state, key, item)

    pixels = np.random.default_rng(0).integers(0, 256, (4, 2, 4, 8, 8, 1), dtype=np.uint8)
    batch = {"image": pixels, "label": np.zeros(pixels.shape[:3], np.int32)}
    ends = []
    for mapping in (parallel.parallelize, parallel.parallelize_by_shard_map):
        state = parallel.replicate(init_state(config, networks, (8, 8, 1), key))
        mapped = mapping(local)
        for _ in range(3):
            state, metrics = mapped(state, parallel.replicate(key), (), parallel.shard(batch))
        ends.append(jax.device_get((state, metrics)))
    assert jax.tree.all(jax.tree.map(np.array_equal, *ends))


def test_a_batch_that_devices_cannot_share_is_refused_with_the_numbers():
    parallel.check_batch_size(8)
    with pytest.raises(UsageError, match=r"batch_size=10: 4 devices.*8 or 12"):
        parallel.check_batch_size(10)
    with pytest.raises(UsageError, match=r"batch_size=3: 4 devices.*such as 4"):
        parallel.check_batch_size(3)


def test_the_loop_moves_nothing_between_host_and_devices_unasked():
    """Data, key and state lie on the devices; what a step is sent, the feed has put there."""
    config = tiny_config()
    source = open_source(config.dataset)
    step = make_train_step(config, build_models(config, source.shape, parallel.AXIS), parallel.AXIS)
    feed = open_feed(config, source)
    mapped = parallel.parallelize(make_call(step, feed.assemble))
    key = parallel.replicate(prng.root(0))
    models = build_models(config, source.shape, parallel.AXIS)
    look = make_painter(config, models, 0).look
    state = parallel.replicate(init_state(config, models, source.shape, prng.root(0)))
    items = feed.items(config.seed, 0)
    state, _ = mapped(state, key, feed.constant, next(items))
    looked, copied = look(state, key), checkpoint.copy(state)  # compiled: that moves constants
    with jax.transfer_guard("disallow"):
        for _ in range(3):
            state, metrics = mapped(state, key, feed.constant, next(items))
        looked, copied = look(state, key), checkpoint.copy(state)
        state, metrics = mapped(state, key, feed.constant, next(items))
        host = jax.device_get((looked, metrics))
        assert checkpoint.to_host(copied).step == 4
    assert np.isfinite(host[0]["samples"]).all()


@pytest.mark.parametrize("count", [1, 4, 7, 16])
def test_examples_are_spread_over_all_devices(count):
    """Each of the four is given a fourth, padded, and the padding does not come back."""
    share = parallel.map_examples(lambda scale, x: (scale * x, jnp.full(len(x), len(x))))
    doubled, shares = share(jnp.float32(2), np.arange(count, dtype=np.float32))
    np.testing.assert_array_equal(doubled, 2 * np.arange(count))
    np.testing.assert_array_equal(shares, np.full(count, -(-count // 4)))

import hashlib
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.feed import read_all
from gan_jax.data.tfds import Tfds
from gan_jax.errors import UsageError
from gan_jax.evaluate import cifar_resnet


def zeros():
    return {key: np.zeros(shape, np.float32) for key, shape in cifar_resnet.names().items()}


def saved(path, state):
    np.savez(path, **state)
    return path


def test_keys_and_parameters_are_those_of_the_original():
    names = cifar_resnet.names()
    parameters = [key for key in names if "running" not in key]
    assert sum(int(np.prod(names[key])) for key in parameters) == 269_722
    assert names["layer3.0.conv1.weight"] == (64, 32, 3, 3)
    assert not any("shortcut" in key or "downsample" in key for key in names)


def test_shortcut_drops_pixels_and_pads_channels_on_both_sides():
    x = jnp.arange(32, dtype=jnp.float32).reshape(1, 4, 4, 2)
    y = cifar_resnet.shortcut(x, 4, 2)
    assert y[0, :, :, 1].tolist() == [[0, 4], [16, 20]]
    assert y[0, :, :, 2].tolist() == [[1, 5], [17, 21]]
    assert not y[..., 0].any()
    assert not y[..., 3].any()
    assert cifar_resnet.shortcut(x, 2, 1).tolist() == x.tolist()


def test_a_block_by_hand():
    """Both kernels pass the center on, times 2 and times -1/2: relu(x - relu(2 x) / 2)."""

    def kernel(center):
        return jnp.zeros((3, 3, 1, 1)).at[1, 1, 0, 0].set(center)

    norm = {"scale": jnp.ones(1), "bias": jnp.zeros(1)}
    stats = {"mean": jnp.zeros(1), "var": jnp.full(1, 1 - 1e-5)}
    variables = {
        "params": {
            "conv1": {"kernel": kernel(2.0)}, "bn1": norm,
            "conv2": {"kernel": kernel(-0.25)}, "bn2": norm,
        },
        "batch_stats": {"bn1": stats, "bn2": stats},
    }  # fmt: skip
    x = jnp.array([[1.0, 2], [-3, 4]])[None, :, :, None]
    y = cifar_resnet.Block(1, 1).apply(variables, x)
    np.testing.assert_allclose(y[0, :, :, 0], [[0.5, 1], [0, 2]], rtol=1e-6)


def test_a_file_is_loaded_and_named_by_its_hash(tmp_path):
    path = saved(tmp_path / "weights.npz", zeros() | {"linear.bias": np.arange(10, dtype="f")})
    variables, sha256 = cifar_resnet.load(path)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert variables["params"]["linear"]["bias"].tolist() == list(range(10))
    outputs = jax.eval_shape(
        cifar_resnet.ResNet20().apply, variables, jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.uint8)
    )
    assert (outputs.features.shape, outputs.logits.shape) == ((2, 64), (2, 10))


def test_other_files_are_refused(tmp_path):
    pickled = tmp_path / "weights.pkl"
    pickled.write_bytes(pickle.dumps(zeros()))
    with pytest.raises(UsageError, match=r"not an .npz file"):
        cifar_resnet.load(pickled)
    single = tmp_path / "weights.npy"
    np.save(single, np.zeros(3))
    with pytest.raises(UsageError, match=r"not an .npz file"):
        cifar_resnet.load(single)
    with pytest.raises(UsageError, match="cannot be read"):
        cifar_resnet.load(tmp_path / "absent.npz")


def test_other_contents_are_refused(tmp_path):
    def refused(state, why):
        path = saved(tmp_path / "weights.npz", state)
        with pytest.raises(UsageError, match=f"not CIFAR-10's ResNet-20: {why}"):
            cifar_resnet.load(path)

    refused(zeros() | {"linear.bias": np.zeros(100, np.float32)}, r"linear.bias is float32\[100\]")
    refused(zeros() | {"more": np.zeros(1)}, "more is none of")
    refused({"conv1.weight": np.zeros((16, 3, 3, 3), np.float32)}, "bn1.bias is missing")
    refused({"conv1.weight": np.array([{}])}, "Object arrays cannot be loaded")
    path = saved(tmp_path / "weights.npz", zeros())
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    with pytest.raises(UsageError, match="not CIFAR-10's ResNet-20: Bad CRC-32"):
        cifar_resnet.load(path)


def test_accuracy_on_the_real_test_images(real_data):
    variables, _ = cifar_resnet.load(real_data / "weights" / "cifar10-resnet20.npz")
    test = read_all(Tfds("cifar10:3.0.2", "test", str(real_data / "tfds"), 0, 0))
    classify = jax.jit(lambda images: cifar_resnet.ResNet20().apply(variables, images).logits)
    logits = np.concatenate([classify(images) for images in np.split(test["image"], 20)])
    assert logits.shape == (10_000, 10)
    assert (logits.argmax(axis=1) == test["label"]).mean() == pytest.approx(0.9173, abs=5e-5)

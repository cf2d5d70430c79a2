"""The FID Inception without its weights; `inception_torch.py` compares it with PyTorch's sums."""

import hashlib
import math
import pathlib
import pickle
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from gan_jax.errors import UsageError
from gan_jax.evaluate import convert, inception

RUNNING = ("running_mean", "running_var")


def zeros():
    return {key: np.zeros(shape, np.float32) for key, shape in inception.names().items()}


@pytest.fixture(scope="module")
def weights():
    """A number of its own in every place of every array."""
    numbers = np.random.default_rng(0)
    return {
        key: numbers.standard_normal(shape, np.float32) for key, shape in inception.names().items()
    }


@pytest.fixture
def torch(monkeypatch):
    """PyTorch as the converter sees it: what it reads `np.save` has pickled."""

    class Tensor:
        def __init__(self, array):
            self.array = array

        def numpy(self):
            return self.array

    def load(path, map_location, weights_only):
        assert (map_location, weights_only) == ("cpu", True)
        state = np.load(path, allow_pickle=True).item()
        return {key: Tensor(array) for key, array in state.items()}

    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(load=load))


def saved(path, state):
    with path.open("wb") as file:
        np.save(file, state, allow_pickle=True)
    return path


def test_keys_and_shapes_are_those_of_the_published_weights():
    names = inception.names()
    text = "\n".join(sorted(f"{key} {list(shape)}" for key, shape in names.items()))
    assert len(names) == 472
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "bd04e829988dd22dd0bbf9e499a87af311ed57c1b4309a9d20a907d8ed4123d4"
    )


def test_parameters_are_as_many_as_in_the_published_weights():
    sizes = {key: math.prod(shape) for key, shape in inception.names().items()}
    running = sum(size for key, size in sizes.items() if key.endswith(RUNNING))
    assert sum(key.endswith("conv.weight") for key in sizes) == 94
    assert sum(sizes.values()) == 23_885_392
    assert running == 34_432
    assert sum(sizes.values()) - running == 23_850_960
    assert sizes["fc.weight"] + sizes["fc.bias"] == 2_065_392


def test_outputs_have_the_shapes_of_features_and_logits():
    images = jax.ShapeDtypeStruct((2, 299, 299, 3), jnp.float32)
    outputs = jax.eval_shape(
        lambda images: inception.Inception().init_with_output(jax.random.key(0), images)[0], images
    )
    assert [output.shape for output in outputs] == [(2, 2048), (2, 1008), (2, 1008)]


def test_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\[299, 299, 3\], not \(2, 32, 32, 3\)"):
        inception.Inception().apply({}, jnp.zeros((2, 32, 32, 3)))


def test_weights_go_where_their_names_say(weights):
    variables = inception.from_state_dict(weights)
    block = variables["params"]["Mixed_6b"]["branch7x7_2"]
    key = "Mixed_6b.branch7x7_2"
    kernel = weights[f"{key}.conv.weight"]  # [out, in, row, column]
    assert block["conv"]["kernel"].shape == (1, 7, 128, 128)
    assert block["conv"]["kernel"][0, 5, 3, 2] == kernel[2, 3, 0, 5]
    stats = variables["batch_stats"]["Mixed_6b"]["branch7x7_2"]["bn"]
    for array, name in (
        (block["bn"]["scale"], "weight"), (block["bn"]["bias"], "bias"),
        (stats["mean"], "running_mean"), (stats["var"], "running_var"),
    ):  # fmt: skip
        np.testing.assert_array_equal(array, weights[f"{key}.bn.{name}"])
    head = variables["params"]["fc"]
    np.testing.assert_array_equal(head["kernel"], weights["fc.weight"].T)
    np.testing.assert_array_equal(head["bias"], weights["fc.bias"])


def test_the_first_wrong_key_or_shape_is_named():
    state = zeros()
    del state["Mixed_7c.branch_pool.bn.bias"], state["fc.weight"]
    with pytest.raises(ValueError, match=r"^Mixed_7c.branch_pool.bn.bias is missing, one of 472"):
        inception.from_state_dict(state)
    state = zeros() | {"AuxLogits.fc.bias": np.zeros(1000, np.float32)}
    with pytest.raises(ValueError, match=r"^AuxLogits.fc.bias is none of the 472 arrays"):
        inception.from_state_dict(state)
    state = zeros() | {"fc.bias": np.zeros(1000, np.float32)}
    with pytest.raises(ValueError, match=r"^fc.bias is float32\[1000\], not float32\[1008\]$"):
        inception.from_state_dict(state)
    state = zeros() | {"fc.bias": np.zeros(1008, np.float16)}
    with pytest.raises(ValueError, match=r"^fc.bias is float16\[1008\], not float32\[1008\]$"):
        inception.from_state_dict(state)


def test_pools_at_the_edges():
    x = jnp.arange(9, dtype=jnp.float32).reshape(1, 3, 3, 1)
    mean, largest = inception.mean_pool(x)[0, :, :, 0], inception.max_pool(x)[0, :, :, 0]
    np.testing.assert_allclose(mean, [[2, 2.5, 3], [3.5, 4, 4.5], [5, 5.5, 6]])
    np.testing.assert_array_equal(largest, [[4, 5, 5], [7, 8, 8], [7, 8, 8]])
    assert inception.max_pool(-x).max() == 0
    assert inception.mean_pool(x[:, :1])[0, 0].tolist() == [[0.5], [1], [1.5]]


def test_convolution_norm_and_relu_by_hand():
    layer = inception.ConvNorm(1, (1, 3))
    x = jnp.array([1.0, 2, 4])[None, None, :, None]
    variables = {
        "params": {
            "conv": {"kernel": jnp.array([1.0, 10, 100]).reshape(1, 3, 1, 1)},
            "bn": {"scale": jnp.array([2.0]), "bias": jnp.array([3.0])},
        },
        "batch_stats": {"bn": {"mean": jnp.array([200.0]), "var": jnp.array([4 - 1e-3])}},
    }
    # 210, 421 and 42 less 200, by a deviation of 2, times 2, plus 3
    np.testing.assert_allclose(layer.apply(variables, x)[0, 0, :, 0], [13, 224, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("block", "shape", "expected"),
    [
        (inception.MixedB(), (1, 5, 7, 4), (1, 2, 3, 484)),
        (inception.MixedE("max"), (1, 3, 2, 4), (1, 3, 2, 2048)),
    ],
)
def test_blocks_run(block, shape, expected):
    x = jax.random.normal(jax.random.key(0), shape)
    variables = jax.eval_shape(block.init, jax.random.key(0), x)
    variables = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 0.01), variables)
    y = block.apply(variables, x)
    assert y.shape == expected
    assert bool(jnp.isfinite(y).all())


@pytest.mark.parametrize(("pool", "expected"), [("mean", 2.0), ("max", 4.0)])
def test_the_last_two_blocks_differ_in_their_pool(pool, expected):
    """One input channel, whose corner is pooled, and a pool branch that lets it through."""
    block = inception.MixedE(pool)
    x = jnp.arange(9, dtype=jnp.float32).reshape(1, 3, 3, 1)
    variables = jax.eval_shape(block.init, jax.random.key(0), x)
    variables = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), variables)
    branch = variables["params"]["branch_pool"]
    variables["params"] = jax.tree.map(jnp.zeros_like, variables["params"]) | {
        "branch_pool": branch | {"bn": branch["bn"] | {"bias": jnp.ones(192)}}
    }
    y = block.apply(variables, x)
    passed = 1 + (expected - 1) / math.sqrt(1.001)
    np.testing.assert_allclose(y[0, 0, 0, -192:], np.full(192, passed), rtol=1e-6)
    assert not y[..., :-192].any()


def test_logits_with_and_without_bias():
    head = inception.Head(2)
    variables = {"params": {"kernel": jnp.eye(2), "bias": jnp.array([10.0, 20.0])}}
    logits, unbiased = head.apply(variables, jnp.array([[1.0, 2.0]]))
    assert (logits.tolist(), unbiased.tolist()) == ([[11, 22]], [[1, 2]])


def test_a_file_is_loaded_and_named_by_its_hash(tmp_path, weights):
    path = tmp_path / "inception.safetensors"
    safetensors.numpy.save_file(weights, path)
    variables, sha256 = inception.load(path)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    expected = inception.from_state_dict(weights)
    jax.tree.map(np.testing.assert_array_equal, variables, expected)


def test_pickles_and_other_files_are_refused(tmp_path):
    for name, data in {
        "weights.pth": pickle.dumps({"fc.bias": np.zeros(1008)}),
        "inception.pb": b"PK\x03\x04" + bytes(100),
        "empty.safetensors": b"",
        "text.safetensors": b"<html>not found</html>",
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError, match=f"{name}: not a safetensors file.*convert"):
            inception.load(tmp_path / name)
    with pytest.raises(UsageError, match="absent: cannot be read"):
        inception.load(tmp_path / "absent")
    other = tmp_path / "other.safetensors"
    safetensors.numpy.save_file({"fc.bias": np.zeros(1008, np.float32)}, other)
    with pytest.raises(UsageError, match=r"FID Inception: Conv2d_1a_3x3.bn.bias is missing"):
        inception.load(other)


def test_the_converter_writes_what_load_reads(tmp_path, weights, torch, capsys):
    counter = {"Conv2d_1a_3x3.bn.num_batches_tracked": np.zeros((), np.int64)}
    source = saved(tmp_path / "weights.pth", weights | counter)
    target = tmp_path / "inception.safetensors"
    assert convert.main([str(source), str(target)]) == 0
    variables, sha256 = inception.load(target)
    np.testing.assert_array_equal(variables["params"]["fc"]["kernel"], weights["fc.weight"].T)
    out = capsys.readouterr().out
    assert "NOT the published file" in out
    assert sha256 in out


def refusal(capsys, *arguments):
    """What the converter says on stderr, one line, when it ends with 2."""
    assert convert.main([str(argument) for argument in arguments]) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    return error


def test_the_converter_refuses_in_one_line(tmp_path, torch, capsys, monkeypatch):
    target = tmp_path / "inception.safetensors"
    torchvision = saved(tmp_path / "torchvision.pth", {"AuxLogits.fc.bias": np.zeros(1000)})
    text = tmp_path / "text.pth"
    text.write_text("not found")
    assert "usage: " in refusal(capsys, "only-one.pth")
    assert "not the FID Inception: Conv2d_1a_3x3.bn.bias" in refusal(capsys, torchvision, target)
    assert "no state dict of PyTorch" in refusal(capsys, text, target)
    assert "cannot be read" in refusal(capsys, tmp_path / "absent.pth", target)
    assert not target.exists()
    assert "exists already" in refusal(capsys, torchvision, text)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "pip install torch" in refusal(capsys, torchvision, target)


def test_the_converters_target_must_be_writable(tmp_path, torch, capsys):
    source = saved(tmp_path / "weights.pth", zeros())
    target = pathlib.Path(tmp_path / "nowhere" / "inception.safetensors")
    assert "cannot be written" in refusal(capsys, source, target)

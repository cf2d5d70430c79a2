"""A generator on its own: in this process, and in one that has nothing but JAX and NumPy."""

import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
import safetensors.numpy
from flax import traverse_util
from jax import export as jax_export
from PIL import Image

from gan_jax import workdir
from gan_jax.apply import card
from gan_jax.apply.export import PLATFORMS, export, to_program
from gan_jax.apply.options import Options
from gan_jax.apply.sampler import Sampler
from gan_jax.apply.trained import open_trained
from gan_jax.config import Dataset, ResNetDiscriminator, ResNetGenerator, as_dict, from_dict
from gan_jax.errors import UsageError
from support import ROOT, TINY_FLAGS, json_lines, tiny_config, tiny_mlp_config

# What JAX itself needs, and flatbuffers, which jax.export reads its files with.
NEEDED = ("jax", "jaxlib", "numpy", "ml_dtypes", "opt_einsum", "scipy", "flatbuffers")
CHILD = """
import importlib.util, sys
import numpy as np
for name in ("flax", "gan_jax", "orbax", "optax", "safetensors", "PIL"):
    assert importlib.util.find_spec(name) is None, name
exec(sys.argv[1])  # the model card's own lines
np.savez(sys.argv[2], z=z, samples=samples)
"""


@pytest.fixture(scope="module")
def run(launch, tmp_path_factory):
    """A run of 40 steps, fast ones so that its images have contrast, scored at 40, not at 20."""
    directory = tmp_path_factory.mktemp("runs") / "run"
    ended = launch(
        *TINY_FLAGS, "--config.steps=40", "--config.checkpoint_every=20", "--config.eval_every=40",
        "--config.generator.optimizer.learning_rate=.02", "--config.ema.decay=.5",
        "--config.eval.num_samples=100", "--config.eval.features=pixels",
        "--config.eval.kept=100", f"--workdir={directory}",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return directory


@pytest.fixture(scope="module")
def exported(run, launch):
    """What the command line makes of the run, and says."""
    ended = launch("--mode=export", f"--workdir={run}")
    assert ended.returncode == 0, ended.stderr
    return run / "export", ended.stdout


def untrained(folder, config):
    """A directory that holds the config of a run, and no more."""
    workdir.write_json(folder / "config.json", as_dict(config))
    return open_trained(config, folder, "0")


def program(blob):
    return jax_export.deserialize(bytearray(blob))


def snippet(text):
    (lines,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return lines


def close(ours, theirs, levels=1):
    """Other shapes of a batch may have other sums, which round a pixel to its neighbor."""
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= levels


def test_an_export_is_five_files_and_says_how_large(exported):
    folder, said = exported
    names = ["README.md", "config.json", "generator.jax", "generator.safetensors", "samples.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    for name in names:
        size = f"{(folder / name).stat().st_size:,}"
        assert re.search(rf"{name} +{size} bytes", said)
    assert json.loads((folder / "config.json").read_text()) == json.loads(
        (folder.parent / "config.json").read_text()
    )
    with Image.open(folder / "samples.png") as picture:
        assert picture.size == (8 * (6 * 8 + 1), 8 * (6 * 8 + 1))


@pytest.mark.parametrize("count", [1, 3])
def test_the_program_makes_the_samplers_images(run, exported, count):
    trained = open_trained(workdir.own_config(run), run)
    made = Sampler(trained, 5, [0]).some(count)
    generator = program((exported[0] / "generator.jax").read_bytes())
    assert generator.platforms == PLATFORMS
    assert len(np.unique(made.image)) > 30
    close(np.asarray(generator.call(made.z)), made.image)


def test_it_runs_where_there_is_nothing_but_jax_and_numpy(exported, tmp_path):
    """By the lines of the model card, in a process without site-packages."""
    folder, _ = exported
    (tmp_path / "packages").mkdir()
    for name in NEEDED:
        (place,) = importlib.util.find_spec(name).submodule_search_locations
        for path in (pathlib.Path(place), pathlib.Path(f"{place}.libs")):
            if path.exists():  # shared libraries lie beside the wheels of NumPy and SciPy
                (tmp_path / "packages" / path.name).symlink_to(path)
    bare = f"import sys; sys.path.append({str(tmp_path / 'packages')!r})\n" + CHILD
    lines = snippet((folder / "README.md").read_text())
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", bare, lines, tmp_path / "made.npz"],
        cwd=folder, env={"PATH": os.environ["PATH"], "JAX_PLATFORMS": "cpu"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    with np.load(tmp_path / "made.npz") as made:
        z, samples = made["z"], made["samples"]
    assert samples.shape == (16, 8, 8, 1)
    assert len(np.unique(samples)) > 100
    close(samples, np.asarray(program((folder / "generator.jax").read_bytes()).call(z)))


def test_the_weights_are_those_of_the_checkpoint(run, exported):
    path = exported[0] / "generator.safetensors"
    with safetensors.safe_open(path, "numpy") as file:
        about = file.metadata()
    trained = open_trained(workdir.own_config(run), run)
    expected = traverse_util.flatten_dict(trained.generator, sep="/")
    arrays = safetensors.numpy.load_file(path)
    assert arrays.keys() == expected.keys()
    assert {name.partition("/")[0] for name in arrays} == {"params", "batch_stats"}
    for name, array in expected.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(arrays[name], array)
    digest = json_lines(run / "digests.jsonl")[-1]
    assert about == {
        "format": "gan_jax generator 1", "step": "40", "params": "ema",
        "sha256.params": digest["ema.params"], "sha256.model_state": digest["ema.model_state"],
    }  # fmt: skip


def test_the_card_says_what_was_scored_and_how(run, exported):
    text = (exported[0] / "README.md").read_text()
    (row,) = json_lines(run / "eval.jsonl")
    assert row["protocol"] in text
    assert re.search(rf"fid +{row['fid']:.5g}\n", text)
    manifest = json.loads((run / "manifest.json").read_text())
    for expected in (
        "license: unknown", "CC BY 4.0", "1,797", manifest["data"]["sha256"], "40 of 40",
        f"jax {jax.__version__}", json_lines(run / "digests.jsonl")[-1]["sha256"],
    ):  # fmt: skip
        assert expected in text, expected
    assert len(snippet(text).splitlines()) == 6


@pytest.mark.parametrize(
    ("which", "params", "says"),
    [
        ("20", "", "None: nothing was scored at step 20."),
        ("40", "live", "None: evaluations score the run's moving average"),
    ],
)
def test_the_card_says_so_where_nothing_was_scored(run, tmp_path, which, params, says):
    out = tmp_path / "out"
    export(workdir.own_config(run), run, which, Options(out=str(out), params=params))
    text = (out / "README.md").read_text()
    assert says in text
    assert "fid" not in text


def test_a_run_is_exported_again_over_the_last_export(run, tmp_path):
    out = tmp_path / "a" / "b"
    for which in ("20", "40"):
        export(workdir.own_config(run), run, which, Options(out=str(out)))
    assert "after 40 steps" in (out / "README.md").read_text()
    assert not list(out.glob("*.draft"))


def test_of_classes_the_program_takes_a_label(tmp_path):
    config = tiny_config(
        conditional=True,
        loss="hinge",
        generator=ResNetGenerator(channels=(8, 8), spectral_norm=True, attention=8),
        discriminator=ResNetDiscriminator(channels=(8, 8), down=1),
    )
    trained = untrained(tmp_path, config)
    for scale in trained.generator["params"]["ConditionalBatchNorm_0"].values():
        scale["embedding"] = 30 * scale["embedding"]  # so that classes can be told apart
    made = Sampler(trained, 1, [3, 0, 9]).some(3)
    generator = program(to_program(trained))
    close(np.asarray(generator.call(made.z, made.label)), made.image)
    others = np.asarray(generator.call(made.z, np.array([4, 1, 8], np.int32)))
    assert (others != made.image).any(axis=(1, 2, 3)).all()
    text = card.write(trained, PLATFORMS)
    assert "a class, 0 to 9," in text
    assert "unconditional" not in text
    assert len(snippet(text).splitlines()) == 7


def test_points_are_made_as_they_are(tmp_path):
    config = tiny_mlp_config()
    made = Sampler(untrained(tmp_path, config), 1, [0]).some(3)
    export(config, tmp_path, "0", Options())
    out = tmp_path / "export"
    points = np.asarray(program((out / "generator.jax").read_bytes()).call(made.z))
    np.testing.assert_allclose(points, made.image, rtol=1e-5, atol=1e-6)
    assert not (out / "samples.png").exists()
    text = (out / "README.md").read_text()
    assert "samples.png" not in text
    assert "points of 2 coordinates" in text


def test_licenses_are_named_where_they_are_known_and_left_to_the_user_elsewhere():
    assert "CC BY-SA 3.0" in card.license_of("tfds:mnist:3.0.1")
    assert "non-commercial" in card.license_of("tfds:imagenet_resized/32x32")
    assert "knows nothing" in card.license_of("tfds:mnist_corrupted")
    assert "whoever trained" in card.license_of("folder:/photos/mnist")


def test_an_export_tells_no_paths(tmp_path):
    config = tiny_mlp_config()
    untrained(tmp_path, config)
    sample = {"sample": {"shape": [2], "num_classes": 0}}
    workdir.write_json(tmp_path / "manifest.json", sample)
    config.dataset = Dataset(name="folder:/home/alice/faces.zip", data_dir="/home/alice/data")
    export(config, tmp_path, "0", Options())
    out = tmp_path / "export"
    assert "folder:faces.zip" in (out / "README.md").read_text()
    assert from_dict(json.loads((out / "config.json").read_text())).generator == config.generator
    for path in out.iterdir():
        for place in ("alice", str(ROOT), "site-packages"):
            assert place.encode() not in path.read_bytes(), path


def test_nothing_else_is_written_over(run, tmp_path):
    (tmp_path / "file").write_text("mine")
    other = shutil.copytree(run, tmp_path / "other")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "README.md").write_text("mine")
    places = {"file": "is a file", "other": "this mode has not written", "notes": "holds README.md"}
    for out, says in places.items():
        with pytest.raises(UsageError, match=says):
            export(workdir.own_config(run), run, "latest", Options(out=str(tmp_path / out)))
    assert (tmp_path / "file").read_text() == "mine"
    assert (tmp_path / "notes" / "README.md").read_text() == "mine"
    assert not (other / "README.md").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--checkpoint=3",), "--checkpoint=3: takes .*saved: 20, 40"),
        (("--params=emma",), "--params='emma': takes ema | live"),
        (("--seed=3",), "--seed: of no use to --mode=export"),
        (("--out=launch.py",), "--out=launch.py: launch.py is a file"),
        (("--workdir=experiments",), "holds no run"),
    ],
)
def test_a_mistake_is_one_line(launch, run, arguments, says):
    ended = launch("--mode=export", f"--workdir={run}", *arguments)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert re.search(says, ended.stderr)


def test_a_run_without_an_average_has_none_to_export(tmp_path):
    config = tiny_mlp_config()
    config.ema.decay = 0.0
    untrained(tmp_path, config)
    with pytest.raises(UsageError, match=r"--params=ema: .* keeps no average"):
        export(config, tmp_path, "0", Options(params="ema"))

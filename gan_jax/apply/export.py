"""--mode=export: G alone, as a program that only JAX is needed to run, its weights and a card."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import safetensors.numpy
from flax import traverse_util
from jax import export as jax_export
from jax import lax
from jaxtyping import Array, Float, Int, PyTree

from gan_jax import reproduce, workdir
from gan_jax.apply import card, output
from gan_jax.apply.options import Options, target
from gan_jax.apply.sampler import Sampler, to_bytes
from gan_jax.apply.trained import Trained, make_generate, open_trained
from gan_jax.config import Config, as_saved
from gan_jax.models import convolution
from gan_jax.report import pictures

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
FORMAT = "gan_jax generator 1"
FILES = (
    "README.md", "classes.json", "config.json", "generator.jax", "generator.safetensors",
    "samples.png",
)  # fmt: skip
_SAMPLES = 64


def export(config: Config, directory: pathlib.Path, which: str, options: Options) -> None:
    """Writes G of a run as a directory to hand on, and prints what it holds.

    `generator.jax` is the program with its weights (`to_program`), `generator.safetensors` the
    weights alone (`to_weights`), `config.json` the run's but for where its data lie, `samples.png`
    64 images where the run makes images, `classes.json` the names of the classes where there are
    any, and `README.md` the model card. An export that is there is replaced file by file.

    Args:
      config: the run's.
      directory: the run's.
      which: latest | best | a step that is saved, or 0: before training.
      options: reads `out`: the directory to write; and `params`.

    Raises:
      UsageError: if there is no such checkpoint, or `out` is no place for an export.
      Unwritable: if the system refuses to write.
    """
    folder = target(options, directory, "export")
    trained = open_trained(config, directory, which, options.params)
    output.claim_folder(folder, "generator.jax")
    _replace(folder / "generator.jax", to_program(trained))
    _replace(folder / "generator.safetensors", to_weights(trained))
    workdir.write_json(folder / "config.json", _public(config))
    for name in (
        "classes.json",
        "samples.png",
    ):  # of an earlier export, which may be of another run
        with workdir.writing(folder / name):
            (folder / name).unlink(missing_ok=True)
    if trained.classes:
        workdir.write_json(folder / "classes.json", {"classes": trained.classes})
    if len(trained.shape) == 3:
        made = Sampler(trained, 0, list(range(max(trained.num_classes, 1)))).some(_SAMPLES)
        pictures.save(pictures.tile(made.image), folder / "samples.png")
    workdir.write_text(folder / "README.md", card.write(trained, PLATFORMS))
    output.tell(f"{folder}: G after {trained.step} steps, {trained.params} weights")
    for path in filter(pathlib.Path.exists, (folder / name for name in FILES)):
        output.tell(f"  {path.name:<22} {path.stat().st_size:>12,} bytes")


def to_program(trained: Trained) -> bytes:
    """G as a serialized `jax.export.Exported`, its variables inside.

    It is a function of z, float32 [b, dim], and, where G is told of classes, of label, int32 [b],
    for any b; it returns uint8 images [b, height, width, channels], or points float32 [b, dim]. It
    runs on `PLATFORMS`: each gets the convolutions that it does best.

    Args:
      trained: the run.
    """
    generate = make_generate(trained)

    def traced_for(platform: str) -> Callable[[PyTree, Array, Array], Array]:
        def make(variables: PyTree, z: Array, label: Array) -> Array:
            with convolution.traced_for(platform):
                return to_bytes(generate(variables, z, label))

        return make

    def generator(z: Float[Array, "b dim"], label: Int[Array, "b"]) -> Array:
        # XLA would compute ahead what it can of constants, and takes minutes for Winograd's.
        variables = lax.optimization_barrier(trained.generator)
        return lax.platform_dependent(
            variables, z, label, cpu=traced_for("cpu"), default=traced_for("cuda")
        )

    def without_label(z: Float[Array, "b dim"]) -> Array:
        return generator(z, jax.numpy.zeros(z.shape[0], np.int32))

    (b,) = jax_export.symbolic_shape("b")
    z = jax.ShapeDtypeStruct((b, trained.config.latent.dim), np.float32)
    label = jax.ShapeDtypeStruct((b,), np.int32)
    program, inputs = (generator, (z, label)) if trained.num_classes else (without_label, (z,))
    with _without_paths():
        return bytes(jax_export.export(jax.jit(program), platforms=PLATFORMS)(*inputs).serialize())


def to_weights(trained: Trained) -> bytes:
    """G's variables as a safetensors file.

    An array's name is its path, with "/" between: "params/..." or "batch_stats/...". The file's
    metadata hold `FORMAT`, the step, ema | live, and the SHA-256 of the parameters and of the rest
    that the run's digests.jsonl has of them.

    Args:
      trained: the run.
    """
    statistics = dict(trained.generator)
    parameters = statistics.pop("params")
    flat = traverse_util.flatten_dict(trained.generator, sep="/")
    metadata = {
        "format": FORMAT,
        "step": str(trained.step),
        "params": trained.params,
        "sha256.params": reproduce.hash_tree(parameters),
        "sha256.model_state": reproduce.hash_tree(statistics),
    }
    return safetensors.numpy.save({name: np.asarray(leaf) for name, leaf in flat.items()}, metadata)


@contextlib.contextmanager
def _without_paths() -> Iterator[None]:
    """Within it, programs do not tell by which files, of whose, their lines were traced."""
    name = "jax_traceback_in_locations_limit"
    usual = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, usual)


def _public(config: Config) -> dict[str, Any]:
    """The config without paths of this machine."""
    values = as_saved(config)
    values["dataset"] |= {"name": card.data_name(config), "data_dir": ""}
    values["eval"]["weights"] = pathlib.PurePath(config.eval.weights).name
    return values


def _replace(path: pathlib.Path, data: bytes) -> None:
    with workdir.replacing(path, path.with_name(path.name + ".draft")) as draft:
        draft.write_bytes(data)

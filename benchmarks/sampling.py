"""What --mode=sample adds to its generator.

  python -m benchmarks.sampling [--config=experiments/cifar10_dcgan.py] [--count=10000] [--rounds=5]

In one process and in turn: G alone, compiled, on latents that are drawn already, its samples taken
to host memory as they come; and all of the mode: latents drawn, G, bytes, and files, as an .npz and
as PNGs. Everything is compiled before; the same batches on both sides. G is as it is born, for
32x32 color images of ten classes, whatever the config's data are.
"""

import argparse
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import command, prng, startup
from gan_jax.apply import sample
from gan_jax.apply.sampler import Sampler
from gan_jax.apply.trained import Trained
from gan_jax.config import Config
from gan_jax.state import build_models, init_state

_SHAPE, _CLASSES = (32, 32, 3), 10


def born(config: Config) -> Trained:
    """A run at its step 0."""
    models = build_models(config, _SHAPE, None, _CLASSES)
    state = jax.jit(lambda key: init_state(config, models, _SHAPE, key))(prng.root(0))
    g, d = state.generator, state.discriminator
    classes = tuple(map(str, range(_CLASSES))) if config.conditional else ()
    return Trained(
        config, pathlib.Path(), 0, _SHAPE, len(classes), classes, models,
        {"params": g.params, **g.model_state}, {"params": d.params, **d.model_state}, "live",
    )  # fmt: skip


def bare(trained: Trained, count: int) -> Callable[[], None]:
    """Runs G over as many latents, a batch under way while one is fetched."""
    size = trained.config.eval.batch_size
    g, label = trained.models.generator, jnp.zeros(size, jnp.int32)
    z = jax.random.normal(prng.root(1), (size, trained.config.latent.dim))
    apply = jax.jit(lambda variables, z: g.apply(variables, z, label, train=False))

    def run() -> None:
        last = None
        for _ in range(0, count, size):
            made = apply(trained.generator, z)
            if last is not None:
                np.asarray(last)
            last = made
        np.asarray(last)

    return run


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="experiments/cifar10_dcgan.py")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    config = command.load(arguments.config)
    startup.prepare(config)
    trained = born(config)
    sampler = Sampler(trained, 0, list(range(max(trained.num_classes, 1))))

    def write(suffix: str) -> Callable[[], None]:
        def run() -> None:
            with tempfile.TemporaryDirectory() as folder:
                target = pathlib.Path(folder) / f"samples{suffix}"
                sample.write(sampler, arguments.count, target)

        return run

    sides = {
        "G alone": bare(trained, arguments.count),
        ".npz": write(".npz"),
        "PNGs": write(""),
    }
    for run in sides.values():
        run()
    seconds = {name: [] for name in sides}
    for _ in range(arguments.rounds):
        for name, run in sides.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    for name, found in seconds.items():
        ratios = [mine / alone for mine, alone in zip(found, seconds["G alone"], strict=True)]
        print(
            f"{name}: {statistics.median(found):.2f} s, "
            f"{statistics.median(ratios):.3f} of G alone ({min(ratios):.3f}-{max(ratios):.3f})"
        )


if __name__ == "__main__":
    main()

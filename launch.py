"""Trains a GAN from one config file, or continues where it stopped.

  python launch.py --config=experiments/digits_dcgan.py [--workdir=DIR] [--config.FIELD=VALUE ...]
  python launch.py --config=experiments/ring_2d.py:packing          a variant that the file offers

Modes (--mode):
  train     trains, or continues the run that --workdir holds (default: runs/EXPERIMENT[-VARIANT])
  check     reads all the data of the experiment before anything is trained: counts, classes, sizes,
            damaged and left-out files, copies; and draws a sheet of them, samples/real.png
  evaluate  scores a checkpoint of the run that --workdir holds: --checkpoint=latest | best | all |
            STEP, or what bounds it: real (a part of the data against the rest) | noise; or the
            images of --images=DIR against the data, class folders matched by name, --fit to make
            others fit. Adds to eval.jsonl
  verify    makes the run that --workdir holds again, from its seed or from the checkpoint of
            --from=STEP, and compares it with its record bit for bit, or within --tolerance=X where
            the hardware is another. Writes nothing there
  sweep     works on the experiment's get_sweep(), in sweeps/EXPERIMENT or --workdir; any number of
            such processes may, with one --storage (a database's URL; default: a file there) and
            one --study. --population=N runs train side by side; --trials=N in place of its own
  prepare   downloads and prepares the experiment's TFDS data set, once
  page      writes index.html of the run that --workdir holds, which training does too; or, where it
            holds runs, an overview that compares them

These use the run that --workdir holds, by --checkpoint and --params=ema | live; --out says where to
and, by its ending, what is written; --seed, --num_samples and --label what is made:
  sample       new images: a grid (.png), files (a directory) or arrays (.npz); --psi=X scales z,
               --truncation=X cuts its distribution, several X make a sheet;
               --statistics=running | standing | batch
  interpolate  a walk between latents (--between=seeds) or classes (labels), as a grid (.png) or a
               film (.gif, .webp, .mp4); --method=spherical | linear, --frames=N to each next place
  neighbors    samples beside the training images nearest to them, in pixels and in features
  invert       the latents of given images: --images=PATH, or the run's data, --split=NAME of them
  complete     fills --mask=center | random | left | grid | lowres | FILE in given images, by
               --preset=default | bamos | yeh. Both take --iterations=N, --restarts=N and --fit,
               which crops, resizes and converts the images
  export       G alone: a jax.export program, safetensors weights and a model card

Several processes train one run together with --coordinator_address=HOST:PORT (of process 0),
--num_processes=N and --process_id=I in each; or with --coordinator_address=auto where SLURM, Open
MPI, Cloud TPU or Kubernetes has started them (docs/clusters.md).

Exit codes: 0 done; 2 wrong usage or config, one line says what; 3 diverged, the checkpoints before
it are kept; 4 a run made again differs from its record; 74 the run's directory cannot be written
any more (full, read-only, gone), what was saved is kept; 75 stopped by SIGTERM, SIGINT or SIGHUP
after saving, or left by another process of the run: run the same command to continue; 1 anything
unexpected.
"""

from absl import app, flags
from ml_collections import config_flags

from gan_jax import command, terminal
from gan_jax.apply.options import Options
from gan_jax.config import Config
from gan_jax.processes import Processes

_CONFIG = config_flags.DEFINE_config_dataclass(
    "config", Config(), "experiment file", parse_fn=command.load
)
_MODE = flags.DEFINE_string("mode", "train", "what to do: " + " | ".join(command.MODES))
_WORKDIR = flags.DEFINE_string("workdir", "", "the run's directory; empty: runs/EXPERIMENT")
_CHECKPOINT = flags.DEFINE_string("checkpoint", "latest", "which of the run's")
_TRIALS = flags.DEFINE_integer("trials", 0, "trials of a sweep; 0: its own number", lower_bound=0)
_POPULATION = flags.DEFINE_integer(
    "population",
    0,
    "runs that train side by side; 0: as many as fit",
    lower_bound=0,
    upper_bound=4096,
)
_STORAGE = flags.DEFINE_string("storage", "", "where a sweep's study is kept: a URL of Optuna's")
_STUDY = flags.DEFINE_string("study", "", "the sweep's name in its storage; empty: EXPERIMENT")
_ADDRESS = flags.DEFINE_string("coordinator_address", "", "HOST:PORT of process 0, or auto")
_PROCESSES = flags.DEFINE_integer("num_processes", 0, "processes that train one run together")
_PROCESS = flags.DEFINE_integer("process_id", -1, "which of them this is, from 0")
_FROM = flags.DEFINE_integer(
    "from", 0, "step of the checkpoint that a check begins with; 0: the seed", lower_bound=0
)
_TOLERANCE = flags.DEFINE_float(
    "tolerance", 0.0, "relative, of a check; 0: bit for bit", lower_bound=0.0
)
_OUT = flags.DEFINE_string("out", "", "file or directory to write; empty: in the run's directory")
_SAMPLES = flags.DEFINE_integer(
    "num_samples", 0, "how many; 0: as is usual", lower_bound=0, upper_bound=10**8
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "of samples, not of the run", lower_bound=0, upper_bound=2**32 - 1
)
_LABEL = flags.DEFINE_string("label", "", "classes by name or number, as cat,dog; empty: all")
_TRUNCATION = flags.DEFINE_string("truncation", "", "normal latents lie within +- X; or X,Y,...")
_PSI = flags.DEFINE_string("psi", "", "latents are multiplied by X; or X,Y,...")
_PARAMS = flags.DEFINE_string("params", "", "ema | live; empty: ema where the run keeps one")
_STATISTICS = flags.DEFINE_string("statistics", "running", "running | standing | batch")
_METHOD = flags.DEFINE_string("method", "spherical", "of a walk: spherical | linear")
_BETWEEN = flags.DEFINE_string("between", "seeds", "seeds | labels")
_FRAMES = flags.DEFINE_integer("frames", 0, "from one place to the next", lower_bound=0)
_IMAGES = flags.DEFINE_string("images", "", "an image, or a directory or a zip of them")
_SPLIT = flags.DEFINE_string("split", "", "of the run's TFDS data set, such as test")
_FIT = flags.DEFINE_bool("fit", False, "crop, resize and convert images to what the run takes")
_MASK = flags.DEFINE_string("mask", "center", "what is filled; of a FILE, what is white")
_PRESET = flags.DEFINE_string("preset", "", "default | bamos | yeh")
_ITERATIONS = flags.DEFINE_integer(
    "iterations", 0, "of a search for latents; 0: the preset's", lower_bound=0, upper_bound=10**6
)
_RESTARTS = flags.DEFINE_integer(
    "restarts", 0, "of a search; 0: the preset's", lower_bound=0, upper_bound=1000
)


def main(argv: list[str]) -> None:
    """Runs the mode that the flags name."""
    experiment = command.experiment_of(argv) or ""
    request = command.Request(
        config=_CONFIG.value if experiment else None,
        workdir=_WORKDIR.value,
        checkpoint=_CHECKPOINT.value,
        experiment=experiment,
        trials=_TRIALS.value,
        population=_POPULATION.value,
        storage=_STORAGE.value,
        study=_STUDY.value,
        processes=Processes(_ADDRESS.value, _PROCESSES.value, _PROCESS.value),
        start=_FROM.value,
        tolerance=_TOLERANCE.value,
        options=Options(
            out=_OUT.value,
            num_samples=_SAMPLES.value,
            seed=_SEED.value,
            label=_LABEL.value,
            truncation=_TRUNCATION.value,
            psi=_PSI.value,
            params=_PARAMS.value,
            statistics=_STATISTICS.value,
            method=_METHOD.value,
            between=_BETWEEN.value,
            frames=_FRAMES.value,
            images=_IMAGES.value,
            split=_SPLIT.value,
            fit=_FIT.value,
            mask=_MASK.value,
            preset=_PRESET.value,
            iterations=_ITERATIONS.value,
            restarts=_RESTARTS.value,
        ),
    )
    command.run(_MODE.value, request)


if __name__ == "__main__":
    terminal.outlive()
    app.run(main, flags_parser=command.parser(__doc__))

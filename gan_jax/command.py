"""The command line's manners: every mistake in it is answered in one line that says what to do."""

import dataclasses
import importlib
import importlib.util
import logging
import os
import pathlib
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from absl import flags
from absl import logging as absl_logging

from gan_jax.apply import options as apply_options
from gan_jax.apply.options import Options
from gan_jax.config import Config, describe, nearest, pick, validate, walk
from gan_jax.errors import GanJaxError, UsageError, first_line, printable
from gan_jax.processes import Processes, joined
from gan_jax.sweep.space import Sweep


class Request(NamedTuple):
    """What the command line asks of a mode.

    Attributes:
      config: the experiment's, overrides applied; None where --config was not given.
      workdir: the run's directory; empty where there is none.
      checkpoint: latest | best | all | STEP | real | noise.
      experiment: the experiment's file, with ":VARIANT" where one is meant; empty where none is.
      trials: of a sweep; 0: as many as it says.
      population: runs of a sweep that train side by side; 0: as many as fit.
      storage: a URL of Optuna's; empty: a file in the work directory.
      study: the name of a sweep in its storage; empty: that of the experiment.
      processes: of a run, where it has several.
      start: the step of the checkpoint that a check begins with; 0: from the seed.
      tolerance: relative, within which a check lets numbers differ; 0: bit for bit.
      options: of the modes that use a trained run.
    """

    config: Config | None
    workdir: str
    checkpoint: str = "latest"
    experiment: str = ""
    trials: int = 0
    population: int = 0
    storage: str = ""
    study: str = ""
    processes: Processes = Processes()
    start: int = 0
    tolerance: float = 0.0
    options: Options = Options()


def train(request: Request) -> None:
    """Trains, or continues, the run in `workdir`."""
    import gan_jax
    from gan_jax import startup

    startup.prepare(request.config)
    from gan_jax.train import train

    with joined(request.processes):
        train(request.config, request.workdir, began=gan_jax.STARTED)


def check(request: Request) -> None:
    """Read all the data of an experiment, say what is found, and draw some of them."""
    from gan_jax import startup

    config = request.config
    startup.prepare(config)
    from gan_jax import preview
    from gan_jax.data.examine import examine
    from gan_jax.program import Program

    source = Program(config).source  # the networks may refuse the data
    found = examine(source, config.dataset)
    for line in found.lines(source):
        print(line)
    replaced = config.dataset.damaged == "replace" and not found.too_large
    if found.problems and not replaced:
        raise UsageError(
            f"config.dataset.name: {len(found.problems)} of {len(source)} examples cannot be used "
            "(listed above); repair or remove them, or give --config.dataset.damaged=replace, "
            "which shows the next example in the place of a damaged one"
        )
    directory = pathlib.Path(os.path.expanduser(request.workdir))
    if sheet := preview.write_real(config, source, directory):
        print(f"real examples, as the networks see them: {sheet}")


def evaluate(request: Request) -> None:
    """Scores checkpoints of a run, or images, and prints what it finds."""
    from gan_jax import startup, workdir

    directory = pathlib.Path(os.path.expanduser(request.workdir))
    startup.prepare(request.config or workdir.own_config(directory))
    from gan_jax.evaluate import mode

    options = request.options
    mode.evaluate(
        request.config, request.workdir, request.checkpoint, options.images, fit=options.fit
    )


def verify(request: Request) -> None:
    """Makes a run again, and compares it with what its directory records."""
    from gan_jax import startup, workdir

    directory = pathlib.Path(os.path.expanduser(request.workdir))
    config = workdir.run_config(directory, request.config)
    startup.prepare(config)
    from gan_jax.verify import verify

    with joined(request.processes):
        verify(config, directory, request.start, request.tolerance)


def sweep(request: Request) -> None:
    """Works on the experiment's sweep."""
    from gan_jax import startup

    startup.prepare(request.config)
    from gan_jax.sweep import mode

    search = load_sweep(request.experiment)
    if request.trials:
        search = dataclasses.replace(search, trials=request.trials)
    mode.sweep(
        request.config, search, request.workdir, places=request.population,
        storage=request.storage, name=request.study or _name(request.experiment),
        experiment=request.experiment, original=load(request.experiment),
    )  # fmt: skip


def prepare(request: Request) -> None:
    """Downloads and prepares the config's TFDS data set."""
    from gan_jax.data import tfds

    config = request.config
    stacked = config.dataset.name == "stacked_mnist"
    kind, _, name = ("tfds:mnist" if stacked else config.dataset.name).partition(":")
    if kind != "tfds":
        raise UsageError(
            f"--mode=prepare: config.dataset.name={config.dataset.name!r} needs no preparation; "
            "only tfds:NAME and stacked_mnist do"
        )
    print(f"{name} is ready in {tfds.prepare(name, config.dataset.data_dir)}")


def page(request: Request) -> None:
    """Writes the page of a run, or the overview of runs, and prints its path."""
    from gan_jax.report import overview

    print(printable(str(overview.page_of(request.workdir))))


def _use(mode: str) -> Callable[[Request], None]:
    """A mode that uses a trained run: the function of its own name in `gan_jax.apply`."""

    def use(request: Request) -> None:
        from gan_jax import startup, workdir

        directory = pathlib.Path(os.path.expanduser(request.workdir))
        config = workdir.run_config(directory, request.config)
        startup.prepare(config)
        module = importlib.import_module(f"gan_jax.apply.{mode}")
        getattr(module, mode)(config, directory, request.checkpoint, request.options)

    return use


MODES: dict[str, Callable[[Request], None]] = {
    "train": train,
    "check": check,
    "evaluate": evaluate,
    "verify": verify,
    "sweep": sweep,
    "prepare": prepare,
    "page": page,
    **{mode: _use(mode) for mode in apply_options.TAKES},
}
# In these, the processes of a run work together; elsewhere each is its own.
_TOGETHER = ("train", "verify")
# These know what to do by the run's own config.json.
_WITHOUT_CONFIG = ("evaluate", "verify", "page", *apply_options.TAKES)


def parser(usage: str) -> Callable[[list[str]], list[str]]:
    """A flags parser for `absl.app.run` that explains itself: one line and exit 2, or the usage.

    Args:
      usage: what --help says before it lists the settings.
    """

    def parse(argv: list[str]) -> list[str]:
        argv = flags.FLAGS.read_flags_from_files(argv)
        if {"--help", "-help", "-h", "--helpshort", "--helpfull"} & set(argv):
            _help(usage, experiment_of(argv))
        _log_only_our_warnings()
        try:
            _check_overrides(argv)
            rest = flags.FLAGS(argv)
            if rest[1:]:
                raise UsageError(f"{rest[1]!r}: unexpected; settings are --config.FIELD=VALUE")
            return argv
        except flags.Error as error:
            _fail(UsageError(_in_our_words(str(error), argv)))
        except GanJaxError as error:
            _fail(error)

    return parse


def run(mode: str, request: Request) -> None:
    """Runs a mode and ends the process with the exit code that its outcome has.

    Args:
      mode: a name in `MODES`.
      request: what is asked of it; without a workdir it is runs/EXPERIMENT or
        runs/EXPERIMENT-VARIANT, where --config was given, and of a sweep sweeps/ in place of runs/.
    """
    try:
        action = pick(MODES, mode, "--mode")
        apply_options.check(mode, request.options)
        if request.processes != Processes() and mode not in _TOGETHER:
            raise UsageError(
                "--coordinator_address, --num_processes, --process_id: of no use to "
                f"--mode={mode}, whose processes work by themselves; leave them out"
            )
        if request.config is None and mode not in _WITHOUT_CONFIG:
            raise UsageError(f"--config: missing; name an experiment file, {_experiments()}")
        if request.config is not None:
            validate(request.config)
            folder = "sweeps" if mode == "sweep" else "runs"
            usual = f"{folder}/{_name(request.experiment)}"
            request = request._replace(workdir=request.workdir or usual)
        action(request)
    except GanJaxError as error:
        _fail(error)
    except KeyboardInterrupt:
        print("interrupted; what was saved is kept", file=sys.stderr)
        sys.exit(130)


def experiment_of(argv: list[str]) -> str | None:
    """The file that --config names, its last mention, or None."""
    named = None
    for flag, following in zip(argv, [*argv[1:], ""], strict=True):
        if match := re.fullmatch(r"--?config(=.*)?", flag):
            named = following if match[1] is None else match[1][1:]
    return named


def _help(usage: str, experiment: str | None) -> NoReturn:
    try:
        config = load(experiment) if experiment else Config()
    except UsageError as error:
        _fail(error)
    print(f"{usage}\nSettings, {'as in ' + experiment if experiment else 'with their defaults'}:\n")
    print(describe(config))
    sys.exit(0)


def _fail(error: GanJaxError) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)


def _log_only_our_warnings() -> None:
    """Libraries' remarks would bury the lines that matter."""
    absl_logging.set_verbosity(absl_logging.FATAL)
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines())
    ours = logging.getLogger("gan_jax")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    # A limit of our own is told in our words (config.dataset.max_megapixels).
    warnings.filterwarnings("ignore", "Image size .* exceeds limit")
    ours.propagate = False


class _Lines(logging.Formatter):
    """Begins a warning's line with the word, and no other."""

    def format(self, record: logging.LogRecord) -> str:
        line = printable(super().format(record))
        return f"warning: {line}" if record.levelno >= logging.WARNING else line


def _check_overrides(argv: list[str]) -> None:
    """Every --config.a.b must be a setting of the experiment's config."""
    overrides = [match[1] for flag in argv if (match := re.match(r"--?(config\.[^=]*)", flag))]
    path = experiment_of(argv)
    if path is None and overrides:
        raise UsageError(
            f"--{overrides[0]}: a setting of the experiment that --config names, which is missing; "
            "a mode that uses a run reads the run's own"
        )
    if path is None:
        return
    known = [where for where, _, _ in walk(load(path))]
    for override in overrides:
        if override in known:
            continue
        inside = [name for name in known if name.startswith(override + ".")]
        if inside:
            raise UsageError(f"--{override}: a group of settings; set one of {', '.join(inside)}")
        raise UsageError(
            f"--{override}: no such setting in {path}{nearest(override, known)} (--help lists all)"
        )


def load(path: str) -> Config:
    """The config of an experiment file, or of its variant, before overrides."""
    config = _call(path, "get_config")
    if not isinstance(config, Config):
        raise UsageError(f"--config={path}: get_config() returns {type(config)}, not a Config")
    return config


def load_sweep(path: str) -> Sweep:
    """The sweep of an experiment file, or of its variant."""
    sweep = _call(path, "get_sweep")
    if not isinstance(sweep, Sweep):
        raise UsageError(f"--config={path}: get_sweep() returns {type(sweep)}, not a Sweep")
    return sweep


def _call(path: str, function: str) -> Any:
    """What a function of an experiment file returns."""
    file, variant = _split(path)
    if not pathlib.Path(file).is_file():
        hint = nearest(file, _experiment_files())
        raise UsageError(f"--config={path}: no such file{hint}; there is {_experiments()}")
    if not file.endswith(".py") or ":" in file:
        raise UsageError(
            f"--config={path}: takes a Python file, with no ':' in its path, such as "
            f"{_experiments()}"
        )
    try:
        spec = importlib.util.spec_from_file_location("experiment", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        variants = getattr(module, "VARIANTS", ())
        if variant and variant not in variants:
            listed = f"has {' | '.join(variants)}" if variants else "has no variants"
            raise UsageError(f"{file} {listed}{nearest(variant, variants)}")
        if not hasattr(module, function):
            raise UsageError(f"the file has no {function}()")
        return getattr(module, function)(*filter(None, [variant]))
    except UsageError as error:
        raise UsageError(f"--config={path}: {error}") from error
    except Exception as error:  # the file is the user's: it may raise anything
        raise UsageError(f"--config={path}: {type(error).__name__}: {first_line(error)}") from error


def _name(experiment: str) -> str:
    """EXPERIMENT or EXPERIMENT-VARIANT."""
    file, variant = _split(experiment)
    return "-".join(filter(None, (pathlib.Path(file).stem, variant)))


def _split(path: str) -> tuple[str, str]:
    """("FILE.py", "VARIANT") of "FILE.py:VARIANT", which ml_collections hands to get_config()."""
    file, _, variant = path.partition(".py:")
    return (f"{file}.py", variant) if variant else (path, "")


def _in_our_words(message: str, argv: list[str]) -> str:
    """absl's complaint about a value, said as `validate` says it."""
    match = re.match(r"flag --(config\.[\w.]+)=(.*?): ", message)
    if not match:
        return " ".join(message.split())
    fields = {where: field for where, field, _ in walk(load(experiment_of(argv)))}
    words = {int: "a whole number", float: "a number", bool: "true or false"}
    takes = words.get(fields[match[1]].type, "a tuple such as (256, 128)")
    return f"{match[1]}={match[2]!r}: takes {takes}"


def _experiment_files() -> list[str]:
    return sorted(str(path) for path in pathlib.Path("experiments").glob("[!_]*.py"))


def _experiments() -> str:
    files = _experiment_files()
    first = "experiments/digits_dcgan.py"
    more = f"{first} or another of the {len(files)} in experiments/"
    return more if first in files else "one that defines get_config()"

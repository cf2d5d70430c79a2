"""The command line's manners: every mistake in it is answered in one line that says what to do."""

import ast
import dataclasses
import importlib
import importlib.util
import logging
import os
import pathlib
import re
import sys
import traceback
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

from absl import flags
from absl import logging as absl_logging

from gan_jax import synonyms
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

    search = load_sweep(request.experiment)
    startup.prepare(request.config)
    from gan_jax.sweep import mode

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
            config = _config_of(argv)
            argv = _as_parsed(argv, config)
            rest = flags.FLAGS(argv)
            if rest[1:]:
                raise UsageError(_stray(rest[1], argv, config))
            if flags.FLAGS["log_dir"].present:  # of absl, which would take it and do nothing
                raise flags.UnrecognizedFlagError("log_dir")
            return argv
        except flags.UnrecognizedFlagError as error:
            name, given = error.flagname, _given(argv, error.flagname)
            _fail(UsageError(f"--{name}: no such flag{_instead(name, given, argv, config)}"))
        except flags.Error as error:
            _fail(UsageError(_in_our_words(str(error), config)))
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
        _check_use(mode, request)
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


def _check_use(mode: str, request: Request) -> None:
    """Refuse flags that the mode would pass over."""
    of_modes = {
        **dict.fromkeys(("trials", "population", "storage", "study"), ("sweep",)),
        **dict.fromkeys(("start", "tolerance"), ("verify",)),
        "checkpoint": ("evaluate", *apply_options.TAKES),
    }
    for name, modes in of_modes.items():
        if mode not in modes and getattr(request, name) != Request._field_defaults[name]:
            raise UsageError(
                f"--{'from' if name == 'start' else name}: of no use to --mode={mode}; it is for "
                f"{', '.join(modes)}; leave it out"
            )


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


def _config_of(argv: list[str]) -> Config | None:
    """Return the config that --config names, of which every --config.a.b must be a setting."""
    overrides = [match[1] for flag in argv if (match := re.match(r"--?(config\.[^=]*)", flag))]
    path = experiment_of(argv)
    if path is None and overrides:
        raise UsageError(
            f"--{overrides[0]}: a setting of the experiment that --config names, which is missing; "
            "a mode that uses a run reads the run's own"
        )
    if path is None:
        return None
    config = load(path)
    known = [where for where, _, _ in walk(config)]
    for override in overrides:
        if override in known:
            continue
        inside = [name for name in known if name.startswith(override + ".")]
        if inside:
            raise UsageError(f"--{override}: a group of settings; set one of {', '.join(inside)}")
        hint = synonyms.setting_hint(override, known)
        hint = hint or _instead(override.rpartition(".")[2], _given(argv, override), argv, config)
        raise UsageError(f"--{override}: no such setting in {path}{hint} (--help lists all)")
    return config


def _instead(name: str, given: str | None, argv: list[str], config: Config | None) -> str:
    """Return '; ...' with what to type in place of a flag that there is not, or ''."""
    known = {path.removeprefix("config."): f.type for path, f, _ in walk(config or Config())}
    ours = flags.FLAGS.flags_by_module_dict()[flags.FLAGS.find_module_defining_flag("workdir")]
    taken = apply_options.taken(_given(argv, "mode") or "train")
    hint = synonyms.instead(
        name, given, flags=[flag.name for flag in ours], modes=MODES, known=known,
        taken=taken and {*taken, "checkpoint", "workdir"},
    )  # fmt: skip
    return f"; {hint}" if hint else ""


def _stray(word: str, argv: list[str], config: Config | None) -> str:
    """Return what to say of a word that is no flag, such as "train" or "batch_size=64"."""
    if "://" in word:  # it may hold a password
        return "a URL without a flag: unexpected; settings are --config.FIELD=VALUE"
    name, _, given = word.partition("=")
    hint = f"; type --config={word}" if word.partition(".py")[1] else ""
    hint = hint or _instead(name.removeprefix("config."), given or None, argv, config)
    return f"{word!r}: unexpected{hint or '; settings are --config.FIELD=VALUE'}"


def _given(argv: list[str], name: str) -> str | None:
    """Return the value that a flag is given, its last mention's, or None."""
    given = None
    for flag, following in zip(argv, [*argv[1:], "-"], strict=True):
        if match := re.fullmatch(rf"--?{re.escape(name)}(?:=(.*))?", flag, re.DOTALL):
            given = match[1] if match[1] is not None or following[:1] == "-" else following
    return given


def _as_parsed(argv: list[str], config: Config | None) -> list[str]:
    """Return the command line as the parser takes it: 1e4 is 10000, and the last --config holds."""
    kinds = {path: field.type for path, field, _ in walk(config)} if config is not None else {}
    for name in flags.FLAGS:
        if isinstance(flags.FLAGS[name].parser, flags.IntegerParser):
            kinds[name] = int
    argv, experiment = list(argv), experiment_of(argv)
    for i, flag in enumerate(argv):
        name, sign, value = flag.lstrip("-").partition("=")
        if not flag.startswith("-") or name not in (*kinds, "config"):
            continue
        place, begin = (i, f"--{name}=") if sign else (i + 1, "")
        if place < len(argv):
            text = value if sign else argv[place]
            argv[place] = begin + (experiment if name == "config" else _whole(text, kinds[name]))
    return argv


def _whole(text: str, kind: Any) -> str:
    """Return a whole number, or a tuple of them, without a point and an exponent."""
    tuples = kind == tuple[int, ...]
    if not (kind is int or tuples) or not re.search("[.eE]", text):
        return text
    try:
        value = ast.literal_eval(text) if tuples else float(text)
    except (ValueError, SyntaxError):
        return text
    numbers = [
        int(number) if isinstance(number, float) and number.is_integer() else number
        for number in (value if isinstance(value, tuple | list) else (value,))
    ]
    if not all(type(number) is int and abs(number) <= 2**53 for number in numbers):
        return text  # beyond that, floats are not exact
    return str(tuple(numbers) if tuples else numbers[0])


def load(path: str) -> Config:
    """The config of an experiment file, or of its variant, before overrides."""
    config = _call(path, "get_config")
    if not isinstance(config, Config):
        raise UsageError(f"--config={path}: get_config() returns {type(config)}, not a Config")
    list(walk(config))  # flags are parsed by the types of the fields, which it resolves
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
        module = _module(file)
        variants = getattr(module, "VARIANTS", ())
        if variant and variant not in variants:
            listed = f"has {' | '.join(variants)}" if variants else "has no variants"
            raise UsageError(f"{file} {listed}{nearest(variant, variants)}")
        if not hasattr(module, function):
            raise UsageError(f"the file has no {function}()")
        return getattr(module, function)(*filter(None, [variant]))
    except UsageError as error:
        raise UsageError(f"--config={path}: {error}") from error
    except (Exception, SystemExit) as error:  # the file is the user's: it may raise anything
        raise UsageError(
            f"--config={path}: {_line_in(file, error)}{type(error).__name__}: {first_line(error)}"
        ) from error


def _module(file: str) -> ModuleType:
    """Import an experiment file, which may import the files beside it.

    Like any module it is listed in `sys.modules`, where dataclasses look annotations up that are
    strings. Its directory comes last in `sys.path`, so that no file there hides a library.
    """
    folder = str(pathlib.Path(file).resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    name = f"gan_jax experiment {pathlib.Path(file).stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _line_in(file: str, error: BaseException) -> str:
    """Return "line N: ", the last line of a file that an exception came through, or ""."""
    if isinstance(error, SyntaxError):
        return ""  # its message names the line
    here = os.path.realpath(file)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if os.path.realpath(frame.filename) == here]
    return f"line {lines[-1]}: " if lines else ""


def _name(experiment: str) -> str:
    """EXPERIMENT or EXPERIMENT-VARIANT."""
    file, variant = _split(experiment)
    return "-".join(filter(None, (pathlib.Path(file).stem, variant)))


def _split(path: str) -> tuple[str, str]:
    """("FILE.py", "VARIANT") of "FILE.py:VARIANT", which ml_collections hands to get_config()."""
    file, _, variant = path.partition(".py:")
    return (f"{file}.py", variant) if variant else (path, "")


def _in_our_words(message: str, config: Config | None) -> str:
    """absl's complaint about a value, said as `validate` says it."""
    match = re.match(r"flag --([\w.]+)=(.*?): ", message)
    if not match:
        return " ".join(message.split())
    name, value = match[1], match[2]
    if name.startswith("config."):
        kind = {path: field.type for path, field, _ in walk(config)}[name]
        words = {int: "a whole number", float: "a number", bool: "true or false"}
        return f"{name}={value!r}: takes {words.get(kind, 'a tuple such as (256, 128)')}"
    parser = flags.FLAGS[name].parser
    words = {flags.IntegerParser: "whole numbers", flags.FloatParser: "numbers"}
    takes = words.get(type(parser), "true or false")
    bounds = (getattr(parser, "lower_bound", None), getattr(parser, "upper_bound", None))
    for bound, limit in zip(bounds, (" of at least ", " and at most "), strict=True):
        takes += "" if bound is None else f"{limit}{bound:,}"
    return f"--{name}={value!r}: takes {takes}"


def _experiment_files() -> list[str]:
    return sorted(str(path) for path in pathlib.Path("experiments").glob("[!_]*.py"))


def _experiments() -> str:
    files = _experiment_files()
    first = "experiments/digits_dcgan.py"
    more = f"{first} or another of the {len(files)} in experiments/"
    return more if first in files else "one that defines get_config()"

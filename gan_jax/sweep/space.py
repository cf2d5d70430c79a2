"""What a sweep varies, by what it judges and how long it tries: plain values, checked at once.

An experiment declares it beside its config:

    def get_sweep() -> Sweep:
        return Sweep(
            space={
                "generator.optimizer.learning_rate": LogUniform(1e-5, 1e-2),
                "discriminator.optimizer.learning_rate": LogUniform(1e-5, 1e-2),
                "b1": Uniform(
                    0.0, 0.9, fields=("generator.optimizer.b1", "discriminator.optimizer.b1")
                ),
                "loss": Choice(("non_saturating", "hinge")),
            },
            metric="fid",
            trials=48,
        )

A seed is no dimension of a space: it is tuned by whoever picks the best of many. It repeats a trial
(`seeds`), and the winner once more (`repeat`), with seeds that the search has not seen.
"""

import abc
import copy
import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from gan_jax.config import LESS_IS_BETTER, METRICS, Config, nearest, validate, walk
from gan_jax.errors import UsageError
from gan_jax.synonyms import setting_hint

SAMPLERS = ("random", "quasi_random", "grid", "tpe")
_DIRECTIONS = ("minimize", "maximize")
# What makes scores incomparable, or is the sweep's own: no dimension may set these.
_NOT_SWEPT = {
    "seed": "a seed repeats a trial (Sweep.seeds), it is no dimension",
    "steps": "all trials have one budget",
    "eval": "scores of different protocols do not compare",
    "eval_every": "trials are judged at the same steps",
    "dataset.name": "scores against different data do not compare",
    "dataset.split": "scores against different data do not compare",
    "dataset.data_dir": "it does not change a run",
    "dataset.image_size": "scores against different data do not compare",
    "dataset.channels": "scores against different data do not compare",
}


@dataclasses.dataclass(frozen=True)
class Dimension(abc.ABC):
    """One number or choice that a sweep varies, and the settings that it is given to."""

    fields: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)

    @abc.abstractmethod
    def at(self, u: float) -> Any:
        """The value at a place in [0, 1)."""

    @abc.abstractmethod
    def levels(self) -> tuple[Any, ...] | None:
        """All of its values, where it has so few that a grid can take them."""

    @abc.abstractmethod
    def edges(self) -> tuple[Any, ...]:
        """Values whose being valid makes all of them valid."""

    @abc.abstractmethod
    def check(self) -> str:
        """What is wrong with it, or nothing."""

    @abc.abstractmethod
    def around(self, values: list[Any]) -> "Dimension":
        """The smallest part of it that holds some values, and a little more."""

    @abc.abstractmethod
    def holds(self, value: Any) -> bool:
        """Whether a value is one of its own."""


@dataclasses.dataclass(frozen=True)
class Uniform(Dimension):
    """Numbers in [low, high]; `points` of them, evenly spaced, in a grid."""

    low: float
    high: float
    points: int = 0
    log: ClassVar[bool] = False

    def at(self, u: float) -> float:
        """Linear in u, or exponential."""
        if self.log:
            return min(self.low * (self.high / self.low) ** u, self.high)
        return min(self.low + (self.high - self.low) * u, self.high)

    def levels(self) -> tuple[float, ...] | None:
        """Evenly spaced, both ends among them."""
        if not self.points:
            return None
        return tuple(self.at(i / max(self.points - 1, 1)) for i in range(self.points))

    def edges(self) -> tuple[float, ...]:
        """Both ends; floats, as all the values between them are."""
        return (float(self.low), float(self.high))

    def check(self) -> str:
        """Ends in order; a logarithm's above 0."""
        for end in (self.low, self.high):
            if type(end) not in (int, float) or not math.isfinite(end):
                return f"{end!r} is no finite number"
        if not self.low < self.high:
            return f"low={self.low} is not below high={self.high}"
        if self.log and not self.low > 0:
            return f"low={self.low}; a logarithmic range begins above 0"
        return "" if self.points >= 0 else f"points={self.points}; takes 0 or more"

    def around(self, values: list[float]) -> "Uniform":
        """From the least to the greatest, a tenth more on each side."""
        low, high = min(values), max(values)
        if self.log:
            margin = (high / low) ** 0.1 if high > low else (self.high / self.low) ** 0.05
            low, high = low / margin, high * margin
        else:
            margin = 0.1 * (high - low) or 0.05 * (self.high - self.low)
            low, high = low - margin, high + margin
        return dataclasses.replace(self, low=max(low, self.low), high=min(high, self.high))

    def holds(self, value: Any) -> bool:
        """In the range."""
        return self.low <= value <= self.high


@dataclasses.dataclass(frozen=True)
class LogUniform(Uniform):
    """Numbers in [low, high] whose logarithms are uniform."""

    log: ClassVar[bool] = True


@dataclasses.dataclass(frozen=True)
class Integer(Dimension):
    """Whole numbers in [low, high], both included."""

    low: int
    high: int

    def at(self, u: float) -> int:
        """Each with the same share of [0, 1)."""
        return min(self.low + int(u * (self.high - self.low + 1)), self.high)

    def levels(self) -> tuple[int, ...]:
        """All."""
        return tuple(range(self.low, self.high + 1))

    def edges(self) -> tuple[int, ...]:
        """Both ends."""
        return (self.low, self.high)

    def check(self) -> str:
        """Whole ends in order."""
        if type(self.low) is not int or type(self.high) is not int:
            return f"low={self.low!r}, high={self.high!r} are not whole numbers"
        return "" if self.low < self.high else f"low={self.low} is not below high={self.high}"

    def around(self, values: list[int]) -> "Dimension":
        """From one below the least to one above the greatest."""
        low, high = max(min(values) - 1, self.low), min(max(values) + 1, self.high)
        return dataclasses.replace(self, low=low, high=high)

    def holds(self, value: Any) -> bool:
        """In the range."""
        return self.low <= value <= self.high


@dataclasses.dataclass(frozen=True)
class Choice(Dimension):
    """One of some values: numbers, names, tuples."""

    values: tuple[Any, ...]

    def at(self, u: float) -> Any:
        """Each with the same share of [0, 1)."""
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]

    def levels(self) -> tuple[Any, ...]:
        """All."""
        return tuple(self.values)

    def edges(self) -> tuple[Any, ...]:
        """All."""
        return tuple(self.values)

    def check(self) -> str:
        """At least one value, none of them twice."""
        if not isinstance(self.values, tuple) or not self.values:
            return f"values={self.values!r}; takes a tuple of at least one value"
        repeated = any(self.values.count(value) > 1 for value in self.values)
        return f"values={self.values!r} has one twice" if repeated else ""

    def around(self, values: list[Any]) -> "Choice":
        """Those among them."""
        kept = tuple(value for value in self.values if value in values)
        return dataclasses.replace(self, values=kept)

    def holds(self, value: Any) -> bool:
        """Among the values."""
        return value in self.values


@dataclasses.dataclass(frozen=True)
class Halving:
    """Successive halving, asynchronous (Li et al. 2020, ASHA): at the steps first * factor^i.

    Of the trials that have come so far the best one in `factor` goes on, the others are pruned.
    """

    first: int
    factor: int = 3


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A search.

    Attributes:
      space: a name, or a config field (without "config."), -> the dimension. A name needs `fields`.
      metric: of the rows of eval.jsonl: fid, kid, ...
      direction: minimize | maximize; empty: as the metric wants it. The protocol is config.eval's.
      trials: points that are tried in the whole space.
      sampler: random | quasi_random (Sobol) | grid (all combinations; `trials` is not read) | tpe.
        But in a grid, the first point is the experiment's own, where that lies in the space.
      seeds: runs of each trial, seeds config.seed, config.seed + 1, ...; their mean is judged.
      narrow: points that are tried thereafter in the part of the space that holds the best ones.
      repeat: runs of the winner thereafter, with seeds that the search has not seen.
      pruning: Halving(first, factor), or None. It judges at evaluations: config.eval_every, if
        it is given, divides `first`.
      sampler_seed: of the points.
    """

    space: Mapping[str, Dimension]
    metric: str = "fid"
    direction: str = ""
    trials: int = 32
    sampler: str = "tpe"
    seeds: int = 1
    narrow: int = 0
    repeat: int = 0
    pruning: Halving | None = None
    sampler_seed: int = 0

    @property
    def maximize(self) -> bool:
        """Whether more of the metric is better."""
        if self.direction:
            return self.direction == "maximize"
        return self.metric not in LESS_IS_BETTER

    def grid(self) -> list[dict[str, Any]]:
        """All combinations of the dimensions' levels."""
        levels = [dimension.levels() for dimension in self.space.values()]
        return [dict(zip(self.space, values, strict=True)) for values in itertools.product(*levels)]

    def point(self, places: Iterator[float]) -> dict[str, Any]:
        """The point at some places in [0, 1), one for each dimension."""
        return {
            name: dimension.at(u)
            for (name, dimension), u in zip(self.space.items(), places, strict=True)
        }

    def narrowed(self, best: list[dict[str, Any]]) -> "Sweep":
        """The same search in the smallest box around some points."""
        space = {
            name: dimension.around([point[name] for point in best])
            for name, dimension in self.space.items()
        }
        return dataclasses.replace(self, space=space)

    def rungs(self, steps: int) -> list[int]:
        """The steps at which trials of so many steps are pruned."""
        if self.pruning is None:
            return []
        rungs = (self.pruning.first * self.pruning.factor**i for i in itertools.count())
        return list(itertools.takewhile(lambda rung: rung < steps, rungs))


def fields_of(name: str, dimension: Dimension) -> tuple[str, ...]:
    """The settings that a dimension is given to."""
    return dimension.fields or (name,)


def assign(config: Config, space: Mapping[str, Dimension], point: Mapping[str, Any]) -> Config:
    """A copy of a config with the values of a point."""
    config = copy.deepcopy(config)
    for name, value in point.items():
        for field in fields_of(name, space[name]):
            *groups, last = field.split(".")
            setattr(functools.reduce(getattr, groups, config), last, value)
    return config


def changed(before: Config, after: Config) -> Iterator[tuple[str, Any]]:
    """(path, value) of each setting that a config has otherwise than another."""
    for (path, _, old), (_, _, new) in zip(walk(before), walk(after), strict=True):
        if old != new:
            yield path, new


def read(config: Config, space: Mapping[str, Dimension]) -> dict[str, Any]:
    """The point of a config's own values; empty where it lies outside the space."""
    point = {}
    for name, dimension in space.items():
        values = [
            functools.reduce(getattr, field.split("."), config)
            for field in fields_of(name, dimension)
        ]
        if any(value != values[0] for value in values) or not dimension.holds(values[0]):
            return {}
        point[name] = values[0]
    return point


def judged(sweep: Sweep, config: Config) -> Config:
    """A config that is evaluated where the sweep needs it, if it says nothing of that itself."""
    first = sweep.pruning.first if isinstance(sweep.pruning, Halving) else config.steps
    return dataclasses.replace(config, eval_every=config.eval_every or first)


def check(sweep: Sweep, config: Config) -> None:
    """Refuses a sweep that cannot run on a config, before anything is compiled.

    Raises:
      UsageError: names what is wrong: a field that does not exist, is set twice, or has another
        type or range; a metric, sampler, direction or budget that there is not.
    """
    known = [path.removeprefix("config.") for path, _, _ in walk(config)]
    if not sweep.space:
        raise UsageError("Sweep.space: empty; give it a dimension at least")
    owner: dict[str, str] = {}
    for name, dimension in sweep.space.items():
        where = f"Sweep.space[{name!r}]"
        if not isinstance(dimension, Dimension):
            raise UsageError(f"{where}: takes Uniform, LogUniform, Integer or Choice")
        if not isinstance(dimension.fields, tuple):
            raise UsageError(f"{where}: fields={dimension.fields!r}; takes a tuple of settings")
        for field in fields_of(name, dimension):
            _check_field(where, field, known)
            if field in owner:
                raise UsageError(f"{where}: {field} is set by {owner[field]!r} already")
            owner[field] = name
        if wrong := dimension.check():
            raise UsageError(f"{where}: {wrong}")
        if sweep.sampler == "grid" and dimension.levels() is None:
            raise UsageError(f"{where}: a grid needs points=N, or Choice or Integer")
        for value in dimension.edges():
            try:
                validate(assign(config, sweep.space, {name: value}))
            except UsageError as error:
                raise UsageError(f"{where}: {error}") from error
    _check_search(sweep)
    _check_pruning(sweep, config)


def _check_field(where: str, field: str, known: list[str]) -> None:
    for path, reason in _NOT_SWEPT.items():
        if field == path or field.startswith(f"{path}."):
            raise UsageError(f"{where}: {field} cannot be swept; {reason}")
    if field not in known:
        group = any(path.startswith(f"{field}.") for path in known)
        wrong = "is a group of settings; name one of it" if group else "is no setting"
        raise UsageError(f"{where}: {field} {wrong}{setting_hint(field, known)}")


def _check_search(sweep: Sweep) -> None:
    for name, value, choices in (
        ("sampler", sweep.sampler, SAMPLERS),
        ("direction", sweep.direction, ("", *_DIRECTIONS)),
    ):
        if value not in choices:
            listed = " | ".join(choice or "''" for choice in choices)
            raise UsageError(f"Sweep.{name}={value!r}: takes {listed}{nearest(value, choices)}")
    if sweep.metric not in METRICS and not sweep.direction:
        raise UsageError(
            f"Sweep.metric={sweep.metric!r}: not one of {' | '.join(METRICS)}"
            f"{nearest(sweep.metric, METRICS)}; another one of eval.jsonl needs a direction"
        )
    for name, least in (("trials", 1), ("seeds", 1), ("narrow", 0), ("repeat", 0)):
        value = getattr(sweep, name)
        if type(value) is not int or value < least:
            raise UsageError(f"Sweep.{name}={value!r}: takes whole numbers of at least {least}")


def _check_pruning(sweep: Sweep, config: Config) -> None:
    if sweep.pruning is None:
        return
    first, factor = sweep.pruning.first, sweep.pruning.factor
    if type(first) is not int or type(factor) is not int or first < 1 or factor < 2:
        raise UsageError(
            f"Sweep.pruning={sweep.pruning}: takes whole numbers, first of at least 1 and factor "
            "of at least 2"
        )
    if first >= config.steps:
        raise UsageError(
            f"Sweep.pruning: first={first}, but config.steps={config.steps}; it prunes before that"
        )
    if not config.eval_every or first % config.eval_every:
        raise UsageError(
            f"Sweep.pruning: first={first}, but config.eval_every={config.eval_every} does not "
            "divide it; trials are judged at evaluations"
        )

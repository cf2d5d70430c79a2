"""Every setting of a run, as typed dataclasses: its meaning, unit, default and what it accepts.

An experiment is a file whose `get_config()` returns a `Config`. Units, everywhere: `steps` are
generator updates; `batch_size` counts real images per discriminator update over all devices.
"""

import dataclasses
import hashlib
import json
import math
import textwrap
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from gan_jax import synonyms
from gan_jax.errors import UsageError

T = TypeVar("T")
MAX_MEGAPIXELS, LARGEST_MEGAPIXELS = 64, 178  # Pillow refuses more

# Of a saved config. It rises when what an older file says has come to mean something else. A
# setting that is only added needs no new version: files that lack it have its default.
SCHEMA_VERSION = 1
# Float32 holds numbers up to the first; below the second processors take them for 0; from the third
# on they round to 1.
_LARGEST, _SMALLEST, _NEARLY_ONE = 2.0**128 - 2.0**104, 2.0**-126, 1 - 2.0**-25


def setting(
    default: Any,
    meaning: str,
    *,
    at_least: int | float | None = None,
    below: int | float | None = None,
    choices: tuple[str | int, ...] = (),
    resumable: bool = False,
    traced: bool = False,
) -> Any:
    """Declares one field of a config: its default, its meaning and the values that it accepts.

    Args:
      default: the value that it has where an experiment says nothing.
      meaning: one line, with the unit.
      at_least: smallest accepted number.
      below: accepted numbers are smaller than this one.
      choices: accepted values; empty where any is.
      resumable: whether a run may be continued with another value, since it changes neither the
        numbers nor their order.
      traced: whether it is a number of the state, so that one compiled program serves all values.
    """
    accepted = {"at_least": at_least, "below": below, "choices": choices}
    kind = {"resumable": resumable, "traced": traced}
    return dataclasses.field(default=default, metadata={"meaning": meaning, **kind, **accepted})


def section(factory: Any, meaning: str) -> Any:
    """Declares a nested group of settings with its default."""
    return dataclasses.field(default_factory=factory, metadata={"meaning": meaning})


@dataclasses.dataclass(kw_only=True, slots=True)
class Dataset:
    """The real data."""

    name: str = setting(
        "digits",
        "digits | tfds:NAME | folder:PATH (a directory or a zip) | stacked_mnist | gaussian_1d | "
        "ring_2d | grid_2d",
    )
    split: str = setting(
        "train",
        "TFDS split, slices as in 'train[:10%]' included; of a folder that has train/, val/ or "
        "test/: which of them, as 'train', 'train+test' or 'all'",
    )
    labels: str = setting(
        "auto",
        "classes of a folder; auto: by StyleGAN's dataset.json, or else by its first-level folders "
        "where these hold classes; folders: each of them is a class; none: there are no classes",
        choices=("auto", "folders", "none"),
    )
    data_dir: str = setting(
        "", "where TFDS keeps prepared data; empty: TFDS's own default", resumable=True
    )
    image_size: int = setting(
        0,
        "side in pixels after center crop and resize; 0: the data's own (folder: has none); "
        "stacked_mnist is padded, to 32",
        at_least=0,
        below=8193,
    )
    channels: int = setting(0, "1 gray, 3 RGB; 0: the data's own", choices=(0, 1, 3))
    pixel_range: str = setting(
        "signed",
        "signed: [-1, 1], G ends in tanh; unit: [0, 1], G ends in a sigmoid",
        choices=("signed", "unit"),
    )
    flip: bool = setting(False, "mirror each real image left to right, at random")
    dequantize: bool = setting(False, "add U(0, 1) of a pixel's 256 levels to real images")
    damaged: str = setting(
        "refuse",
        "an image that cannot be decoded; refuse: ends the start or the run; replace: the next "
        "image is shown in its place",
        choices=("refuse", "replace"),
        resumable=True,
    )
    max_megapixels: int = setting(
        MAX_MEGAPIXELS,
        "an image of more megapixels, or a file of more than 4 times as many MB, is refused before "
        "it takes the memory",
        at_least=1,
        below=LARGEST_MEGAPIXELS + 1,
        resumable=True,
    )
    resident_mb: int = setting(
        1024,
        "a data set of at most this many MB stays on the device as uint8; a larger one is streamed",
        at_least=0,
        below=2**31,
        resumable=True,
    )
    workers: int = setting(
        0,
        "processes that decode a streamed data set; 0: threads of this one",
        at_least=0,
        below=1025,
        resumable=True,
    )


@dataclasses.dataclass(kw_only=True, slots=True)
class Latent:
    """The generator's input z."""

    dim: int = setting(100, "numbers in z", at_least=1, below=2**20)
    distribution: str = setting(
        "normal", "normal: N(0, 1); uniform: U(-1, 1)", choices=("normal", "uniform")
    )
    truncation: float = setting(
        0.0,
        "pictures draw each number of z again until it is within +- this (BigGAN); 0: they do not",
        at_least=0,
        resumable=True,
    )


@dataclasses.dataclass(kw_only=True, slots=True)
class Optimizer:
    """One player's optimizer."""

    name: str = setting(
        "adam",
        "adam | rmsprop (reads no b1) | sgd (reads the learning rate alone)",
        choices=("adam", "rmsprop", "sgd"),
    )
    learning_rate: float = setting(2e-4, "step size", at_least=0, traced=True)
    b1: float = setting(0.5, "decay of the first moment", at_least=0, below=1, traced=True)
    b2: float = setting(0.999, "decay of the second moment", at_least=0, below=1, traced=True)
    eps: float = setting(1e-8, "added to the root of the second moment", at_least=0, traced=True)


INITIALIZERS = ("lecun_normal", "he_normal", "glorot_uniform", "normal", "orthogonal")


@dataclasses.dataclass(kw_only=True, slots=True)
class Network:
    """What every network has: the name of its family in `models.FAMILIES`, and how it is trained.

    A family's own options are the further fields of its subclass; they are handed to its linen
    modules under the same names.
    """

    name: str = setting("", "family")
    optimizer: Optimizer = section(Optimizer, "how it is trained")
    orthogonal: float = setting(
        0.0,
        "beta of orthogonal regularization, beta |W^T W * (1 - I)|^2 (BigGAN: 1e-4)",
        at_least=0,
    )


@dataclasses.dataclass(kw_only=True, slots=True)
class MLP(Network):
    """Fully connected layers."""

    name: str = setting("mlp", "family")
    hidden: tuple[int, ...] = setting((128,), "units of each hidden layer", at_least=1, below=2**20)
    activation: str = setting(
        "relu", "relu | leaky_relu (slope .2) | tanh", choices=("relu", "leaky_relu", "tanh")
    )
    initializer: str = setting("lecun_normal", "weights at the start", choices=INITIALIZERS)
    batch_norm: str = setting(
        "none",
        "none | before | after each hidden activation",
        choices=("none", "before", "after"),
    )
    batch_norm_decay: float = setting(0.9, "of its running statistics", at_least=0, below=1)
    batch_norm_eps: float = setting(1e-5, "added to its variance", at_least=0)


@dataclasses.dataclass(kw_only=True, slots=True)
class MLPDiscriminator(MLP):
    """An MLP that may look at several samples at once."""

    minibatch_std: int = setting(
        0,
        "examples over which a feature 'standard deviation' is taken; 0: none",
        at_least=0,
        below=2**24,
    )


@dataclasses.dataclass(kw_only=True, slots=True)
class DCGAN(Network):
    """Strided convolutions, after Radford et al. 2016."""

    name: str = setting("dcgan", "family")
    width: int = setting(
        64, "channels next to the image; doubled at each halving", at_least=1, below=2**16
    )
    base: int = setting(
        4,
        "side of the smallest map; image_size is base * 2^n for some n of at least 1",
        at_least=1,
        below=4097,
    )
    kernel: int = setting(4, "side of each convolution", at_least=1, below=64)
    bias: bool = setting(False, "biases also where a BatchNorm follows, and in D's first and last")
    batch_norm: bool = setting(True, "BatchNorm; without it every layer has a bias")


@dataclasses.dataclass(kw_only=True, slots=True)
class CS231n(Network):
    """The convolutional GAN of CS231n's assignment 3, for 28x28 gray images."""

    name: str = setting("cs231n", "family")
    width: int = setting(32, "channels of D's first convolution", at_least=1, below=2**12)


@dataclasses.dataclass(kw_only=True, slots=True)
class ResNetGenerator(Network):
    """Residual blocks with nearest upsampling, from 4x4: SNGAN, WGAN-GP, SAGAN and BigGAN."""

    name: str = setting("resnet", "family")
    channels: tuple[int, ...] = setting(
        (256, 256, 256, 256),
        "of the 4x4 map and after each block; image_size is 4 * 2^blocks",
        at_least=1,
        below=2**16,
    )
    initializer: str = setting("glorot_uniform", "weights at the start", choices=INITIALIZERS)
    spectral_norm: bool = setting(False, "divide each weight by its largest singular value")
    attention: int = setting(
        0,
        "side of the map, the first such, that self-attention acts on; 0: none",
        at_least=0,
        below=8193,
    )
    shared_dim: int = setting(
        0,
        "numbers in a class embedding that all BatchNorms share; 0: each has its own",
        at_least=0,
        below=2**20,
    )
    hierarchical: bool = setting(
        False, "each block's BatchNorms see their own part of z (needs shared_dim)"
    )
    remat: bool = setting(False, "compute blocks again for the gradient: less memory, more time")


@dataclasses.dataclass(kw_only=True, slots=True)
class ResNetDiscriminator(Network):
    """Residual blocks with mean pooling, then a sum or a mean over the last map."""

    name: str = setting("resnet", "family")
    channels: tuple[int, ...] = setting(
        (128, 128, 128, 128), "after each block", at_least=1, below=2**16
    )
    down: int = setting(2, "of the blocks, the first so many halve the map", at_least=0, below=32)
    initializer: str = setting("glorot_uniform", "weights at the start", choices=INITIALIZERS)
    spectral_norm: bool = setting(False, "divide each weight by its largest singular value")
    attention: int = setting(
        0,
        "side of the map, the first such, that self-attention acts on; 0: none",
        at_least=0,
        below=8193,
    )
    pool: str = setting("sum", "over the last map", choices=("sum", "mean"))
    head_bias: bool = setting(True, "whether the last, linear unit has a bias")
    remat: bool = setting(False, "compute blocks again for the gradient: less memory, more time")


@dataclasses.dataclass(kw_only=True, slots=True)
class R3GAN(Network):
    """Residual blocks of grouped convolutions without any normalization (Huang et al. 2024)."""

    name: str = setting("r3gan", "family")
    channels: tuple[int, ...] = setting(
        (768, 768, 768, 768),
        "of each stage from 4x4 outwards; image_size is 4 * 2^(stages - 1)",
        at_least=1,
        below=2**16,
    )
    blocks: int = setting(2, "residual blocks in a stage", at_least=1, below=1001)
    group_size: int = setting(16, "channels that a 3x3 convolution mixes", at_least=1, below=2**16)
    remat: bool = setting(False, "compute blocks again for the gradient: less memory, more time")


@dataclasses.dataclass(kw_only=True, slots=True)
class Penalty:
    """What keeps D smooth; g(x) is the gradient of D at x, |.| the Euclidean norm."""

    name: str = setting(
        "none",
        "none | wgan_gp: w E(|g(x')| - 1)^2 between real and fake | dragan: the same around real | "
        "r1: w/2 E|g(real)|^2 | r2: w/2 E|g(fake)|^2 | r1_r2: both | "
        "lecam: w E relu(D(real) - D_fake)^2 + w E relu(D_real - D(fake))^2",
    )
    weight: float = setting(10.0, "w", at_least=0, traced=True)
    every: int = setting(
        1, "steps from one use to the next, times which w is taken", at_least=1, below=2**31
    )
    clip: float = setting(
        0.0, "after each of its updates D's parameters are clipped to +- this; 0: not", at_least=0
    )


@dataclasses.dataclass(kw_only=True, slots=True)
class Schedule:
    """How hyperparameters move over the steps, all of them by one curve from 0 to 1."""

    name: str = setting(
        "constant",
        "constant: none moves | linear | cosine: half a period",
        choices=("constant", "linear", "cosine"),
    )
    begin: int = setting(0, "the step that they move from", at_least=0, below=2**31)
    steps: int = setting(
        0,
        "steps until they rest; 0: to the end of the run, whose length is then fixed",
        at_least=0,
        below=2**31,
    )
    learning_rate: float = setting(1.0, "both learning rates at the end, as a factor", at_least=0)
    b2: float = setting(
        0.0, "both players' b2 at the end; 0: it does not move", at_least=0, below=1
    )
    penalty: float = setting(1.0, "the penalty's weight at the end, as a factor", at_least=0)


@dataclasses.dataclass(kw_only=True, slots=True)
class Boost:
    """More discriminator updates in some steps, as the authors of WGAN give them."""

    d_steps: int = setting(
        0, "discriminator updates of such a step; 0: off", at_least=0, below=10**4
    )
    first: int = setting(0, "so many steps at the start are such", at_least=0, below=2**31)
    every: int = setting(0, "so is every step that this divides; 0: none", at_least=0, below=2**31)

    def at(self, step: int, usual: int) -> int:
        """Discriminator updates of a step (0, 1, ...), `usual` where nothing is said."""
        return usual if self._before(step + 1) == self._before(step) else self.d_steps

    def before(self, step: int, usual: int) -> int:
        """Discriminator updates of all the steps before this one."""
        return step * usual + self._before(step) * (self.d_steps - usual)

    def _before(self, step: int) -> int:
        """Boosted steps before this one."""
        if not self.d_steps:
            return 0
        head = min(step, self.first)
        return head + (-(-step // self.every) - -(-head // self.every) if self.every else 0)


@dataclasses.dataclass(kw_only=True, slots=True)
class Ema:
    """The moving average of G that samples are drawn from: a decay or a half-life, one of them.

    At step t the decay is at most (1 + t) / (10 + t), so that the first samples are not G's birth;
    where the average starts later, it is the decay itself from then on.
    """

    decay: float = setting(
        0.0, "per step; 0 with half_life 0: no averaging, samples come from the live G",
        at_least=0, below=1, traced=True,
    )  # fmt: skip
    half_life: float = setting(0.0, "in real images; 0: use decay", at_least=0, traced=True)
    start: int = setting(0, "steps before which it is the live G itself", at_least=0, below=2**31)

    def per_step(self, images: int) -> float:
        """The decay of a step of so many real images, 0.5^(images / half_life) (StyleGAN2)."""
        return 0.5 ** (images / self.half_life) if self.half_life else self.decay


METRICS = (
    "fid", "kid", "inception_score", "precision", "recall", "density", "coverage", "modes",
    "reverse_kl",
)  # fmt: skip
LESS_IS_BETTER = ("fid", "kid", "reverse_kl")


@dataclasses.dataclass(kw_only=True, slots=True)
class Eval:
    """How what G makes is compared with the real data; docs/evaluation.md says what to take."""

    features: str = setting(
        "",
        "classifier: trained on the data's own labels | inception | cifar_resnet | pixels; empty: "
        "classifier where there are labels, else pixels. Points are compared as they are",
        choices=("", "classifier", "inception", "cifar_resnet", "pixels"),
        resumable=True,
    )
    weights: str = setting(
        "", "file of weights: inception (safetensors), cifar_resnet (npz)", resumable=True
    )
    resize: str = setting(
        "tf1",
        "how images get the size that inception takes: tf1: as the original | antialiased: bicubic",
        choices=("tf1", "antialiased"),
        resumable=True,
    )
    num_samples: int = setting(
        10_000, "images that G makes", at_least=10, below=10**7, resumable=True
    )
    batch_size: int = setting(
        500, "images at a time, over all devices", at_least=1, below=10**5, resumable=True
    )
    kept: int = setting(
        10_000,
        "images of either side whose features KID, precision and recall, density and coverage see",
        at_least=10,
        below=10**6,
        resumable=True,
    )
    neighbours: int = setting(
        5, "k of precision, recall, density and coverage", at_least=1, below=1000, resumable=True
    )
    best: str = setting(
        "fid", "the metric whose best checkpoint is kept", choices=METRICS, resumable=True
    )


@dataclasses.dataclass(kw_only=True, slots=True)
class Config:
    """One experiment."""

    seed: int = setting(0, "root of every random number", at_least=0, below=2**32, traced=True)
    deterministic: bool = setting(
        False,
        "GPUs compute the same bits each time, by kernels that are neither tuned nor use atomics, "
        "which are slower; CPUs do so anyway",
        resumable=True,
    )
    steps: int = setting(
        10_000,
        "generator updates (where g_steps is more: rounds of D's and G's updates)",
        at_least=1,
        below=2**31,
        resumable=True,
    )
    batch_size: int = setting(
        64, "real images per discriminator update, over all devices", at_least=1, below=2**24
    )
    d_steps: int = setting(1, "discriminator updates per step (k)", at_least=1, below=1001)
    d_boost: Boost = section(Boost, "steps with more of them")
    d_updates: str = setting(
        "together",
        "together: one update on real and fake | separate: one on real, then one on fake (Keras)",
        choices=("together", "separate"),
    )
    g_steps: int = setting(
        1, "generator updates per step, on the same z (DCGAN-tensorflow: 2)", at_least=1, below=101
    )
    g_batch_ratio: int = setting(
        1, "fake images of a generator update, in units of batch_size", at_least=1, below=101
    )
    accumulate: int = setting(
        1,
        "parts of a batch whose gradients make one update together, for want of memory; BatchNorm "
        "sees a part at a time",
        at_least=1,
        below=10**4,
    )
    packing: int = setting(
        1, "samples that D judges together, as channels of one (PacGAN)", at_least=1, below=101
    )
    conditional: bool = setting(False, "both players are told the class of each image")
    augment: str = setting(
        "",
        "DiffAugment of all that D sees: any of color,translation,cutout; empty: none; auto: all "
        "for fewer than 10,000 images, no color from there, translation alone from 100,000",
    )
    loss: str = setting(
        "non_saturating",
        "minimax | non_saturating | least_squares | wasserstein | hinge | relativistic_pairing",
    )
    penalty: Penalty = section(Penalty, "what keeps D smooth")
    precision: str = setting(
        "float32",
        "what the networks compute in; parameters, statistics and losses stay float32",
        choices=("float32", "bfloat16"),
    )
    dataset: Dataset = section(Dataset, "the real data")
    latent: Latent = section(Latent, "the generator's input")
    generator: Network = section(DCGAN, "G")
    discriminator: Network = section(DCGAN, "D")
    schedule: Schedule = section(Schedule, "how hyperparameters move")
    ema: Ema = section(Ema, "moving average of G")
    steps_per_call: int = setting(
        1,
        "steps that one call of the devices makes; divides steps and the intervals below",
        at_least=1,
        below=10_001,
    )
    log_every: int = setting(
        50, "steps between logged metrics", at_least=1, below=2**31, resumable=True
    )
    sample_every: int = setting(
        500,
        "steps between pictures; 0: at the first and the last step",
        at_least=0,
        below=2**31,
        resumable=True,
    )
    num_samples: int = setting(
        64, "samples in a grid of images", at_least=1, below=10_001, resumable=True
    )
    checkpoint_every: int = setting(
        500,
        "steps between checkpoints; 0: at the last step alone",
        at_least=0,
        below=2**31,
        resumable=True,
    )
    checkpoint_keep: int = setting(3, "checkpoints kept", at_least=1, below=2**31, resumable=True)
    eval_every: int = setting(
        0,
        "steps between evaluations, of which the last step has one; 0: none",
        at_least=0,
        below=2**31,
        resumable=True,
    )
    eval: Eval = section(Eval, "how samples are scored")


def validate(config: Config) -> None:
    """Checks every field's type and range, before anything is built.

    Raises:
      UsageError: names the first field that is off, what it got and what it takes.
    """
    for path, field, value in walk(config):
        _check_type(path, value, field.type)
        for number in value if isinstance(value, tuple) else (value,):
            _check_range(path, number, value, field.metadata)
            if float in (field.type, *typing.get_args(field.type)):
                _check_float32(path, number, field.metadata["below"])
        choices = {str(choice): choice for choice in field.metadata["choices"]}
        if choices and value not in choices.values():
            listed = " | ".join(choices)
            raise UsageError(f"{path}={_word(value)}: takes {listed}{nearest(str(value), choices)}")
    if config.generator is config.discriminator or (
        config.generator.optimizer is config.discriminator.optimizer
    ):
        raise UsageError(
            "config.generator and config.discriminator share an object, so that setting one would "
            "set both; make each its own in the experiment file"
        )
    if config.ema.decay and config.ema.half_life:
        raise UsageError(
            f"config.ema: decay={config.ema.decay} and half_life={config.ema.half_life} are both "
            "given; set one of the two and leave the other 0"
        )
    images = config.batch_size * config.d_steps
    if config.ema.half_life and config.ema.per_step(images) >= _NEARLY_ONE:
        raise UsageError(
            f"config.ema.half_life={config.ema.half_life}: is a decay of 1 in float32 for a step "
            f"of {images} images; takes numbers below {images * 2.3e7:.2g}"
        )


def walk(node: Any, path: str = "config") -> Iterator[tuple[str, dataclasses.Field, Any]]:
    """Yields (path, field, value) of every setting, depth first, groups themselves left out."""
    for field in _fields(node):
        value = getattr(node, field.name)
        where = f"{path}.{field.name}"
        if dataclasses.is_dataclass(value):
            yield from walk(value, where)
        elif "choices" in field.metadata:
            yield where, field, value
        else:
            raise UsageError(f"{where}={_word(value)}: takes a group of settings, not a value")


def _fields(node: Any) -> tuple[dataclasses.Field, ...]:
    """Return a group's fields; `from __future__ import annotations` has left names of types."""
    fields = dataclasses.fields(node)
    if any(isinstance(field.type, str) for field in fields):
        types_of = typing.get_type_hints(type(node))
        for field in fields:
            field.type = types_of[field.name]
    return fields


def as_dict(config: Config) -> dict[str, Any]:
    """The config as nested dicts of JSON values; tuples become lists."""

    return _plain(dataclasses.asdict(config))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value


def as_saved(config: Config) -> dict[str, Any]:
    """Return what config.json holds: `as_dict`, after the version of its schema."""
    return {"schema_version": SCHEMA_VERSION, **as_dict(config)}


def digest(saved: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a saved config; the order of its keys and its layout do not count."""
    return hashlib.sha256(json.dumps(saved, sort_keys=True).encode()).hexdigest()


def from_dict(saved: Mapping[str, Any]) -> Config:
    """Return the config that `as_dict` or `as_saved` has written.

    Settings that it lacks have their defaults.

    Raises:
      UsageError: if it has a newer schema, a setting or a network family that this version of
        gan_jax does not have, or a value in place of a group; the message names it.
    """
    return _filled(Config(), _migrated(saved), "config")


def _migrated(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return a saved config in the present schema, without its version."""
    version = saved.get("schema_version", 0)  # files from before there were versions have none
    if type(version) is not int or version < 0:
        raise UsageError(f"config.schema_version={_word(version)}: takes a whole number")
    if version > SCHEMA_VERSION:
        raise UsageError(
            f"config.schema_version={version}: written by a newer gan_jax, and this one reads "
            f"versions up to {SCHEMA_VERSION}; use a newer gan_jax"
        )
    # A change of meaning goes here: where `version` is older than the change, write what the file
    # meant then, such as a default that has changed since. Version 1 means what files without a
    # version mean.
    return {name: value for name, value in saved.items() if name != "schema_version"}


def _filled(node: Any, saved: Any, path: str) -> Any:
    if not isinstance(saved, Mapping):
        raise UsageError(f"{path}={_word(saved)}: takes a group of settings, not a value")
    for name, value in saved.items():
        where, default = f"{path}.{name}", getattr(node, name, None)
        if name not in {field.name for field in dataclasses.fields(node)}:
            raise UsageError(
                f"{where}: no such setting in this version of gan_jax; a newer one may have it"
            )
        if isinstance(default, Network):
            default = _network(value, where)
        if dataclasses.is_dataclass(default):
            value = _filled(default, value, where)
        setattr(node, name, tuple(value) if isinstance(value, list) else value)
    return node


# Families whose name stands for another class on the other side.
_OF_ONE_SIDE = {
    ResNetGenerator: "generator",
    ResNetDiscriminator: "discriminator",
    MLPDiscriminator: "discriminator",
}


def _network(saved: Any, path: str) -> Network:
    """Return a network of the family and the side that a saved one has, with its defaults.

    Of two classes with one name it is the one that has all the saved settings and the fewest
    others.
    """
    if not isinstance(saved, Mapping):
        raise UsageError(f"{path}={_word(saved)}: takes a group of settings, not a value")
    side = path.rpartition(".")[2]
    found = [
        family()
        for family in (*Network.__subclasses__(), MLPDiscriminator)
        if family().name == saved.get("name") and _OF_ONE_SIDE.get(family, side) == side
    ]
    if not found:
        raise UsageError(
            f"{path}.name={_word(saved.get('name'))}: no family of gan_jax's own; give the "
            "experiment file, --config=FILE, beside --workdir"
        )

    def apart(network: Network) -> tuple[int, int]:
        names = {field.name for field in dataclasses.fields(network)}
        return len(saved.keys() - names), len(names - saved.keys())

    return min(found, key=apart)


def differences(config: Config, saved: Mapping[str, Any]) -> list[str]:
    """Return what a saved config holds otherwise; a setting that it lacks has its default.

    Settings that may change when a run is continued do not count.

    Returns:
      One "path: saved VALUE, now VALUE" for each setting that differs.

    Raises:
      UsageError: if the saved config has a newer schema.
    """
    now, then, resumable = {}, {}, set()
    for path, field, value in walk(config):
        now[path], then[path] = _plain(value), _plain(field.default)
        if field.metadata["resumable"]:
            resumable.add(path)
    if config.schedule.name != "constant" and not config.schedule.steps:
        resumable.remove("config.steps")  # the schedule is as long as the run
    then |= dict(_flatten(_migrated(saved)))
    if all(_is_folder(values["config.dataset.name"]) for values in (then, now)):
        # Where a folder lies is not what it holds. Its images are compared by their content, with
        # the fingerprint in manifest.json.
        resumable.add("config.dataset.name")
    missing = object()
    return [
        f"{path}: saved {_show(then, path)}, now {_show(now, path)}"
        for path in sorted(then.keys() | now.keys())
        if path not in resumable and then.get(path, missing) != now.get(path, missing)
    ]


def _is_folder(name: Any) -> bool:
    return isinstance(name, str) and name.startswith("folder:")


def pick(table: Mapping[str, T], name: str, path: str) -> T:
    """Looks a name up in a dict of choices.

    Raises:
      UsageError: if there is none of that name; it lists them and the nearest.
    """
    if name in table:
        return table[name]
    raise UsageError(f"{path}={name!r}: takes {' | '.join(table)}{nearest(name, table)}")


def nearest(name: str, names: Iterable[str]) -> str:
    """Return '; did you mean X?' for the one of some names that `name` stands for, or ''."""
    meant = synonyms.value(name, names)
    return f"; did you mean {meant}?" if meant else ""


def describe(config: Config) -> str:
    """Every setting of a config: its name, value and meaning. For --help."""
    tab = 6 * " "
    return "\n".join(
        f"  --{path}={value}\n"
        + textwrap.fill(field.metadata["meaning"], 100, initial_indent=tab, subsequent_indent=tab)
        for path, field, value in walk(config)
    )


def _flatten(tree: Mapping[str, Any], path: str = "config") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{path}.{name}")
        else:
            yield f"{path}.{name}", value


def _show(values: dict[str, Any], path: str) -> str:
    return _word(values[path]) if path in values else "nothing"


def _word(value: Any) -> str:
    """Return a value as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _check_type(path: str, value: Any, expected: Any) -> None:
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
    if isinstance(expected, types.GenericAlias):
        (inner, _) = typing.get_args(expected)
        if not (isinstance(value, tuple) and all(type(item) is inner for item in value)):
            raise UsageError(f"{path}={_word(value)}: takes a tuple, each {words[inner]}")
        return
    accepted = (float, int) if expected is float else (expected,)
    if type(value) not in accepted:
        raise UsageError(f"{path}={_word(value)}: takes {words[expected]}")


def _check_range(path: str, number: Any, value: Any, accepted: Mapping[str, Any]) -> None:
    low, high = accepted["at_least"], accepted["below"]
    if isinstance(number, float) and not math.isfinite(number):
        raise UsageError(f"{path}={_word(value)}: takes finite numbers")
    if low is not None and not number >= low:
        raise UsageError(f"{path}={_word(value)}: takes numbers of at least {low}")
    if high is not None and not number < high:
        raise UsageError(f"{path}={_word(value)}: takes numbers below {high}")


def _check_float32(path: str, number: int | float, below: int | float | None) -> None:
    """Refuse what is another number once it is float32, which all that is computed is."""
    where = f"{path}={_word(number)}"
    if abs(number) > _LARGEST:
        raise UsageError(f"{where}: is infinite in float32; takes numbers up to {_LARGEST:.2g}")
    if number and abs(number) < _SMALLEST:
        raise UsageError(f"{where}: is 0 in float32; takes 0, or numbers from {_SMALLEST:.2g} on")
    if below == 1 and number >= _NEARLY_ONE:
        raise UsageError(f"{where}: is 1 in float32; takes numbers below {_NEARLY_ONE:.8f}")

"""The model card of an exported generator, as Hugging Face's hub shows it: README.md."""

import pathlib
import re
from typing import Any

import jax

from gan_jax import provenance, workdir
from gan_jax.apply.trained import Trained
from gan_jax.augment import settled
from gan_jax.config import Config, Network, Optimizer, Penalty
from gan_jax.errors import printable
from gan_jax.evaluate import rows

Manifest = dict[str, Any]

_CHECK = "look its terms up before you pass on the generator or what it makes"
_MNIST = (
    "MNIST is copyright of Yann LeCun and Corinna Cortes. Keras's documentation says CC BY-SA 3.0, "
    f"other copies say other things: {_CHECK}."
)
_IMAGENET = (
    "ImageNet's terms of access allow non-commercial research and education alone, and its images "
    f"belong to others: {_CHECK}."
)
_CELEBA = (
    "CelebA's authors allow non-commercial research alone; it shows people who were not asked: "
    f"{_CHECK}."
)
_CIFAR = (
    "CIFAR (A. Krizhevsky, 2009) names no license. Its images were collected on the web for 80 "
    f"Million Tiny Images, which its authors have withdrawn since: {_CHECK}."
)
_DRAWN = "gan_jax draws these numbers itself; there is nothing to license."
_LICENSES = {
    "digits": (
        "scikit-learn's copy of a part of UCI's Optical Recognition of Handwritten Digits "
        "(E. Alpaydin and C. Kaynak, 1998), which UCI lists under CC BY 4.0: name them."
    ),
    "gaussian_1d": _DRAWN,
    "ring_2d": _DRAWN,
    "grid_2d": _DRAWN,
    "stacked_mnist": _MNIST,
    "mnist": _MNIST,
    "fashion_mnist": "Fashion-MNIST is Zalando's, under the MIT license.",
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
    "imagenet2012": _IMAGENET,
    "imagenet_resized": _IMAGENET,
    "downsampled_imagenet": _IMAGENET,
    "celeb_a": _CELEBA,
    "celeb_a_hq": _CELEBA,
    "lfw": (
        "Labeled Faces in the Wild names no license; its photographs are the press's, of people "
        f"who were not asked: {_CHECK}."
    ),
}
_OWN = (
    "These images are of whoever trained the generator, and gan_jax knows neither their license "
    "nor whom they show. To be filled in before this is published."
)
_UNKNOWN = f"gan_jax knows nothing of this data set's license: {_CHECK}."
_SHOWN = 100  # classes at most
# What Markdown, HTML within it, or GitHub's and Hugging Face's tables, links and mentions may take
# for markup. An underscore inside a word is none.
_MARKUP = re.compile(r"[\\`*{}\[\]<>#|~!&\"'$^@]|:(?=//)|(?i:(?<=www)\.)|\b_|_\b")


def write(trained: Trained, platforms: tuple[str, ...]) -> str:
    """The card of a run's G, in Markdown.

    Args:
      trained: the run; its manifest.json, digests.jsonl and eval.jsonl are read.
      platforms: that its program runs on.
    """
    manifest = provenance.read(trained.directory)
    sections = {
        "Load it": _loading(trained, platforms),
        "Classes": _classes(trained),
        "The experiment": _experiment(trained, manifest),
        "Data": _data(trained, manifest),
        "Training": _training(trained, manifest),
        "Metrics": _metrics(trained),
        "Use and limits": _limits(trained),
    }
    parts = [_front_matter(trained), _introduction(trained)]
    parts += [f"## {title}\n\n{text}" for title, text in sections.items() if text]
    return "\n\n".join(parts) + "\n"


def license_of(name: str) -> str:
    """What is known of the license of a data set, and what is to be looked up.

    Args:
      name: as config.dataset.name.
    """
    if name.startswith("folder:"):
        return _OWN
    base = name.removeprefix("tfds:").partition(":")[0].partition("/")[0]
    return _LICENSES.get(base, _UNKNOWN)


def data_name(config: Config) -> str:
    """config.dataset.name; of a folder its own name, since where it lies is nobody's business."""
    kind, _, path = config.dataset.name.partition(":")
    return f"folder:{pathlib.PurePath(path).name}" if kind == "folder" else config.dataset.name


def _front_matter(trained: Trained) -> str:
    images = len(trained.shape) == 3
    task = images and not trained.num_classes
    lines = [
        "---",
        "license: unknown  # of the weights: for whoever publishes them to say; see Data",
        "library_name: jax",
        *["pipeline_tag: unconditional-image-generation"] * task,
        "tags:",
        *[f"- {tag}" for tag in ("gan", "jax", "gan_jax", *["image-generation"] * images)],
        "---",
    ]
    return "\n".join(lines)


def _introduction(trained: Trained) -> str:
    config, classes = trained.config, trained.num_classes
    source = f"z, {config.latent.dim} numbers {_latents(config)[0]},"
    if classes:
        source += f" and a class, 0 to {classes - 1},"
    average = "the moving average of G's weights" if trained.params == "ema" else "G's own weights"
    text = (
        f"# A {_plain(config.generator.name)} generator of {_plain(data_name(config))}\n\n"
        f"G of a generative adversarial network. It turns {source} into {_samples(trained)}. "
        f"Trained by gan_jax, whose code is under the MIT license; these are {average} after "
        f"{trained.step:,} steps."
    )
    if len(trained.shape) == 1:
        return text
    whose = ", the classes in turn" if classes else ""
    caption = f"*Samples 0 to 63 of seed 0{whose}; none is left out.*"
    return f"{text}\n\n![64 samples](samples.png)\n\n{caption}"


def _loading(trained: Trained, platforms: tuple[str, ...]) -> str:
    config, classes = trained.config, trained.num_classes
    draw = _latents(config)[1]
    made = f"uint8 {[16, *trained.shape]}" if len(trained.shape) == 3 else f"{[16, *trained.shape]}"
    label = f"np.arange(16, dtype=np.int32) % {classes}"
    return "\n".join(
        [
            "    pip install jax flatbuffers",
            "",
            "```python",
            "import jax, numpy as np",
            "from jax import export",
            "with open('generator.jax', 'rb') as file:",
            "    generator = jax.jit(export.deserialize(bytearray(file.read())).call)",
            f"z = np.random.default_rng(0).{draw}.astype(np.float32)",
            *[f"label = {label}"] * bool(classes),
            f"samples = np.asarray(generator(z{', label' * bool(classes)}))  # {made}",
            "```",
            "",
            "The file holds the weights, and its batch may have any size. It runs on "
            f"{', '.join(platforms)}, on each by the convolutions that are best there; elsewhere, "
            "or by another version of JAX, a pixel may differ by 1 of 255. JAX "
            f"{jax.__version__} has written it, and JAX promises that the versions of six months "
            "from then can read it. `generator.safetensors` has the weights alone, for longer, by "
            "their paths (`params/...`, `batch_stats/...`); gan_jax builds their network from "
            "`config.json`, the run's config but for where its data lay.",
        ]
    )


def _classes(trained: Trained) -> str:
    """Return which label is which class; nothing if there are no classes."""
    if not trained.classes:
        return ""
    shown = trained.classes[:_SHOWN]
    lines = ["| label | class |", "| ---: | --- |"]
    lines += [f"| {label} | {_plain(name)} |" for label, name in enumerate(shown)]
    more = f"\n\nThese are {_SHOWN} of {len(trained.classes):,}." * (shown != trained.classes)
    return (
        "\n".join(lines) + f"{more}\n\n`classes.json` lists all names in the order of the labels."
    )


def _experiment(trained: Trained, manifest: Manifest) -> str:
    config = trained.config
    examples = manifest.get("data", {}).get("examples")
    distorted = settled(config, examples).augment if examples else config.augment
    count = sum(leaf.size for leaf in jax.tree.leaves(trained.generator["params"]))
    k = f"{config.d_steps} update{'s' * (config.d_steps > 1)} of D for one of G"
    average = config.ema.per_step(config.batch_size * config.d_steps)
    facts = {
        "loss": config.loss,
        "penalty of D": _short(config.penalty) if config.penalty.name != "none" else "none",
        "G": f"{_short(config.generator)}; {count:,} parameters",
        "D": _short(config.discriminator),
        "optimizer of G": _short(config.generator.optimizer),
        "optimizer of D": _short(config.discriminator.optimizer),
        "batch": f"{config.batch_size} real images, {k}",
        "augmentation": distorted or "none",
        "moving average": f"decay {average:.6g} a step" if average else "none",
        "precision": config.precision,
        "seed": config.seed,
    }
    return _table(facts)


def _data(trained: Trained, manifest: Manifest) -> str:
    config, data = trained.config, manifest.get("data", {})
    facts = {"name": data_name(config)}
    if config.dataset.name.startswith(("tfds:", "stacked_mnist")):
        facts["split"] = config.dataset.split
    facts |= {
        "examples": f"{data['examples']:,}" if data else "not recorded",
        "each": _samples(trained, many=False),
        "fingerprint (SHA-256)": data["sha256"] if data else "not recorded",
    }
    return f"{_table(facts)}\n\nLicense: {license_of(config.dataset.name)}"


def _training(trained: Trained, manifest: Manifest) -> str:
    sessions = [*manifest.get("earlier", []), manifest]
    seconds = sum(session.get("wall_seconds", 0) for session in sessions)
    devices = manifest.get("devices", [])
    kinds = ", ".join(f"{devices.count(kind)} x {kind}" for kind in dict.fromkeys(devices))
    versions = {"Python": manifest.get("python"), **manifest.get("packages", {})}
    digest = _digest(trained)
    facts = {
        "steps": f"{trained.step:,} of {trained.config.steps:,}",
        "time": f"{seconds:,.0f} s in {len(sessions)} session{'s' * (len(sessions) > 1)}, of the "
        f"run up to step {manifest.get('step', 0):,}" if seconds else "not recorded",
        "devices": f"{kinds} ({manifest.get('backend')})" if kinds else "not recorded",
        "versions": ", ".join(f"{name} {value}" for name, value in versions.items() if value),
        "gan_jax": f"{manifest.get('gan_jax', '')}, commit {manifest.get('git') or 'not recorded'}",
        "state at this step (SHA-256)": digest or "not recorded",
    }  # fmt: skip
    return _table(facts)


def _metrics(trained: Trained) -> str:
    ema = trained.config.ema
    if trained.params == "live" and (ema.decay or ema.half_life):
        return "None: evaluations score the run's moving average, and these are not its weights."
    scored = [
        rows.table(row)
        for row in rows.read(trained.directory)
        if row["step"] == trained.step and rows.of_checkpoint(row)
    ]
    if not scored:
        return f"None: nothing was scored at step {trained.step:,}."
    return (
        "Scores compare with those of the same protocol alone, the text behind the step.\n\n"
        + _block("\n\n".join(scored))
    )


def _limits(trained: Trained) -> str:
    labels = " A class outside that range makes no image." if trained.num_classes else ""
    return (
        "For studying and teaching GANs. It makes what its data hold, their gaps and prejudices "
        "included, and nothing else; some samples are malformed, some kinds may be missing, and "
        "some may come close to a training example (`nearest`, where it is scored, near 0 says so)."
        f"{labels} z of another distribution than in training makes poor samples. Where the data "
        "show people, do not use it to pass an image off as one of somebody."
    )


def _latents(config: Config) -> tuple[str, str]:
    """How z is drawn, in words and by a NumPy generator, 16 of them."""
    if config.latent.distribution == "uniform":
        return "from U(-1, 1)", f"uniform(-1, 1, (16, {config.latent.dim}))"
    return "from N(0, 1)", f"standard_normal((16, {config.latent.dim}))"


def _samples(trained: Trained, many: bool = True) -> str:
    if len(trained.shape) == 1:
        return f"point{'s' * many} of {trained.shape[0]} coordinates"
    height, width, channels = trained.shape
    color = {1: "gray", 3: "RGB"}.get(channels, f"{channels}-channel")
    return f"{color} image{'s' * many} of {height}x{width} pixels"


def _digest(trained: Trained) -> str:
    found = workdir.read_lines(trained.directory / "digests.jsonl")
    return next((str(row.get("sha256", "")) for row in found if row["step"] == trained.step), "")


def _short(group: Network | Optimizer | Penalty) -> str:
    """ "NAME (setting value, ...)", nested groups left out."""
    values = {name: getattr(group, name) for name in group.__dataclass_fields__ if name != "name"}
    shown = ", ".join(
        f"{k} {v}" for k, v in values.items() if isinstance(v, int | float | str | tuple)
    )
    return f"{group.name} ({shown})"


def _table(facts: dict[str, Any]) -> str:
    lines = [f"| {_plain(name)} | {_plain(value)} |" for name, value in facts.items()]
    return "\n".join(["| | |", "| --- | --- |", *lines])


def _plain(value: Any) -> str:
    """Return text that shows as it is wherever it stands in Markdown, in one line."""
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", printable(str(value)))


def _block(text: str) -> str:
    """Return lines as a block of code, which nothing in them ends."""
    ticks = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    lines = "\n".join(map(printable, text.split("\n")))
    return f"{fence}\n{lines}\n{fence}"

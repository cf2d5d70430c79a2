"""Writes docs/recipes.md: the experiments' docstrings as cards, with what their code says of them.

python -m docs.recipes > docs/recipes.md
"""

import ast
import importlib.util
import pathlib
from types import ModuleType

import jax

from gan_jax import prng
from gan_jax.config import Config, Optimizer
from gan_jax.state import build_models, init_state

ROOT = pathlib.Path(__file__).parent.parent

HEAD = """\
# Recipes

One card for each file of `experiments/`, made by `python -m docs.recipes` from its docstring and
its config. Units, everywhere: a *step* is k updates of D and then one of G (or `g_steps` of them);
*batch* is the real images of one update of D, over all devices; schedules and moving averages that
count steps count these. DIR is where TFDS prepared the data (`--mode=prepare` does it once).

One thing is different from PyTorch everywhere: BatchNorm's running variance, by which samples are
normalized, is the biased one, as in Flax and Keras. PyTorch's is n / (n - 1) times as large, where
a batch has n values of a channel: 1.6 % for 64 vectors, 0.1 % for 64 maps of 4x4.

| experiment | loss | what keeps D smooth | optimizer: rates of G, D (b1, b2) | k | batch | \
steps | parameters of G | of D | trained |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""

# Shapes, where the config says no size, and classes; two stand for those of your own images.
DATA = {
    "digits": ((8, 8, 1), 10),
    "tfds:mnist": ((28, 28, 1), 10),
    "tfds:cifar10": ((32, 32, 3), 10),
    "tfds:imagenet2012": ((0, 0, 3), 1000),
    "folder:faces": ((0, 0, 3), 0),
    "folder:images": ((0, 0, 3), 2),
    "stacked_mnist": ((28, 28, 3), 1000),
    "gaussian_1d": ((1,), 0),
    "ring_2d": ((2,), 0),
    "grid_2d": ((2,), 0),
}


def page() -> str:
    """All of it."""
    paths = sorted((ROOT / "experiments").glob("*.py"))
    rows, cards = [], []
    for path in paths:
        module = load(path)
        variants = getattr(module, "VARIANTS", ("",))
        configs = {variant: module.get_config(*filter(None, [variant])) for variant in variants}
        rows += [
            row(name(path, variant, variants), config, trained(module.__doc__))
            for variant, config in configs.items()
        ]
        cards.append(card(path, configs))
    return HEAD + "\n".join(rows) + "\n\n" + "\n\n".join(cards)


def load(path: pathlib.Path) -> ModuleType:
    """Imports an experiment file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def name(path: pathlib.Path, variant: str, variants: tuple[str, ...]) -> str:
    """What --config is given, after experiments/."""
    return path.name if variant == variants[0] else f"{path.name}:{variant}"


def trained(docstring: str) -> str:
    """What the docstring's last paragraph says of it."""
    measured = docstring.strip().split("\n\n")[-1]
    if measured.startswith("Measured: not run"):
        return "no"
    return "in part" if "not run" in " ".join(measured.split()) else "yes"


def row(label: str, config: Config, trained: str) -> str:
    """A line of the table."""
    anchor = label.partition(".py")[0] + "py"
    g, d = parameters(config)
    k = f"{config.d_steps}" + (f", {config.d_boost.d_steps}" if config.d_boost.d_steps else "")
    cells = (
        f"[{label}](#{anchor})",
        config.loss.replace("_", " "),
        smoothness(config),
        rates(config.generator.optimizer, config.discriminator.optimizer),
        k,
        f"{config.batch_size:,}",
        f"{config.steps:,}",
        f"{g:,}",
        f"{d:,}",
        trained,
    )
    return f"| {' | '.join(cells)} |"


def smoothness(config: Config) -> str:
    """Penalty, clipping, spectral norm and whatever lets D see more than one sample."""
    penalty = config.penalty
    parts = []
    if penalty.name != "none":
        parts.append(f"{penalty.name} {penalty.weight:g}")
    if penalty.clip:
        parts.append(f"clipped to {penalty.clip:g}")
    if getattr(config.discriminator, "spectral_norm", False):
        parts.append("spectral norm")
    if config.packing > 1:
        parts.append(f"packing {config.packing}")
    if getattr(config.discriminator, "minibatch_std", 0):
        parts.append(f"minibatch std of {config.discriminator.minibatch_std}")
    return ", ".join(parts) or "-"


def rates(g: Optimizer, d: Optimizer) -> str:
    """E.g. adam 1e-4, 4e-4 (0, 0.999)."""
    same = g.learning_rate == d.learning_rate
    numbers = f"{g.learning_rate:g}" if same else f"{g.learning_rate:g}, {d.learning_rate:g}"
    decays = f"({g.b1:g}, {g.b2:g})" if g.name == "adam" else f"({g.b2:g})"
    return f"{g.name} {numbers} {decays}"


def data(config: Config) -> tuple[tuple[int, ...], int]:
    """Shape of an example and number of classes, of data that need not be there."""
    shape, num_classes = DATA[config.dataset.name]
    size = config.dataset.image_size
    return (size, size, shape[2]) if size else shape, num_classes


def parameters(config: Config) -> tuple[int, int]:
    """Of G and of D; nothing is computed."""
    shape, num_classes = data(config)
    models = build_models(config, shape, None, num_classes)
    state = jax.eval_shape(lambda key: init_state(config, models, shape, key), prng.root(0))
    g, d = (
        sum(leaf.size for leaf in jax.tree.leaves(player.params))
        for player in (state.generator, state.discriminator)
    )
    return g, d


def card(path: pathlib.Path, configs: dict[str, Config]) -> str:
    """The docstring, the parameters and, where there is one, the picture."""
    title, *paragraphs = ast.get_docstring(ast.parse(path.read_text())).split("\n\n")
    counts = {parameters(config) for config in configs.values()}
    listed = " or ".join(f"G {g:,} and D {d:,}" for g, d in sorted(counts))
    text = [f"## {path.name}", title, *(code(paragraph) for paragraph in paragraphs)]
    text.append(f"Parameters: {listed}.")
    for picture in sorted((ROOT / "docs" / "pictures").glob(f"{path.stem}[.-]*")):
        text.append(f"![{path.stem}](pictures/{picture.name})")
    return "\n\n".join(text)


def code(paragraph: str) -> str:
    """Commands, which are indented by two, as Markdown's code."""
    lines = paragraph.splitlines()
    if not lines[0].startswith(("  ", "python launch.py")):
        return paragraph
    return "\n".join(f"    {line.strip() if i == 0 else line[2:]}" for i, line in enumerate(lines))


if __name__ == "__main__":
    print(page())

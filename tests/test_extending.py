"""docs/extending.md, applied to a copy of the project as a reader would."""

import re
import shutil
import subprocess
import sys

import pytest

from support import ROOT, Launcher

PAGE = (ROOT / "docs" / "extending.md").read_text()
BLOCK = re.compile(
    r'```python file=(?P<file>\S+)(?: (?P<where>before|after)="(?P<line>[^\n]*)")?\n'
    r"(?P<code>.*?)```",
    re.S,
)


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """The copy, with every block of the page in its place."""
    copy = tmp_path_factory.mktemp("extended") / "project"
    for name in ("gan_jax", "experiments", "launch.py"):
        source = ROOT / name
        copier = shutil.copytree if source.is_dir() else shutil.copy
        copy.mkdir(exist_ok=True)
        copier(source, copy / name)
    for block in BLOCK.finditer(PAGE):
        path, code, line = copy / block["file"], block["code"], block["line"]
        if line is None:
            assert not path.exists()
            path.write_text(code)
            continue
        text = path.read_text()
        assert text.count(f"\n{line}\n") == 1, line
        both = f"{code}\n\n{line}" if block["where"] == "before" else f"{line}\n{code.rstrip()}"
        path.write_text(text.replace(line, both))
    return copy


def test_the_page_has_a_block_for_each_thing_and_each_is_short():
    blocks = list(BLOCK.finditer(PAGE))
    assert PAGE.count("```python") == len(blocks)
    assert {block["file"].rpartition("/")[2] for block in blocks} == {
        "losses.py", "lowrank.py", "__init__.py", "sources.py", "discs.py"
    }  # fmt: skip
    for section in PAGE.split("\n## ")[1:]:
        lines = [line for block in BLOCK.finditer(section) for line in block["code"].splitlines()]
        assert len([line for line in lines if line.strip()]) < 30, section.splitlines()[0]


def test_what_the_page_adds_trains(extended, tmp_path_factory):
    launcher = Launcher(tmp_path_factory.mktemp("xla"))
    process = launcher.start(
        "--config=experiments/discs.py", "--config.steps=3", "--config.num_samples=4",
        folder=extended,
    )  # fmt: skip
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "discs: pearson" in err
    assert (extended / "runs" / "discs" / "samples" / "step_00000003.png").exists()


def test_the_added_loss_has_the_values_of_other_implementations(extended):
    program = (
        "import jax.numpy as jnp; from gan_jax.losses import LOSSES; loss = LOSSES['pearson'];"
        "logits = jnp.array([1.5, -.3, .8, 2.2, -1.1]), jnp.array([-.7, .4, -2, 1.3, .1]);"
        "print(loss.discriminator(*logits), loss.generator(*logits))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=extended, capture_output=True, text=True, check=True
    )
    d_loss, g_loss = map(float, ended.stdout.split())
    assert d_loss == pytest.approx(1.738)
    assert g_loss == pytest.approx(0.635)

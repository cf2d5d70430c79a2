"""The model card shows every text as it is, whatever Markdown or HTML would make of it."""

import copy
import html
import re

import pytest
from markdown_it import MarkdownIt

from browser import Parsed
from gan_jax import workdir
from gan_jax.apply import card
from gan_jax.apply.export import PLATFORMS, export
from gan_jax.apply.options import Options
from gan_jax.apply.trained import open_trained
from support import CLASSES, untrained_run

HOSTILE = "a\"><script>alert('1')</script>|`b`*c*_d_[e](https://f)\\|<!--~~g~~\r\n# h\u202e\udce9"
SHOWN = HOSTILE.replace("\r\n", r"\r\n").replace("\u202e", r"\u202e").replace("\udce9", r"\udce9")


@pytest.fixture(scope="module")
def trained(named_run):
    return open_trained(workdir.own_config(named_run), named_run, "0")


def shown(text):
    """The card as a browser has it, without its front matter."""
    return Parsed(MarkdownIt("commonmark").enable("table").render(text.split("---\n", 2)[2]))


def cells(text, name):
    """The texts of the row of a table that begins so."""
    rendered = MarkdownIt("commonmark").enable("table").render(text.split("---\n", 2)[2])
    rows = [re.findall("(?s)<td[^>]*>(.*?)</td>", row) for row in rendered.split("<tr>")]
    (found,) = [row for row in rows if row and row[0] == name]
    return [html.unescape(cell) for cell in found]


@pytest.fixture
def hostile(trained, tmp_path):
    """A card whose every text is hostile."""
    texts = ("gan_jax", "git", "python", "backend")
    manifest = {
        **dict.fromkeys(texts, HOSTILE),
        "devices": [HOSTILE],
        "packages": {HOSTILE: HOSTILE},
        "data": {"examples": 3, "sha256": HOSTILE},
    }
    workdir.write_json(tmp_path / "manifest.json", manifest)
    row = {"step": 0, "checkpoint": "latest", "protocol": f"```\n{HOSTILE}\n````", "fid": 1.0}
    workdir.append_line(tmp_path / "eval.jsonl", row)
    workdir.append_line(tmp_path / "digests.jsonl", {"step": 0, "sha256": HOSTILE})
    config = copy.deepcopy(trained.config)
    config.dataset.name = f"folder:/home/alice/{HOSTILE.replace('/', '')}"
    named = trained._replace(config=config, classes=(HOSTILE, "cat"), num_classes=2)
    return card.write(named._replace(directory=tmp_path), PLATFORMS)


def test_no_text_is_markup(hostile):
    parsed = shown(hostile)
    ours = {"h1": 1, "img": 1, "em": 1}  # the title, the samples and what they are
    for tag in ("script", "b", "a", "strong", "del", *ours):
        assert len(parsed.all(tag)) == ours.get(tag, 0), tag
    assert [len(parsed.all(tag)) for tag in ("h2", "pre", "table")] == [7, 3, 4]
    hostile.encode()


def test_every_text_is_shown_as_it_is(hostile):
    assert f"A resnet generator of folder:{SHOWN.replace('/', '')}" in shown(hostile).text
    assert cells(hostile, "0") == ["0", SHOWN]
    assert cells(hostile, "1") == ["1", "cat"]
    assert cells(hostile, "fingerprint (SHA-256)")[1] == SHOWN
    assert cells(hostile, "versions")[1] == f"Python {SHOWN}, {SHOWN} {SHOWN}"
    assert cells(hostile, "gan_jax")[1] == f"{SHOWN}, commit {SHOWN}"
    assert cells(hostile, "devices")[1] == f"1 x {SHOWN} ({SHOWN})"


def test_a_protocol_does_not_end_its_block(hostile):
    metrics = hostile.partition("## Metrics")[2].partition("## Use")[0]
    (block,) = re.findall(r"(?ms)^`````\n(.*)^`````$", metrics)
    assert "````" in block
    assert "fid " in block


def test_the_card_and_a_file_say_which_label_is_which_class(tmp_path, capsys):
    directory = untrained_run(tmp_path / "run", CLASSES)
    export(workdir.own_config(directory), directory, "0", Options())
    text = (directory / "export" / "README.md").read_text(encoding="utf-8")
    assert "a class, 0 to 11," in text
    assert cells(text, "1") == ["1", "T-shirt/top"]
    assert cells(text, "6") == ["6", "a|b"]
    assert cells(text, "11") == ["11", r"b\udce9\n"]
    names = workdir.read_json(directory / "export" / "classes.json")["classes"]
    assert names == list(CLASSES)
    assert "classes.json" in capsys.readouterr().out


def test_of_thousands_of_classes_the_card_lists_a_hundred(trained):
    text = card.write(trained._replace(classes=tuple(f"n{i}" for i in range(1000))), PLATFORMS)
    assert cells(text, "99") == ["99", "n99"]
    assert "n100" not in text
    assert "These are 100 of 1,000." in text


def test_a_manifest_of_other_types_makes_a_card_all_the_same(trained, tmp_path):
    moved = trained._replace(directory=tmp_path)
    names = (
        "data",
        "earlier",
        "devices",
        "packages",
        "git",
        "python",
        "gan_jax",
        "step",
        "backend",
    )
    for value in (None, 3, -1.5, "x", [], ["y"], {}, {"a": [1]}, True):
        for name in (*names, "wall_seconds"):
            workdir.write_json(tmp_path / "manifest.json", {name: value})
            assert "## Training" in card.write(moved, PLATFORMS), (name, value)
        workdir.append_line(tmp_path / "eval.jsonl", {"step": 0, "checkpoint": value})
        workdir.append_line(tmp_path / "digests.jsonl", {"step": 0, "sha256": value})
    assert "None: nothing was scored" in card.write(moved, PLATFORMS)

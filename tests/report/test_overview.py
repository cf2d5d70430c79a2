"""The overview of runs: what it lists, what it compares and what it never does."""

import json
import logging
import os
import re
import shutil

import pytest
from PIL import Image

from browser import Parsed
from gan_jax import command, workdir
from gan_jax.config import as_dict
from gan_jax.errors import UsageError
from gan_jax.report import overview
from support import tiny_config

HOSTILE = "</script><b>\"'&"
FID = "fid100_train;features=pixels-8x8;ema;seed={};data=ed"
OTHER = "fid100_train;features=inception;ema;seed={};data=ed"


def make(folder, name, fids=(), protocol=FID, seed=0, status="done", steps=400, **config):
    """A run's directory: two rows, a picture, and scores at steps 100, 200, ..."""
    directory = folder / name
    (directory / "samples").mkdir(parents=True)
    workdir.write_json(directory / "config.json", as_dict(tiny_config(steps=steps, **config)))
    manifest = {"status": status, "step": steps, "wall_seconds": 65.0}
    workdir.write_json(directory / "manifest.json", manifest)
    for step in (steps // 2, steps):
        row = {"step": step, "d_loss": 1.0 + step, "images_per_second": 900.0, "seconds": 1.0}
        workdir.append_line(directory / "metrics.jsonl", row)
    for i, fid in enumerate(fids, 1):
        row = {"step": 100 * i, "checkpoint": str(100 * i), "protocol": protocol.format(seed)}
        workdir.append_line(directory / "eval.jsonl", row | {"fid": fid})
    Image.new("RGB", (64, 32), (9, 80, 200)).save(directory / "samples" / "step_00000000.png")
    return directory


@pytest.fixture
def folder(tmp_path):
    """Two protocols, a run that is not scored, and one a directory deeper."""
    folder = tmp_path / "runs"
    make(folder, "a", (60.0, 20.0))
    make(folder, "b", (50.0, 30.0, 10.0), seed=1)
    make(folder, "c", (3.0, 2.0), OTHER, loss="hinge")
    make(folder, "d", status="running")
    make(folder, "more/e", (70.0,))
    return folder


def written(folder):
    return overview.write(folder).read_text()


def parts(text):
    """(heading, names of the runs from the top) of each part of the table."""
    bodies = re.findall(r"<tbody.*?>(.*?)</tbody>", text, re.S)
    heads, lists = bodies[::2], bodies[1::2]
    return [
        (Parsed(head).text, re.findall(r'href="(.*?)/(?:index.html)?"', rows))
        for head, rows in zip(heads, lists, strict=True)
    ]


def options(text):
    return re.findall("<option>(.*?)</option>", text)


def test_runs_lie_below_their_protocol_the_best_first(folder):
    assert parts(written(folder)) == [
        ("A fid100_train;features=pixels-8x8;ema;data=ed", ["b", "a", "more/e"]),
        ("B fid100_train;features=inception;ema;data=ed", ["c"]),
        ("not scored", ["d"]),
    ]


def test_what_is_listed_of_a_run(folder):
    (line,) = re.findall(r'<tr data-run="0".*?</tr>', written(folder))
    assert Parsed(line).text == (
        "a 20 200 done 400 400 digits non_saturating 1:05 900 "
        + re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d</td></tr>", line)[0].removesuffix("</td></tr>")
    )
    assert Parsed(line).all("img")[0]["src"].startswith("data:image/webp")


def test_the_best_of_a_part_is_marked_where_it_has_others_to_compare_with(folder):
    marked = re.findall(r'<tr data-run="\d+" class="done best">.*?href="(\w+)/', written(folder))
    assert marked == ["b"]


def test_curves_of_scores_hold_one_protocol(folder):
    text = written(folder)
    assert options(text) == ["FID, protocol A", "d_loss", "images_per_second", "FID, protocol B"]
    figures = re.findall(r"<figure>.*?</figure>", text, re.S)
    lines = [[line["data-run"] for line in Parsed(figure).lines()] for figure in figures]
    assert lines == [["0", "1"], ["0", "1", "2", "3", "4"], ["0", "1", "2", "3", "4"], ["2"]]


def test_it_links_to_pages_that_are_there(folder):
    (folder / "a" / "index.html").write_text("")
    (folder / "d").rename(folder / "100% d")
    (folder / "c").rename(folder / os.fsdecode(b"c\xe9"))
    links = {link["href"] for link in Parsed(written(folder)).all("a")}
    assert links == {"a/index.html", "b/", "c%E9/", "100%25%20d/", "more/e/"}


def test_damaged_and_missing_files(folder):
    for name in ("manifest.json", "metrics.jsonl", "eval.jsonl"):
        (folder / "a" / name).write_bytes(b'{"a": \xff')
        (folder / "b" / name).unlink()
    shutil.rmtree(folder / "a" / "samples")
    assert parts(written(folder))[-1][1] == ["a", "b", "d"]
    (folder / "a" / "config.json").write_bytes(b"[")
    assert parts(written(folder))[-1][1] == ["a", "b", "d"]


def test_many_runs_are_a_small_file(tmp_path):
    for i in range(60):
        directory = make(tmp_path, f"{i}")
        rows = (json.dumps({"step": step, "d_loss": step % 7}) for step in range(500))
        (directory / "metrics.jsonl").write_text("\n".join(rows) + "\n")
    text = written(tmp_path)
    assert len(text) < 400_000
    assert len(Parsed(text).lines()) == 60


def test_every_text_is_escaped(tmp_path):
    directory = make(tmp_path, HOSTILE.replace("/", ""), (1.0, 2.0), HOSTILE, status=HOSTILE)
    config = workdir.read_json(directory / "config.json") | {"loss": HOSTILE}
    config["dataset"]["name"] = HOSTILE
    workdir.write_json(directory / "config.json", config)
    for step in (500, 600):
        workdir.append_line(directory / "metrics.jsonl", {"step": step, HOSTILE: step})
    text = written(tmp_path)
    assert text.isascii()
    assert text.count("</script>") == len(Parsed(text).all("script")) == 2
    assert Parsed(text).text.count(HOSTILE) >= 5
    assert "://" not in text


def test_only_a_directory_named_runs_gets_one_by_itself(tmp_path, folder):
    alone = make(tmp_path / "other", "a")
    overview.refresh(alone)
    assert not (alone.parent / "index.html").exists()
    overview.refresh(folder / "a")
    assert (folder / "index.html").exists()


def test_a_run_does_not_end_by_what_others_have_left(folder, monkeypatch, caplog):
    monkeypatch.setattr(overview, "render", lambda *_: 1 / 0)
    with caplog.at_level(logging.WARNING, "gan_jax"):
        overview.refresh(folder / "a")
    assert "not written (division by zero)" in caplog.text


# --mode=page


def test_the_mode_writes_the_page_of_a_run_or_the_overview_of_runs(folder, capsys):
    for path in (folder / "a", folder):
        command.run("page", command.Request(None, str(path)))
        assert capsys.readouterr().out == f"{path / 'index.html'}\n"
    assert "<h2>Training</h2>" in (folder / "a" / "index.html").read_text()
    assert "<h2>Runs</h2>" in (folder / "index.html").read_text()


@pytest.mark.parametrize("path", ["", "nothing", "runs/a/samples"])
def test_the_mode_refuses_a_directory_that_holds_neither(folder, path, monkeypatch):
    monkeypatch.chdir(folder.parent)
    with pytest.raises(UsageError, match=f"^--workdir={path}: holds no run and no runs"):
        overview.page_of(path)


def test_the_modes_that_a_page_names_are_there(folder):
    text = overview.page_of(str(folder / "a")).read_text()
    named = set(re.findall(r"--mode=(\w+)", text))
    assert named == {"verify", "evaluate", "sample"} <= command.MODES.keys()


# In a browser

NAMES = "[...document.querySelectorAll('tr[data-run] .name span')].map(node => node.textContent)"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_it_opens_quietly_and_scrolls_down_alone(folder, browser, width, dark):
    make(folder, "w" * 120, (1.0, 2.0), "p" * 200 + ";seed={}")
    path = overview.write(folder)
    browser.open(path, width=width, dark=dark)
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [path.as_uri()]
    assert browser.evaluate("document.documentElement.dataset.ready") == "true"
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_heads_sort_within_a_protocol_alone(folder, browser):
    path = overview.write(folder)
    browser.open(path)
    assert browser.evaluate(NAMES) == ["b", "a", "more/e", "c", "d"]
    browser.click('th[data-key="fid"] button')
    assert browser.evaluate(NAMES) == ["more/e", "a", "b", "c", "d"]
    browser.click('th[data-key="run"] button')
    assert browser.evaluate(NAMES) == ["a", "b", "more/e", "c", "d"]
    browser.open(path, "#sort=-fid")
    assert browser.evaluate(NAMES) == ["more/e", "a", "b", "c", "d"]
    assert browser.complaints == []


def test_a_metric_is_chosen(folder, browser):
    shown = "[...document.querySelectorAll('figure:not([hidden]) h3')].map(head => head.innerText)"
    path = overview.write(folder)
    browser.open(path)
    assert browser.evaluate(shown) == ["FID, protocol A"]
    browser.evaluate("document.querySelector('select').focus()")
    browser.press("End")
    assert browser.evaluate(shown) == ["FID, protocol B"]
    browser.open(path, "#metric=d_loss")
    assert browser.evaluate(shown) == ["d_loss"]
    assert browser.complaints == []


def test_pointing_at_a_line_shows_its_run(folder, browser):
    browser.open(overview.write(folder), "#metric=d_loss")
    browser.move("figure:not([hidden]) .plot svg", 0.75, 0.5)
    hot = "[...document.querySelectorAll('tr.hot .name span')].map(node => node.textContent)"
    (name,) = browser.evaluate(hot)
    assert name in browser.evaluate("tip.innerText")
    assert browser.complaints == []

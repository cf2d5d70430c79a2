"""The page of a run is whole and safe whatever the run left, cheap to write, and moves."""

import html
import json
import logging
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
from PIL import Image

from browser import Parsed, assert_nothing_is_fetched
from gan_jax import workdir
from gan_jax.config import MLP, as_dict
from gan_jax.report import page
from gan_jax.report.page import Page
from gan_jax.train import train
from support import ROOT, TINY_FLAGS, json_lines, tiny_config, tiny_mlp_config

HOSTILE = "</script><b>\"'&\N{SNOWMAN}"
FID = "fid100_train;features=pixels-8x8;ema;seed=0"
OTHER = "fid100_train;features=inception;ema;seed=0"
MANIFEST = {
    "status": "done", "step": 400, "command": "python launch.py --config=experiments/digits.py",
    "gan_jax": "0.1.0", "git": "abc123", "python": "3.11.7", "packages": {"jax": "0.10.2"},
    "devices": ["cpu", "cpu"], "data": {"examples": 1797, "sha256": "ed5d0ee6"},
    "wall_seconds": 65.0, "earlier": [{"wall_seconds": 60.0}],
    "warnings": [{"step": 200, "text": "D has won"}],
}  # fmt: skip


def row(step, **others):
    values = {
        "d_loss": 1.2 + 0.001 * step, "g_loss": 0.8, "d_real": 0.4, "d_fake": -0.3,
        "d_accuracy_real": 0.9, "d_accuracy_fake": 0.8, "d_grad_norm": 2.0, "g_grad_norm": 0.02,
        "d_spectral_norm": 1.5, "g_spectral_norm": 1.6, "diversity": 0.7, "d_saturated": 0.0,
        "penalty": 0.0, "images_per_second": 1000.0, "seconds": 0.1 * step,
    }  # fmt: skip
    return {"step": step, **values, **others}


def score(step, fid, protocol=FID, checkpoint=None):
    scores = {"fid": fid, "kid": fid and fid / 10, "kid_std": 0.1, "precision": 0.7, "recall": 0.3}
    return {"step": step, "checkpoint": checkpoint or str(step), "protocol": protocol, **scores}


def make(directory, *, metrics=(), scores=(), pictures=(), manifest=MANIFEST, config=None):
    """A run's directory, as training leaves it."""
    (directory / "samples").mkdir(parents=True, exist_ok=True)
    workdir.write_json(directory / "config.json", config or as_dict(tiny_config(steps=400)))
    workdir.write_json(directory / "manifest.json", manifest)
    for name, rows in (("metrics", metrics), ("eval", scores)):
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    for step in pictures:
        color = (step % 256, 80, 200)
        Image.new("RGB", (64, 32), color).save(directory / "samples" / f"step_{step:08d}.png")
    return directory


def whole(directory):
    (directory / "best" / "00000400").mkdir(parents=True)
    return make(
        directory,
        metrics=[row(step) for step in range(50, 401, 50)],
        scores=[score(200, 60.0), score(400, 20.0), score(400, 3.0, OTHER, "latest")],
        pictures=(0, 100, 200, 300, 400),
    )


def written(directory):
    return Page(directory).write().read_text()


def data(text):
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])


def titles(text):
    return re.findall(r"<figcaption><h3>(.*?)(?: <small>.*?)?</h3>", text)


# What is on the page


def test_the_whole_of_a_run(tmp_path):
    text = written(whole(tmp_path / "digits"))
    parsed = Parsed(text)
    for words in (
        "done", "step 400 of 400", "2:05 of training", "1,000 images/s", "data digits",
        "on 2 x cpu", "20 FID, the best, at step 400", "Step 200. D has won", "abc123",
        "jax 0.10.2",
        "1,797 examples, SHA-256 ed5d0ee6", "python launch.py --config=experiments/digits.py",
        f"--mode=verify --workdir={tmp_path / 'digits'}", "--mode=evaluate --checkpoint=best",
    ):  # fmt: skip
        assert words in parsed.text
    assert titles(text) == [
        "Losses", "Mean logits of D", "D is right on", "Norms of the gradients",
        "Largest spectral norms", "Diversity, 1 as the data", "Images per second",
        "FID", "KID", "Precision, recall",
    ]  # fmt: skip
    assert text.count('class="flag"') == len(titles(text))  # the warning, on every curve
    (image,) = parsed.all("img")
    assert image["data-step"] == "400"  # without a script, too
    assert [frame["step"] for frame in data(text)["frames"]] == [0, 100, 200, 300]


def test_the_numbers_of_the_curves(tmp_path):
    losses = data(written(whole(tmp_path)))["charts"][0]
    assert losses["x"] == [0, 400]
    name, steps, values = losses["lines"][0]
    assert (name, steps) == ("D", list(range(50, 401, 50)))
    assert values[0] == 1.25


def test_zeros_on_a_logarithmic_axis_and_a_penalty_are_drawn(tmp_path):
    rows = [row(50, g_grad_norm=0.0, penalty=0.0), row(100, g_grad_norm=0.0, penalty=2.0)]
    text = written(make(tmp_path, metrics=rows))
    assert "Penalty" in titles(text)
    assert "nan" not in text


def test_metrics_of_no_known_name_have_curves_of_their_own(tmp_path):
    assert titles(written(make(tmp_path, metrics=[row(1, **{"<new>": 1})])))[-1] == "&lt;new&gt;"


def test_scores_of_two_protocols_are_never_joined(tmp_path):
    scores = [score(100, 60.0), score(200, 50.0, OTHER), score(300, 40.0), score(400, 30.0, OTHER)]
    text = written(make(tmp_path, scores=scores))
    lines = [chart["lines"][0] for chart in data(text)["charts"]]
    assert [steps for _, steps, _ in lines] == [[100, 300]] * 3 + [[200, 400]] * 3
    assert len(Parsed(text).all("table")) == 3  # and the config's


def test_bounds_and_images_are_in_the_tables_and_not_on_the_curves(tmp_path):
    scores = [score(0, 1.0, checkpoint=name) for name in ("real", "noise", "/some/images")]
    text = written(
        make(tmp_path, scores=[*scores, score(200, 60.0), score(400, 20.0, FID, "best")])
    )
    assert data(text)["charts"][0]["lines"][0][1:] == [[200, 400], [60.0, 20.0]]
    assert "/some/images" in Parsed(text).text
    assert "20 FID, the best" in Parsed(text).text


def test_what_an_experiment_has_set_is_marked_in_the_config(tmp_path):
    config = tiny_mlp_config(loss="hinge")
    text = written(make(tmp_path, config=as_dict(config)))
    marked = re.findall(r"<tr class=best>(.*?)</tr>", text)
    marked = {Parsed(line).text.split()[0].replace(" ", "") for line in marked}
    assert "loss" in re.sub("<.*?>", "", " ".join(marked))
    assert re.search(r"<td>generator\.<wbr>hidden</td><td>\(16,\)</td>", text)
    default = MLP().hidden
    assert f"<td>{default}</td>" in text
    assert re.search(r"<tr><td>d_steps</td><td>1</td><td></td>", text)


def test_a_config_of_unknown_networks_is_listed_all_the_same(tmp_path):
    config = as_dict(tiny_config())
    config["generator"] = {"name": "mine", "depth": [3, 4]}
    text = written(make(tmp_path, config=config))
    assert "<td>generator.<wbr>depth</td><td>(3, 4)</td>" in text


# Whatever the run left


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"manifest": {}},
        {"manifest": {"status": "running", "step": 0}},
        {"metrics": [row(1)]},
        {"metrics": [row(0, d_loss=float("nan"), g_loss=float("inf"))]},
        {"metrics": [{"step": 5}]},
        {"scores": [score(100, None)]},
        {"scores": [score(100, 5.0)]},
        {"scores": [{"step": 1}, score(0, 5.0), score(0, 5.0)]},
        {"pictures": [0]},
        {"metrics": [row(step, d_loss=1.0 / step) for step in range(1, 3000)]},
    ],
)
def test_a_whole_page_of(tmp_path, parts):
    text = written(make(tmp_path, **parts))
    parsed = Parsed(text)
    for line in parsed.lines():
        assert re.fullmatch(r"-?\d+,-?\d+( -?\d+,-?\d+)*", line["points"])
    assert not re.search(r'style="[^"]*(nan|inf)', text)
    assert json.dumps(data(text), allow_nan=False)


def test_a_few_of_many_classes_are_named(tmp_path):
    names = [f"class {i}" for i in range(1000)]
    sample = {"shape": [8, 8, 1], "num_classes": 1000, "classes": names}
    shown = Parsed(written(make(tmp_path, manifest=MANIFEST | {"sample": sample}))).text
    assert f"{', '.join(names[:30])}, ... (1,000 classes)" in shown
    assert "class 30" not in shown


def test_half_written_lines_are_passed_over(tmp_path):
    whole(tmp_path)
    before = data(written(tmp_path))
    for name in ("metrics.jsonl", "eval.jsonl"):
        with (tmp_path / name).open("a") as file:
            file.write('{"step": 450, "d_lo')
    assert data(written(tmp_path)) == before


def test_files_that_are_missing_or_damaged(tmp_path):
    assert "nothing known" in Parsed(written(tmp_path)).text
    whole(tmp_path)
    for name in ("config.json", "manifest.json", "metrics.jsonl", "eval.jsonl"):
        (tmp_path / name).write_bytes(b'{"a": \xff')
    assert "No row is logged yet." in Parsed(written(tmp_path)).text


def test_long_runs_have_small_pages(tmp_path):
    text = written(make(tmp_path, metrics=[row(step, d_loss=step % 7) for step in range(1, 9000)]))
    assert len(text) < 300_000
    assert all(len(line["points"].split()) <= 402 for line in Parsed(text).lines())


# What is safe to open


def test_every_text_is_escaped(tmp_path):
    config = as_dict(tiny_config()) | {"loss": HOSTILE, HOSTILE: HOSTILE}
    warnings = [{"step": 1, "text": HOSTILE}]
    texts = ("status", "command", "gan_jax", "git", "python", "platform", "xla_flags", "prng")
    manifest = MANIFEST | dict.fromkeys(texts, HOSTILE) | {"warnings": warnings}
    manifest |= {"devices": [HOSTILE], "packages": {HOSTILE: HOSTILE}}
    manifest |= {"sample": {"shape": [8, 8, 1], "num_classes": 1, "classes": [HOSTILE]}}
    directory = make(
        tmp_path / "<b>&", metrics=[row(5, **{HOSTILE: 1.0})], pictures=(0, 5),
        scores=[score(5, 1.0, HOSTILE) | {HOSTILE: 1.0}, score(6, 1.0, HOSTILE) | {HOSTILE: 2.0}],
        manifest=manifest, config=config,
    )  # fmt: skip
    text = written(directory)
    parsed = Parsed(text)
    assert text.isascii()
    assert text.count("</script>") == len(parsed.all("script")) == 3
    assert "<b>&" in parsed.text
    assert parsed.text.count(HOSTILE) >= 16


def test_nothing_is_fetched(tmp_path):
    text = written(whole(tmp_path))
    assert_nothing_is_fetched(text)
    assert len(Parsed(text).all("img")) == 1


# When it is written


def test_it_is_written_when_it_is_time(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(page.time, "monotonic", lambda: now[0])
    made, seen = Page(whole(tmp_path), 0), []
    monkeypatch.setattr(made, "_render", lambda: seen.append(now[0]) or "")
    for seconds in (0, 1, 8, 2, 9, 5):
        now[0] += seconds
        made.refresh(1)
    assert seen == [100.0, 111.0, 125.0]


def test_a_session_that_goes_on_does_not_show_what_a_killed_one_has_drawn(tmp_path):
    made = Page(whole(tmp_path), 150)
    text = made.write().read_text()
    assert (Parsed(text).all("img")[0]["data-step"], len(data(text)["frames"])) == ("100", 1)
    made.refresh(200)  # not yet due
    text = made.write().read_text()
    assert Parsed(text).all("img")[0]["data-step"] == "200"


def test_a_page_that_cannot_be_made_does_not_end_the_run(tmp_path, monkeypatch, caplog):
    made = Page(whole(tmp_path), 0)
    monkeypatch.setattr(page, "render", lambda *_: 1 / 0)
    with caplog.at_level(logging.WARNING, "gan_jax"):
        made.refresh(1)
        made.refresh(2)
    assert [record.message for record in caplog.records] == [
        f"{tmp_path / 'index.html'}: not written (division by zero)"
    ]


def test_nor_does_one_that_cannot_be_written(tmp_path, caplog):
    made = Page(whole(tmp_path), 0)
    (tmp_path / "index.html").mkdir()
    (tmp_path / "index.html" / "file").write_text("")
    with caplog.at_level(logging.WARNING, "gan_jax"):
        made.refresh(1)
    assert "index.html: not written" in caplog.text
    assert not list(tmp_path.glob("*.draft"))


def test_a_refused_start_leaves_no_page(launch, tmp_path):
    flags = (*TINY_FLAGS, f"--workdir={tmp_path / 'run'}")
    assert launch(*flags, "--config.steps=4").returncode == 0
    (tmp_path / "run" / "index.html").unlink()
    assert launch(*flags, "--config.steps=2").returncode == 2
    assert not (tmp_path / "run" / "index.html").exists()


def test_training_writes_it(tmp_path, monkeypatch):
    """From the start on, whole each time, and at the end with how the run ended."""
    monkeypatch.setattr(page, "_SECONDS", 0.0)
    monkeypatch.setattr(page, "_SHARE", 1e9)
    pages, write = [], Page.write

    def kept(self):
        self._seconds = 0.0
        path = write(self)
        pages.append(path.read_text())
        return path

    monkeypatch.setattr(Page, "write", kept)
    directory = tmp_path / "runs" / "digits"
    train(tiny_config(), str(directory))
    assert len(pages) > 5
    states = [re.search(r'<p><i class="dot (\w+)"', Parsed(text) and text)[1] for text in pages]
    assert states == ["running"] * (len(pages) - 1) + ["done"]
    assert "No row is logged yet." in pages[0]
    steps = [row["step"] for row in json_lines(directory / "metrics.jsonl")]
    assert data(pages[-1])["charts"][0]["lines"][0][1] == steps == [2, 4, 6]
    assert Parsed(pages[-1]).all("img")[0]["data-step"] == "6"
    assert "digits/index.html" in (directory.parent / "index.html").read_text()
    manifest = workdir.read_json(directory / "manifest.json")
    assert pathlib.Path(sys.orig_argv[0]).name in manifest["command"]


def test_importing_it_is_cheap():
    heavy = ("jax", "matplotlib", "tensorflow", "scipy", "optuna")
    code = f"import sys, gan_jax.report.page; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def typed(directory):
    """The words of each command of a page, as a shell takes them."""
    lines = re.findall("<pre><code>(.*?)</code></pre>", written(directory))
    return [shlex.split(html.unescape(re.sub("<.*?>", "", line))) for line in lines]


def test_every_command_can_be_pasted_wherever_the_run_lies(tmp_path):
    directory = make(tmp_path / 'it\'s a $HOME & "run"')
    again, verify, evaluate, sample = typed(directory)
    here = f"--workdir={directory}"
    assert again == ["python", "launch.py", "--config=experiments/digits.py", here]
    assert verify == ["python", "launch.py", "--mode=verify", here]
    assert evaluate == ["python", "launch.py", "--mode=evaluate", "--checkpoint=latest", here]
    assert sample == ["python", "launch.py", "--mode=sample", here]


def test_the_command_that_made_a_run_names_the_directory_that_it_is_in_now(tmp_path):
    made = "python3 /src/launch.py --config=a.py --workdir=/old/place --config.loss=hinge"
    again, *_ = typed(make(tmp_path / "run", manifest={**MANIFEST, "command": made}))
    assert again == [
        "python3", "/src/launch.py", "--config=a.py", "--config.loss=hinge",
        f"--workdir={tmp_path / 'run'}",
    ]  # fmt: skip
    for made in ("python -m ipykernel", "python 'launch.py", ""):
        text = written(make(tmp_path / "run", manifest={**MANIFEST, "command": made}))
        assert text.count("<pre><code>") == 3 + bool(made)


def test_commands_for_points_and_for_networks_of_the_users_own_have_what_they_need(tmp_path):
    sample = {"shape": [2], "num_classes": 0, "classes": []}
    config = as_dict(tiny_mlp_config())
    config["generator"]["name"] = "mine"
    made = "python launch.py --config=mine.py --config.seed=3 --workdir=x"
    manifest = {**MANIFEST, "command": made, "sample": sample}
    directory = make(tmp_path / "run", manifest=manifest, config=config)
    for words in typed(directory)[1:]:
        assert words[-3:] == ["--config=mine.py", "--config.seed=3", f"--workdir={directory}"]
    assert f"--out={directory}/sample.npz" in typed(directory)[3]


# In a browser


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_it_opens_quietly_and_scrolls_down_alone(tmp_path, browser, width, dark):
    long = {"devices": ["w" * 90], "command": "python " + "x" * 200, "git": "y" * 120}
    path = Page(make(
        tmp_path, metrics=[row(step) for step in range(1, 500)], pictures=(0, 5),
        scores=[score(step, 9.0, "p" * 200) for step in (5, 6)], manifest=MANIFEST | long,
    )).write()  # fmt: skip
    browser.open(path, width=width, dark=dark)
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [path.as_uri()]
    assert browser.evaluate("document.documentElement.dataset.ready") == "true"
    browser.evaluate("document.querySelector('details').open = true")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


SHOWN = """[document.querySelector(".timeline img").dataset.step,
document.querySelector("output").textContent]"""
SOURCE = "document.querySelector('.timeline img').src"


def test_the_slider_moves_to_other_pictures(tmp_path, browser):
    path = Page(whole(tmp_path)).write()
    browser.open(path)
    newest = browser.evaluate(SOURCE)
    assert browser.evaluate(SHOWN) == ["400", "step 400"]
    browser.evaluate("document.querySelector('.timeline input').focus()")
    browser.press("ArrowLeft")
    assert browser.evaluate(SHOWN) == ["300", "step 300"]
    assert browser.evaluate(SOURCE) != newest
    assert browser.evaluate("location.hash") == "#step=300"
    browser.press("End")
    assert browser.evaluate(SHOWN) == ["400", "step 400"]
    assert browser.evaluate(SOURCE) == newest
    browser.open(path, "#step=110")
    assert browser.evaluate(SHOWN) == ["100", "step 100"]
    assert browser.complaints == []


def test_the_pictures_play(tmp_path, browser):
    browser.open(Page(whole(tmp_path)).write())
    browser.evaluate("void (setInterval = tick => { next = tick })")  # a clock that the test turns
    browser.click(".timeline button")
    assert browser.evaluate(SHOWN) == ["0", "step 0"]
    browser.evaluate("next()")
    assert browser.evaluate(SHOWN) == ["100", "step 100"]
    assert browser.evaluate("document.querySelector('.timeline button').textContent") == "Pause"
    browser.click(".timeline button")
    assert browser.evaluate("document.querySelector('.timeline button').textContent") == "Play"


def test_pointing_at_a_curve_tells_its_numbers_and_pressing_shows_the_picture(tmp_path, browser):
    browser.open(Page(whole(tmp_path)).write())
    browser.move(".chart", 0.5)
    told = browser.evaluate("tip.innerText.split('\\n')")
    assert told == ["step", "200", "D", "1.4", "G", "0.8"]
    browser.click(".chart", 0.26)
    assert browser.evaluate(SHOWN) == ["100", "step 100"]
    assert browser.evaluate("document.querySelector('.chart').dataset.shown") == "100"


def test_a_step_that_some_curves_do_not_reach_is_marked_on_the_others(tmp_path, browser):
    rows, scores = [row(10), row(4000)], [score(10, 5.0), score(20, 4.0)]
    browser.open(Page(make(tmp_path, metrics=rows, scores=scores)).write())
    browser.move(".chart", 0.99)
    marked = "[...document.querySelectorAll('.chart')].map(plot => plot.dataset.here ?? '')"
    assert browser.evaluate(marked) == ["4000"] * 7 + [""] * 3
    assert browser.evaluate("document.documentElement.scrollWidth") <= 1280


def test_a_phone_taps(tmp_path, browser):
    browser.open(Page(whole(tmp_path)).write(), width=390)
    browser.tap(".chart", 0.99)
    assert browser.evaluate("tip.hidden") is False
    box = browser.evaluate("(b => [b.left, b.right])(tip.getBoundingClientRect())")
    assert box[0] >= 0
    assert box[1] <= 390


def test_without_scripts_the_newest_picture_and_the_curves_are_there(tmp_path, browser):
    path = Page(whole(tmp_path)).write()
    browser.open(path, scripts=False)
    browser.screenshot(tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as image:
        colors = {color for _, color in image.convert("RGB").getcolors(1 << 24)}
    assert any(abs(r - 144) + abs(g - 80) + abs(b - 200) < 12 for r, g, b in colors)  # 400 % 256


def test_a_page_of_nothing_runs_too(tmp_path, browser):
    browser.open(Page(make(tmp_path)).write())
    assert browser.evaluate("document.documentElement.dataset.ready") == "true"
    assert browser.complaints == []


def test_real_examples_are_shown_beside_the_samples(tmp_path):
    make(tmp_path, pictures=(0, 50))
    assert 'class="real"' not in Page(tmp_path).write().read_text()
    page_of_run = Page(tmp_path)
    sheet = tmp_path / "samples" / "real.png"
    Image.new("RGB", (64, 32), (1, 2, 3)).save(sheet)
    assert 'class="real" alt="real examples' in page_of_run.write().read_text()
    sheet.write_bytes(sheet.read_bytes()[:60])
    assert 'class="real"' not in Page(tmp_path).write().read_text()

"""The page of a sweep is whole, safe and small whatever the trials came to, and its script runs."""

import base64
import html
import io
import math
import random
import re
import subprocess

import numpy as np
import pytest
from PIL import Image

import browser
from gan_jax.sweep import page
from gan_jax.sweep.outcome import Outcome, rank
from gan_jax.sweep.space import Choice, Halving, Integer, LogUniform, Sweep, Uniform
from support import ghostscript_stub

HOSTILE = "</script><b>"
SPACE = {
    "generator.optimizer.learning_rate": LogUniform(1e-5, 1e-2),
    "b1": Uniform(0.0, 0.9),
    "width": Integer(1, 8),
    "loss": Choice(("hinge", "wasserstein", "non_saturating")),
}
LESS, MORE = Sweep(space=SPACE), Sweep(space=SPACE, metric="inception_score")


class Parsed(browser.Parsed):
    @property
    def trials(self):
        """Of the table, from the top."""
        return [int(row["data-trial"]) for row in self.all("tr") if "data-trial" in row]


def outcome(number, value=10.0, status="done", evaluations=5, **others):
    places = random.Random(number)
    steps = range(1, evaluations + 1)
    curve = () if value is None else tuple((100 * i, value * (1 + 1 / i)) for i in steps)
    fields = {
        "phase": "wide",
        "point": LESS.point(iter([places.random() for _ in SPACE])),
        "seeds": (0,),
        "curve": curve,
        "spread": None,
        "step": 100 * evaluations,
        "metrics": {},
        "message": "",
    }
    return Outcome(number=number, value=value, status=status, **fields | others)


def waiting(number):
    return outcome(number, None, "waiting", point={}, step=0)


def mixed(count, evaluations=5):
    """Trials of all kinds; 7 is the best by a low score."""
    pick = random.Random(0)
    outcomes = []
    for number in range(count):
        status = pick.choice(["done", "done", "done", "pruned", "diverged", "failed"])
        value = 5 + 100 * pick.random()
        outcomes.append(outcome(number, value, status, evaluations))
    if count > 7:
        outcomes[7] = outcome(7, 4.5, evaluations=evaluations)
    return outcomes


def render(directory, outcomes, sweep=LESS, command="python launch.py", importances=None):
    ranked = rank(outcomes, sweep.maximize)
    best = ranked[0] if ranked else None
    return page.render(directory, sweep, outcomes, best, command, importances or {})


def picture(directory, number, name="step_00000100.png", size=(40, 20), color=(255, 0, 0)):
    folder = directory / f"trials/{number:04d}" / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(folder / name)
    return folder / name


def embedded(parsed):
    heads = "data:image/png;base64,"
    images = [image["src"] for image in parsed.all("img")]
    assert all(image.startswith(heads) for image in images)
    return [Image.open(io.BytesIO(base64.b64decode(image[len(heads) :]))) for image in images]


# What is on the page


def test_the_whole_of_a_sweep(tmp_path):
    outcomes = mixed(48)
    sweep = Sweep(space=SPACE, pruning=Halving(1000), seeds=2)
    text = render(tmp_path, outcomes, sweep, "python launch.py --config=a.py", {"b1": 0.7})
    parsed = Parsed(text)
    for words in ("Lower fid is better", "48 trials", "4 dimensions", "2 seeds each"):
        assert words in parsed.text
    assert "python launch.py --config=a.py" in parsed.text
    assert sorted(parsed.trials) == list(range(48))
    assert parsed.trials[0] == 7
    assert len(parsed.lines("best")) == 2  # what it tried, and its curve
    done = sum(outcome.status == "done" for outcome in outcomes)
    assert len(parsed.lines()) == 2 * 48
    assert len(parsed.lines("gray")) == 2 * (48 - done)


def test_the_other_direction(tmp_path):
    text = render(tmp_path, [outcome(0, 3.0), outcome(1, 8.0), outcome(2, 5.0)], MORE)
    assert "Higher <b>inception_score</b> is better" in text
    assert Parsed(text).trials == [1, 2, 0]
    assert 'aria-sort="descending"' in text


def test_colors_go_from_the_best_to_the_worst(tmp_path):
    outcomes = [outcome(0, 10.0), outcome(1, 20.0), outcome(2, 30.0)]
    for sweep, looks in ((LESS, ["c0", "c8", "c15"]), (MORE, ["c15", "c8", "c0"])):
        found = {
            int(line["data-trial"]): line["class"].split()[0]
            for line in Parsed(render(tmp_path, outcomes, sweep)).lines()
        }
        assert [found[number] for number in range(3)] == looks


def test_a_trial_that_is_not_done_has_no_place_on_the_last_axis(tmp_path):
    outcomes = [outcome(0), outcome(1, 2.0, "pruned"), waiting(2)]
    sizes = {
        line["data-trial"]: len(line["points"].split())
        for line in Parsed(render(tmp_path, outcomes)).lines()[:2]
    }
    assert sizes == {"0": len(SPACE) + 1, "1": len(SPACE)}


def test_the_repetitions_of_the_best_are_summed_up(tmp_path):
    again = [outcome(n, value, phase="repeat") for n, value in ((1, 11.0), (2, 12.0), (3, 13.0))]
    for number in range(4):
        picture(tmp_path, number)
    text = render(tmp_path, [outcome(0, 9.0), *again])
    assert "repeated with 3 new seeds: <b>12 ± 1</b>" in html.unescape(text)
    assert len(Parsed(text).all("img")) == 1


def test_importances_are_bars_the_longest_first(tmp_path):
    shares = {"b1": 0.2, "loss": 0.8, "width": math.nan}
    text = render(tmp_path, mixed(10), importances=shares)
    assert re.findall(r'<i style="width:([0-9.]+)%"', text) == ["100.0", "25.0"]
    assert "Not shown" not in text


def test_why_there_are_no_importances_is_said(tmp_path):
    again = [outcome(number, 5.0, phase="repeat") for number in range(1, 20)]
    text = render(tmp_path, [outcome(0), *again])
    assert "Not shown: it takes 12 trials that are done, and 1 is." in text
    alike = render(tmp_path, [outcome(number) for number in range(12)])
    assert "Not shown: the trials that are done do not tell." in alike


def test_rows_link_to_runs_that_are_there(tmp_path):
    (tmp_path / "trials/0001").mkdir(parents=True)
    links = [link["href"] for link in Parsed(render(tmp_path, mixed(3))).all("a")]
    assert links == ["trials.csv", "trials/0001/"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00001234567, "1.235e-5"),
        (12.34567, "12.35"),
        (98765.4, "98,765"),
        (1e30, "1e30"),
        (0, "0"),
    ],
)
def test_numbers_are_short(tmp_path, value, text):
    assert f">{text}</td>" in render(tmp_path, [outcome(0, value)])


# Whatever the trials came to


@pytest.mark.parametrize(
    "outcomes",
    [
        [],
        [outcome(0)],
        [outcome(0, evaluations=1)],
        [waiting(0), waiting(1)],
        [outcome(0, None, "running", curve=())],
        [outcome(n, None, "diverged", curve=()) for n in range(4)],
        [outcome(n, math.nan, "diverged", spread=math.nan) for n in range(4)],
        [outcome(0, 3.0), outcome(1, 3.0)],
        [outcome(0, 0.0), outcome(1, 5e-324), outcome(2, 1e308), outcome(3, -1e308)],
        [outcome(0, 1e-200), outcome(1, 1e90)],
        [outcome(0, math.inf), outcome(1, -math.inf), outcome(2, 1.0)],
        [outcome(0, 1), outcome(1, 2)],
        [outcome(0, seeds=()), outcome(1, seeds=(0, 1), spread=0.25)],
        [outcome(0, point={name: math.inf for name in SPACE})],
        [outcome(0, point={**outcome(0).point, "width": 99, "b1": 7, "loss": ["new", 1]})],
    ],
)
@pytest.mark.parametrize("sweep", [LESS, MORE])
def test_a_whole_page_of(tmp_path, outcomes, sweep):
    text = render(tmp_path, outcomes, sweep)
    parsed = Parsed(text)
    assert sorted(parsed.trials) == [outcome.number for outcome in outcomes]
    for line in parsed.lines():
        assert re.fullmatch(r"-?\d+,-?\d+( -?\d+,-?\d+)*", line["points"])
    assert not re.search(r'style="[^"]*(nan|inf)', text)


def test_lines_stay_in_the_drawing(tmp_path):
    (line, *_) = Parsed(render(tmp_path, [outcome(0, 3.0), outcome(1, 400.0)])).lines()
    points = np.array([point.split(",") for point in line["points"].split()], int)
    assert points.min() >= 0
    assert (points.max(axis=0) <= (2000, 1000)).all()


def test_one_that_goes_off_does_not_flatten_the_others(tmp_path):
    calm = [outcome(n, 10.0 + 5 * n) for n in range(3)]
    wild = outcome(3, 1e9, "diverged")

    def curves(outcomes):
        lines = Parsed(render(tmp_path, outcomes)).lines()
        return {line["data-trial"]: line["points"] for line in lines[len(outcomes) :]}

    assert curves(calm).items() <= curves([*calm, wild]).items()


def test_500_trials_are_a_small_file(tmp_path):
    text = render(tmp_path, mixed(500, evaluations=200))
    assert len(text) < 1_000_000
    parsed = Parsed(text)
    assert len(parsed.trials) == 500
    for curve in parsed.lines()[500:]:  # thinned, but to its end
        assert curve["points"].split()[-1].startswith("2000,")


# What is safe to open


def test_every_text_is_escaped(tmp_path):
    space = {HOSTILE: Choice((HOSTILE, "\"'&")), "b1": Uniform(0.0, 0.9)}
    sweep = Sweep(space=space, metric=HOSTILE, direction="minimize", sampler=HOSTILE)
    point = {HOSTILE: HOSTILE, "b1": 0.5}
    outcomes = [outcome(0, point=point, phase=HOSTILE), outcome(1, point=point, message=HOSTILE)]
    outcomes.append(outcome(2, status=HOSTILE, point=point))
    directory = tmp_path / "<b>&"
    text = render(directory, outcomes, sweep, HOSTILE, {HOSTILE: 1.0})
    parsed = Parsed(text)
    assert text.count("</script>") == len(parsed.all("script")) == 2
    assert "<b>&" in parsed.text
    assert parsed.text.count(HOSTILE) >= 10
    assert any(head.get("data-key") == HOSTILE for head in parsed.all("th"))


def test_nothing_is_fetched(tmp_path):
    picture(tmp_path, 7)
    text = render(tmp_path, mixed(20), importances={"b1": 1.0})
    browser.assert_nothing_is_fetched(text)
    assert len(Parsed(text).all("img")) == 1


def test_it_is_ascii(tmp_path):
    text = render(tmp_path, [outcome(0, spread=0.5, message="\N{SNOWMAN}\udcff")])
    assert text.isascii()
    assert "\N{SNOWMAN}" in html.unescape(text)


# Pictures


def test_the_newest_pictures_of_the_best_six(tmp_path):
    for number in range(8):
        picture(tmp_path, number, "step_00000100.png", color=(255, 255, 255))
        picture(tmp_path, number, "step_00000200.png", color=(10 * number, 0, 0))
    parsed = Parsed(render(tmp_path, [outcome(n, 20.0 - n) for n in range(8)]))
    found = [image.convert("RGB").getpixel((0, 0)) for image in embedded(parsed)]
    assert found == [(10 * number, 0, 0) for number in (7, 6, 5, 4, 3, 2)]


def test_the_first_seed_is_shown(tmp_path):
    folder = tmp_path / "trials/0000/seed_3/samples"
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "step_00000001.png")
    assert len(embedded(Parsed(render(tmp_path, [outcome(0, seeds=(3, 4))])))) == 1


@pytest.mark.parametrize(
    ("size", "shown"), [((1200, 800), (300, 200)), ((90, 45), (270, 135)), ((300, 7), (300, 7))]
)
def test_pictures_fit(tmp_path, size, shown):
    picture(tmp_path, 0, size=size)
    (image,) = embedded(Parsed(render(tmp_path, [outcome(0)])))
    assert image.size == shown


def test_pixels_stay_crisp(tmp_path):
    path = picture(tmp_path, 0)
    board = np.indices((10, 10)).sum(axis=0) % 2 * np.uint8(255)
    Image.fromarray(board.astype(np.uint8)).save(path)
    (image,) = embedded(Parsed(render(tmp_path, [outcome(0)])))
    assert (np.asarray(image.convert("L"))[15::30, 15::30] == board).all()


def test_embedded_pictures_are_small(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (800, 800, 3), np.uint8)
    Image.fromarray(noise).save(picture(tmp_path, 0))
    assert len(render(tmp_path, [outcome(0)])) < 120_000


def test_damaged_pictures_are_passed_over(tmp_path, monkeypatch):
    whole = picture(tmp_path, 0).read_bytes()
    folder = tmp_path / "trials/0000/samples"
    (folder / "step_00000200.png").write_bytes(whole[: len(whole) // 2])
    (folder / "step_00000300.png").write_bytes(b"")
    (folder / "step_00000400.png").mkdir()
    Image.new("1", (10_000, 7_000)).save(folder / "step_00000500.png")
    Image.new("RGB", (40, 20)).save(folder / "step_00000600.png", "EPS")
    started = ghostscript_stub(tmp_path, monkeypatch)
    assert len(embedded(Parsed(render(tmp_path, [outcome(0)])))) == 1
    assert not started.exists()
    (tmp_path / "trials/0001").write_text("no directory")
    (tmp_path / "trials/0002").mkdir()
    (tmp_path / "trials/0002/samples").write_text("no directory")
    assert "<img" not in render(tmp_path, [outcome(1), outcome(2), outcome(3)])


# In a browser


@pytest.fixture
def browse(tmp_path):
    """Opens a page in a headless browser and returns what its script made of it."""
    program = browser.program()
    if program is None:
        pytest.skip(browser.MISSING)

    def browse(text, fragment=""):
        path = tmp_path / "sweep.html"
        path.write_text(text)
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"]
        options += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
        done = subprocess.run(
            [program, *options, path.as_uri() + fragment],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        parsed = Parsed(done.stdout)
        (root,) = parsed.all("html")
        assert "data-error" not in root
        return parsed, root

    return browse


def test_a_sort_by_value_puts_the_best_first(tmp_path, browse):
    outcomes = [*mixed(30), outcome(30, 0.1, "pruned")]
    text = render(tmp_path, outcomes)
    parsed, root = browse(text, "#sort=value")
    assert root["data-ready"] == "true"
    assert parsed.trials[0] == 7
    # The other way round what is not done still comes last.
    parsed, _ = browse(text, "#sort=-value")
    worst = [outcome.number for outcome in reversed(rank(outcomes, False))]
    assert parsed.trials[: len(worst)] == worst


def test_what_is_pointed_at_is_shown_and_heads_sort(tmp_path, browse):
    picture(tmp_path, 7)
    outcomes = mixed(30)
    gestures = """<script>
    const plot = document.querySelector(".plot svg"), box = plot.getBoundingClientRect()
    const end = plot.querySelector('[data-trial="7"]').getAttribute("points").split(" ").pop()
    const [x, y] = end.split(",").map(Number)
    document.querySelector('th[data-key="b1"] button').click()
    plot.dispatchEvent(new PointerEvent("pointermove", {
      clientX: box.left + x / 2000 * box.width + 2, clientY: box.top + y / 1000 * box.height,
    }))
    root.dataset.address = location.hash
    </script></body>"""
    parsed, root = browse(render(tmp_path, outcomes).replace("</body>", gestures))
    assert root["data-address"] == "#sort=b1"
    by_b1 = sorted(outcomes, key=lambda outcome: outcome.point["b1"])
    assert parsed.trials == [outcome.number for outcome in by_b1]
    hot = [attrs for _, attrs in parsed.elements if "hot" in (attrs.get("class") or "").split()]
    assert [attrs["data-trial"] for attrs in hot] == ["7", "7"]  # its picture and its row
    overs = [line["points"].count(",") for line in parsed.lines("over")]
    assert overs == [len(SPACE) + 1, 5]
    (tip,) = [attrs for attrs in parsed.all("div") if attrs.get("id") == "tip"]
    assert "hidden" not in tip


def test_a_phone_scrolls_in_no_other_direction_than_down(tmp_path, browse):
    space = {HOSTILE: Choice(("a" * 60, "b")), **SPACE}
    outcomes = [
        entry._replace(point={HOSTILE: "a" * 60, **entry.point}, message="w" * 200)
        for entry in mixed(12)
    ]
    inner = html.escape(render(tmp_path, outcomes, Sweep(space=space), "python " + "x" * 200))
    frame = f"""<!DOCTYPE html><html><body><iframe width="390" height="800" srcdoc="{inner}">
    </iframe><script>onload = () => {{
      const inside = document.querySelector("iframe").contentDocument.documentElement
      document.documentElement.dataset.inside = JSON.stringify(inside.dataset)
      document.documentElement.dataset.width = inside.scrollWidth
    }}</script></body></html>"""
    _, root = browse(frame)
    assert root["data-inside"] == '{"ready":"true"}'
    assert int(root["data-width"]) <= 390


def test_a_page_without_trials_runs_too(tmp_path, browse):
    _, root = browse(render(tmp_path, []), "#sort=value")
    assert root["data-ready"] == "true"

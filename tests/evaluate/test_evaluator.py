"""The digits, cut in two: what a score says of the same set, of its like, and of noise."""

import numpy as np
import pytest

from gan_jax.config import Dataset
from gan_jax.data.sources import Arrays, open_source
from gan_jax.errors import UsageError
from gan_jax.evaluate import evaluator as module
from gan_jax.evaluate import subjects
from gan_jax.evaluate.evaluator import Evaluator
from support import tiny_config, tiny_mlp_config


def config_of(**settings):
    config = tiny_config()
    for name, value in settings.items():
        setattr(config.eval, name, value)
    return config


@pytest.fixture(scope="module")
def source():
    return open_source(Dataset())


@pytest.fixture(scope="module")
def rows(source):
    evaluator = Evaluator(config_of(num_samples=1797), source)
    config = config_of()
    config.conditional = True
    return {
        "labelled": Evaluator(config, source).score(subjects.of_source(source, "real")),
        "itself": evaluator.score(subjects.of_source(source, "real")),
        "floor": evaluator.floor(),
        "noise": evaluator.score(subjects.noise(source, 1797)),
    }


def test_a_set_is_like_itself(rows):
    row = rows["itself"]
    assert row["fid"] < 1e-6
    assert (row["precision"], row["recall"], row["coverage"]) == (1, 1, 1)
    assert row["kid"] == pytest.approx(0, abs=0.02 * rows["noise"]["kid"])
    assert rows["labelled"]["intra_fid"] < 1e-6
    assert "intra_fid" not in row
    assert (row["modes"], row["reverse_kl"], row["nearest"]) == (10, 0, 0)


def test_its_halves_are_alike_and_noise_is_not(rows):
    floor, noise = rows["floor"], rows["noise"]
    assert 0 < floor["fid"] < 0.05 * noise["fid"]
    assert min(floor[name] for name in ("precision", "recall", "coverage")) > 0.7
    assert 0.8 < floor["nearest"] < 1.3
    assert floor["inception_score"] > 8
    assert max(noise["precision"], noise["coverage"]) < 0.05
    assert noise["nearest"] > 2


def test_the_protocol_says_what_the_score_depends_on(rows, source):
    protocol = rows["noise"]["protocol"].split(";")
    assert protocol[0] == "fid1797_train"
    name = protocol.pop(1)
    assert name.startswith("features=classifier-")
    assert len(name) == len("features=classifier-") + 8
    assert protocol[1:] == [
        "resize=none", "noise", "seed=0", "real=1797", "kept=10000", "k=5",
        f"data={source.fingerprint()[:8]}-8x8x1",
    ]  # fmt: skip
    assert rows["floor"]["protocol"].startswith("fid898_train_rest;")


@pytest.mark.parametrize("changes", [{"batch_size": 77}, {"batch_size": 1797}])
def test_scores_do_not_depend_on_how_many_are_seen_at_a_time(rows, source, changes):
    settings = config_of(num_samples=1797, **changes)
    row = Evaluator(settings, source).score(subjects.noise(source, 1797))
    for name, value in rows["noise"].items():
        if isinstance(value, float) and name != "seconds":
            assert row[name] == pytest.approx(value, rel=1e-4), name


def test_scores_do_not_depend_on_the_number_of_devices(rows, source, monkeypatch):
    import jax

    one = jax.local_devices()[:1]
    monkeypatch.setattr(
        "gan_jax.parallel.jax.pmap",
        lambda function, pmap=jax.pmap, **options: pmap(function, **options | {"devices": one}),
    )
    monkeypatch.setattr("gan_jax.parallel.local_devices", lambda: 1)
    row = Evaluator(config_of(), source).score(subjects.noise(source, 1797))
    assert row["fid"] == pytest.approx(rows["noise"]["fid"], rel=1e-5)


def test_the_data_are_looked_through_once(rows, source, monkeypatch):
    """By the first evaluator of all: the next ones read what it kept."""
    seen = []
    summarize = module.summarize
    monkeypatch.setattr(
        module, "summarize", lambda *a, **k: seen.append(k["count"]) or summarize(*a, **k)
    )
    Evaluator(config_of(), source).score(subjects.noise(source, 100))
    assert seen == [100]


def test_a_damaged_reference_is_made_again(source, caplog, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    config, noise = config_of(features="pixels"), subjects.noise(source, 100)
    first = Evaluator(config, source).score(noise)
    (folder,) = (tmp_path / "gan_jax" / "references").iterdir()
    (folder / "kept.npz").write_bytes(b"damaged")
    again = Evaluator(config, source).score(noise)
    assert again["fid"] == first["fid"]
    assert "made again" in caplog.text
    assert Evaluator(config, source).score(noise)["fid"] == first["fid"]


def test_pixels_of_large_images_are_averaged(source):
    images = np.random.default_rng(0).integers(0, 256, (50, 40, 40, 3), np.uint8)
    config = config_of(kept=50)
    row = Evaluator(config, Arrays(images)).score(subjects.of_source(Arrays(images), "images"))
    assert "features=pixels-16x16;" in row["protocol"]
    assert row["fid"] < 1e-6
    assert "modes" not in row


def test_points_are_compared_as_they_are_and_their_modes_counted():
    config = tiny_mlp_config()
    source = open_source(config.dataset)
    evaluator = Evaluator(config, source)
    one = Arrays(np.tile(np.float32([[1, 0]]), (400, 1)))
    collapsed = evaluator.score(subjects.of_source(one, "images"))
    real = evaluator.score(subjects.of_source(source, "real", np.arange(2_000)))
    assert (collapsed["modes"], collapsed["high_quality"]) == (1, 1)
    assert collapsed["reverse_kl"] == pytest.approx(np.log(8))
    assert real["modes"] == 8
    assert real["fid"] < 1e-3 < collapsed["fid"]
    assert ";features=points;" in real["protocol"]


@pytest.mark.parametrize(
    ("settings", "data", "match"),
    [
        ({"features": "classifier"}, np.zeros((20, 8, 8, 1), np.uint8), "have no labels"),
        ({"features": "inception"}, np.zeros((20, 8, 8, 1), np.uint8), "needs config.eval.weights"),
        ({"features": "cifar_resnet"}, np.zeros((20, 8, 8, 1), np.uint8), "images of 32x32x3"),
    ],
)
def test_features_that_do_not_fit_are_refused(settings, data, match):
    with pytest.raises(UsageError, match=match):
        Evaluator(config_of(**settings), Arrays(data)).open()


@pytest.mark.parametrize("count", [1, 9])
def test_too_few_images_are_refused(source, count):
    few = subjects.of_source(source, "images", np.arange(count))
    with pytest.raises(UsageError, match=f"{count} examples .images. are too few"):
        Evaluator(config_of(), source).score(few)


def test_fewer_neighbours_than_asked_for_are_said(source):
    few = subjects.of_source(source, "images", np.arange(10))
    row = Evaluator(config_of(neighbours=50), source).score(few)
    assert ";k=9;" in row["protocol"]

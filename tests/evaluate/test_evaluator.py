"""The digits, cut in two: what a score says of the same set, of its like, and of noise."""

import numpy as np
import pytest
from PIL import Image

from gan_jax.config import Dataset
from gan_jax.data.folder import Folder
from gan_jax.data.sources import Arrays, open_source
from gan_jax.errors import UsageError
from gan_jax.evaluate import classifier, subjects
from gan_jax.evaluate import evaluator as module
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
        "labeled": Evaluator(config, source).score(subjects.of_source(source, "real")),
        "itself": evaluator.score(subjects.of_source(source, "real")),
        "floor": evaluator.floor(),
        "noise": evaluator.score(subjects.noise(source, 1797)),
    }


def test_a_set_is_like_itself(rows):
    row = rows["itself"]
    assert row["fid"] < 1e-6
    assert (row["precision"], row["recall"], row["coverage"]) == (1, 1, 1)
    assert (row["kid"], row["kid_std"]) == (0, 0)
    assert rows["labeled"]["intra_fid"] < 1e-6
    assert "intra_fid" not in row
    assert (row["modes"], row["reverse_kl"], row["nearest"]) == (10, 0, 0)


def test_the_digits_are_as_good_as_files_in_folders_of_classes_and_flat(rows, source, tmp_path):
    """Sorted by class, the parts of the Inception score had one class each: it was 1.08."""
    places = np.random.default_rng(0).permutation(len(source))
    for name, label in zip(source.classes, range(10), strict=True):
        (tmp_path / "classes" / name).mkdir(parents=True)
        for i in np.flatnonzero(source.labels == label):
            Image.fromarray(source.images[i, ..., 0]).save(
                tmp_path / "classes" / name / f"{i:04d}.png"
            )
    (tmp_path / "flat").mkdir()
    for i, place in enumerate(places):
        Image.fromarray(source.images[place, ..., 0]).save(tmp_path / "flat" / f"{i:04d}.png")
    evaluator = Evaluator(config_of(num_samples=1797), source)
    scored = [
        evaluator.score(subjects.of_source(Folder(str(tmp_path / name), 8, 1), "images"))
        for name in ("classes", "flat")
    ]
    for name, value in rows["itself"].items():
        if isinstance(value, float) and name != "seconds":
            assert [row[name] for row in scored] == [pytest.approx(value, abs=1e-6)] * 2, name
    assert scored[0]["inception_score"] == pytest.approx(9.78, abs=0.03)
    assert scored[0]["features_accuracy"] > 0.97


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


def two_classes(count=1000):
    """Dark images, then light ones, sorted as class folders are; and the same ones, shuffled."""
    rng = np.random.default_rng(0)
    dark, light = (rng.integers(low, low + 100, (count, 4, 4, 1), np.uint8) for low in (0, 150))
    data = np.concatenate([dark, light])
    labels = np.repeat(np.arange(2, dtype=np.int32), count)
    shuffle = rng.permutation(2 * count)
    source = Arrays(data, labels, ("dark", "light"))
    return source, Arrays(data[shuffle], labels[shuffle], source.classes)


@pytest.mark.parametrize("kept", [200, 10_000])
def test_a_set_is_scored_as_a_set_whatever_the_order_of_its_files(kept):
    source, shuffled = two_classes()
    config = config_of(features="pixels", kept=kept, num_samples=2000)
    config.conditional = True
    row = Evaluator(config, source).score(subjects.of_source(shuffled, "images"))
    assert row["fid"] < 1e-9
    assert (row["kid"], row["kid_std"], row["nearest"]) == (0, 0, 0)
    assert (row["precision"], row["recall"], row["coverage"]) == (1, 1, 1)
    assert (row["intra_fid"], row["intra_fid_classes"]) == (pytest.approx(0, abs=1e-9), 2)
    assert f";kept={kept}_random;" in row["protocol"]
    assert "note" not in row


def test_real_data_are_scored_by_as_many_samples_as_checkpoints_are(source):
    _, data = two_classes()
    floors = {
        count: Evaluator(config_of(features="pixels", num_samples=count), data).floor()
        for count in (500, 1500)
    }
    assert floors[500]["protocol"].startswith("fid500_train_rest;")
    assert ";real;seed=0;real=1500;" in floors[500]["protocol"]
    assert floors[500]["note"] == ("not comparable with checkpoints: real images 1500, not 2000")
    assert floors[1500]["note"] == (
        "not comparable with checkpoints: samples 1000, not 1500, real images 1000, not 2000"
    )
    for row in floors.values():  # either part has both classes: between them lie 150 levels
        assert row["fid"] < 0.01
        assert min(row["precision"], row["recall"]) > 0.5
    few = subjects.of_source(source, "images", np.arange(4))
    with pytest.raises(UsageError, match="4 examples"):
        Evaluator(config_of(features="pixels"), source).score(few)


def test_classes_that_have_no_samples_and_unequal_shares_are_told():
    data, _ = two_classes()
    uneven = Arrays(data.images[:1200], data.labels[:1200], data.classes)
    config = config_of(features="pixels", num_samples=400)
    config.conditional = True
    even = np.array([*range(200), *range(1000, 1200)])
    evaluator = Evaluator(config, uneven)
    made = subjects.of_source(data, "ema", even)
    assert (
        evaluator.score(made)["note"] == "samples of all classes in equal shares, unlike the data"
    )
    light = subjects.of_source(data, "ema", even[200:])
    row = evaluator.score(light)
    assert row["note"] == (
        "not comparable with checkpoints: samples 200, not 400; samples of 1 of 2 classes"
    )
    assert (row["intra_fid_classes"], row["intra_fid"]) == (1, pytest.approx(0, abs=1e-9))
    one = subjects.of_source(data, "ema", even[:201])  # a single image of the second class
    assert evaluator.score(one)["intra_fid_classes"] == 1


def test_a_classifier_that_knows_no_class_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(classifier, "_STEPS", 3)
    images = np.random.default_rng(0).integers(0, 256, (300, 4, 4, 1), np.uint8)
    labels = np.arange(300, dtype=np.int32) % 3
    for _ in range(2):  # trained now, and kept
        with pytest.raises(UsageError, match=r"of 100 held-out images.* take .*features=pixels"):
            Evaluator(config_of(), Arrays(images, labels, ("a", "b", "c"))).open()
    one = Arrays(images, 0 * labels, ("a",))
    assert Evaluator(config_of(), one).extractor.name == "pixels-4x4"
    with pytest.raises(UsageError, match="the data have one class; take"):
        Evaluator(config_of(features="classifier"), one).open()


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


def test_fewer_neighbors_than_asked_for_are_said(source):
    few = subjects.of_source(source, "images", np.arange(10))
    row = Evaluator(config_of(neighbours=50), source).score(few)
    assert ";k=9;" in row["protocol"]

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from gan_jax.config import Dataset
from gan_jax.data.sources import Arrays, open_source
from gan_jax.errors import UsageError
from gan_jax.evaluate import classifier
from support import ROOT


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Little training, and nothing kept from other tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(classifier, "_STEPS", 10)
    return tmp_path / "gan_jax" / "classifiers"


@pytest.fixture(scope="module")
def digits():
    return open_source(Dataset())


def test_it_knows_the_digits(digits):
    assert classifier.trained(digits).accuracy > 0.97


def test_its_training_is_deterministic_and_kept(digits, quick):
    first = classifier.trained(digits)
    (kept,) = quick.glob("*.npz")
    again = classifier.trained(digits)
    assert again.sha256 == first.sha256
    assert again[1:] == first[1:]
    jax.tree.map(np.testing.assert_array_equal, again.params, first.params)
    kept.unlink()
    assert classifier.trained(digits).sha256 == first.sha256


def test_what_is_kept_is_not_trained_again(digits, quick, monkeypatch):
    classifier.trained(digits)
    monkeypatch.setattr(classifier, "_train", None)
    classifier.trained(digits)


@pytest.mark.parametrize("damage", [b"", b"PK\\x03\\x04 and no more"])
def test_a_damaged_file_is_made_again(digits, quick, caplog, damage):
    first = classifier.trained(digits)
    (kept,) = quick.glob("*.npz")
    kept.write_bytes(damage)
    assert classifier.trained(digits).sha256 == first.sha256
    assert "damaged" in caplog.text
    caplog.clear()
    classifier.trained(digits)
    assert "damaged" not in caplog.text


def test_other_data_have_another_classifier(digits, quick):
    fewer = Arrays(digits.images[:900], digits.labels[:900], digits.classes)
    assert classifier.trained(digits).sha256 != classifier.trained(fewer).sha256
    assert len(list(quick.glob("*.npz"))) == 2


def test_other_names_of_the_classes_are_other_data(digits, quick):
    classifier.trained(digits)
    renamed = Arrays(digits.images, digits.labels, tuple("abcdefghij"))
    classifier.trained(renamed)
    assert len(list(quick.glob("*.npz"))) == 2


def test_its_accuracy_is_shown_when_it_is_trained(digits, quick, capsys):
    found = classifier.trained(digits)
    shown = f"right about {found.accuracy:.1%} of 179 held-out images (most frequent class: 1"
    assert shown in capsys.readouterr().err
    assert classifier.trained(digits).accuracy == found.accuracy
    assert capsys.readouterr().err == ""


def test_a_file_that_several_share_comes_before_ones_own(digits, quick, tmp_path, monkeypatch):
    """A worker on another machine, whose own classifier is another, takes the sweep's."""
    shared = tmp_path / "sweep" / "classifier.npz"
    first = classifier.trained(digits, shared)
    assert sorted(path.name for path in shared.parent.glob("*.npz")) == ["classifier.npz"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(classifier, "_STEPS", 11)
    own = classifier.trained(digits)
    assert own.sha256 != first.sha256
    assert classifier.trained(digits, shared).sha256 == first.sha256
    assert classifier.trained(digits).sha256 == own.sha256
    fewer = Arrays(digits.images[:900], digits.labels[:900], digits.classes)
    with pytest.raises(UsageError, match=r"classifier.npz: a classifier of other data"):
        classifier.trained(fewer, shared)


def test_a_small_set_holds_out_enough_to_tell(quick):
    """Six of sixty would prove nothing of two classes, however easy they are to tell apart."""
    images = np.zeros((60, 4, 4, 1), np.uint8)
    images[30:] = 255
    found = classifier.trained(Arrays(images, np.repeat(np.int32([0, 1]), 30), ("a", "b")))
    assert (found.held_out, found.useful) == (20, found.accuracy > 0.9)


@pytest.mark.parametrize(
    ("right", "held_out", "chance", "useful"),
    [
        (170, 179, 0.1, True), (18, 179, 0.1, False), (27, 179, 0.1, False), (2, 2, 0.5, False),
        (179, 179, 1.0, False), (990, 1000, 0.99, False), (1000, 1000, 0.99, True),
    ],
)  # fmt: skip
def test_it_is_useful_where_it_is_clearly_better_than_guessing(right, held_out, chance, useful):
    found = classifier.Trained({}, right / held_out, chance, held_out, "")
    assert found.useful == useful


QUICK = """
from gan_jax.config import Dataset
from gan_jax.data.sources import open_source
from gan_jax.evaluate import classifier
classifier._STEPS = 100
print(classifier.trained(open_source(Dataset())).sha256)
"""


def test_of_two_processes_at_once_one_trains(tmp_path):
    """One of them on a single core, which by itself makes another classifier."""
    environment = os.environ | {"XLA_FLAGS": "", "XDG_CACHE_HOME": str(tmp_path)}
    commands = [[sys.executable, "-c", QUICK], ["taskset", "-c", "0", sys.executable, "-c", QUICK]]
    started = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for command in commands
    ]  # fmt: skip
    said = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert said[0][0] == said[1][0]
    assert "".join(err for _, err in said).count("training the classifier") == 1


TRAIN = """
import sys
from absl import flags
from gan_jax import startup
startup.prepare()
flags.FLAGS.mark_as_parsed()
from gan_jax.config import Dataset
from gan_jax.data.sources import open_source
from gan_jax.evaluate import classifier
classifier.trained(open_source(Dataset(name="tfds:mnist", data_dir=sys.argv[1])))
"""


@pytest.fixture(scope="module")
def mnist(real_data):
    """Where MNIST is, its classifier trained in a process that compiles as a user's does."""
    data_dir = str(real_data / "tfds")
    environment = os.environ | {"XLA_FLAGS": ""}
    subprocess.run([sys.executable, "-c", TRAIN, data_dir], check=True, env=environment, cwd=ROOT)
    return data_dir


def test_it_knows_mnist(mnist):
    source = open_source(Dataset(name="tfds:mnist", data_dir=mnist))
    assert classifier.trained(source).accuracy > 0.985


def test_three_digits_are_one_of_a_thousand_classes(mnist):
    """The classifier of MNIST reads the channels: most of the data's own labels."""
    source = open_source(Dataset(name="stacked_mnist", data_dir=mnist))
    example = source.read(np.arange(200))
    params = classifier.trained(source).params
    features, probabilities = jax.jit(classifier.extractor(source))(params, example["image"])
    assert features.shape == (200, classifier.size(source)[0])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-4)
    assert np.mean(probabilities.argmax(axis=1) == example["label"]) > 0.95

import pickle

import numpy as np
import pytest

from gan_jax import prng
from gan_jax.config import Dataset
from gan_jax.data import stacked
from gan_jax.data.sources import Arrays, Source, open_source
from gan_jax.data.stacked import StackedMnist
from gan_jax.data.tfds import Tfds
from gan_jax.errors import UsageError


class Digits(Arrays):
    """Seven images whose pixels tell them apart, in place of MNIST; counts its readings."""

    def __init__(self, *arguments):
        self.arguments, self.readings = arguments, 0
        images = np.arange(7 * 28 * 28).reshape(7, 28, 28, 1) % 251 + 1
        labels = np.array([5, 0, 4, 1, 9, 2, 1], np.int32)
        super().__init__(images.astype(np.uint8), labels, tuple("0123456789"))

    def read(self, indices):
        self.readings += 1
        return super().read(indices)


@pytest.fixture
def digits(monkeypatch):
    monkeypatch.setattr(stacked, "Tfds", Digits)
    return Digits()


def triples(size, digits):
    bits = prng.host_bits(0, "stacked_mnist", 0, 3 * size)
    return [[int(word) % digits for word in bits[3 * i : 3 * i + 3]] for i in range(size)]


@pytest.mark.parametrize(("image_size", "side"), [(0, 28), (28, 28), (32, 32)])
def test_each_channel_is_a_digit_and_the_label_names_all_three(digits, image_size, side):
    source = StackedMnist("train", "", image_size, size=40)
    assert isinstance(source, Source)
    assert (len(source), source.shape, source.num_classes) == (40, (side, side, 3), 1000)
    indices = np.array([3, 39, 3])
    examples = source.read(indices)
    assert examples["image"].dtype == np.uint8
    assert examples["label"].dtype == np.int32
    border = (side - 28) // 2
    for row, index in enumerate(indices):
        triple = triples(40, 7)[index]
        expected = np.zeros((side, side, 3), np.uint8)
        for channel, digit in enumerate(triple):
            inside = slice(border, border + 28)
            expected[inside, inside, channel] = digits.images[digit, :, :, 0]
        assert np.array_equal(examples["image"][row], expected)
        r, g, b = digits.labels[triple]
        assert examples["label"][row] == r + 10 * g + 100 * b


def test_the_triples_are_the_same_for_ever(digits):
    source = StackedMnist("train", "", 28)
    assert len(source) == 128_000
    assert source.read(np.array([0, 1, 127_999]))["label"].tolist() == [19, 190, 505]
    fewer = StackedMnist("train", "", 28, size=10)
    first = np.arange(10)
    assert np.array_equal(fewer.read(first)["image"], source.read(first)["image"])


def test_digits_are_decoded_once_at_the_first_reading_and_do_not_travel(digits):
    source = StackedMnist("train[:5%]", "somewhere", 32, size=10)
    assert source.digits.arguments == ("mnist", "train[:5%]", "somewhere", 0, 1)
    assert source.digits.readings == 0
    first = source.read(np.arange(10))
    source.read(np.arange(10))
    assert source.digits.readings == 1
    again = pickle.loads(pickle.dumps(source))
    assert again.digits.readings == 1
    assert np.array_equal(again.read(np.arange(10))["image"], first["image"])
    assert again.digits.readings == 2
    assert again.fingerprint() == source.fingerprint()


def test_a_fingerprint_changes_with_the_digits_the_size_and_the_number(digits):
    source = StackedMnist("train", "", 28, size=10)
    assert StackedMnist("train", "", 0, size=10).fingerprint() == source.fingerprint()
    hashes = {
        source.fingerprint(),
        StackedMnist("train", "", 32, size=10).fingerprint(),
        StackedMnist("train", "", 28, size=11).fingerprint(),
    }
    source.digits.labels[0] = 3
    assert len(hashes | {source.fingerprint()}) == 4


def refused(**dataset):
    with pytest.raises(UsageError) as refusal:
        open_source(Dataset(name="stacked_mnist", **dataset))
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_what_cannot_be_stacked_is_refused_in_one_line(tmp_path):
    assert "config.dataset.image_size=64: stacked_mnist takes 28, 32" in refused(image_size=64)
    assert "config.dataset.channels=1: stacked_mnist takes 3" in refused(channels=1)
    said = refused(data_dir=str(tmp_path))
    assert f"not prepared in {tmp_path}/mnist" in said
    assert "--config.dataset.name=tfds:mnist" in said


@pytest.mark.parametrize(("image_size", "side"), [(0, 28), (32, 32)])
def test_real_digits_stacked(real_data, image_size, side):
    where = str(real_data / "tfds")
    source = open_source(
        Dataset(
            name="stacked_mnist",
            split="train[:1%]",
            data_dir=where,
            image_size=image_size,
            channels=3,
        )
    )
    assert (len(source), source.shape) == (128_000, (side, side, 3))
    empty = len(pickle.dumps(source))
    indices = np.arange(0, 128_000, 2560)
    examples = source.read(indices)
    chosen = np.array(triples(128_000, 600))[indices]
    alone = Tfds("mnist", "train[:1%]", where, 28, 1).read(chosen.ravel())
    labels = alone["label"].reshape(-1, 3)
    assert examples["label"].tolist() == (labels @ np.array([1, 10, 100])).tolist()
    assert len(set(labels.ravel().tolist())) == 10
    pixels = alone["image"].reshape(-1, 3, 28, 28).transpose(0, 2, 3, 1)
    border = (side - 28) // 2
    inside = slice(border, side - border)
    assert np.array_equal(examples["image"][:, inside, inside], pixels)
    assert examples["image"].sum() == pixels.sum()
    assert len(pickle.dumps(source)) == empty
    again = pickle.loads(pickle.dumps(source)).read(indices)
    assert np.array_equal(again["image"], examples["image"])


def test_a_wrong_split_of_the_real_digits_is_refused(real_data):
    said = refused(split="trian", data_dir=str(real_data / "tfds"))
    assert "mnist has train | test" in said

"""Copies are found and flagged; what is new is not."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from gan_jax import workdir
from gan_jax.apply.neighbors import in_pixels, nearest, neighbors, share_of_the_way
from gan_jax.apply.options import Options
from gan_jax.apply.sampler import Sampler
from gan_jax.apply.trained import open_trained
from gan_jax.config import MLP, Config, Dataset, Ema, Eval, Latent, Optimizer
from gan_jax.data.sources import Arrays, open_source
from gan_jax.train import train


@pytest.fixture
def source():
    return Arrays((load_digits().images[:1200] * 15.9375).astype(np.uint8)[..., None])


def test_the_nearest_are_those_that_a_plain_search_finds(source):
    """Of more images than are in memory at a time."""
    queries = source.images[[5, 1100]].copy()
    queries[1] = 255 - queries[1]
    found = nearest(queries, source, in_pixels, k=4)
    flat = source.images.reshape(1200, -1) / 255
    for query, distances, indices in zip(queries, *found, strict=True):
        every = np.linalg.norm(flat - query.reshape(-1) / 255, axis=1)
        np.testing.assert_allclose(distances, np.sort(every)[:4], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(every[indices], distances, rtol=1e-12, atol=1e-12)
    assert (found.indices[0, 0], found.distances[0, 0]) == (5, 0.0)


def test_a_mirrored_copy_is_found_where_the_run_mirrors(source):
    queries = source.images[[5, 9]][:, :, ::-1]
    found = nearest(queries, source, in_pixels, flip=True)
    assert found.indices[:, 0].tolist() == [5, 9]
    assert found.distances[:, 0].tolist() == [0.0, 0.0]
    assert (nearest(queries, source, in_pixels).distances > 0).all()
    upright = nearest(source.images[[5, 9]], source, in_pixels, flip=True)
    assert upright.indices[:, 0].tolist() == [5, 9]


def test_half_way_to_the_next_image_is_a_half(source):
    found = nearest(source.images[[7]], source, in_pixels)
    own, other = source.images[7].astype(float), source.images[found.indices[0, 1]].astype(float)
    between = np.round(0.6 * own + 0.4 * other).astype(np.uint8)[None]
    share = share_of_the_way(nearest(between, source, in_pixels), source)
    np.testing.assert_allclose(share, [0.4], atol=0.02)
    assert share_of_the_way(found, source) == [0.0]


def test_an_image_that_is_there_twice_is_compared_with_one_unlike_it():
    images = np.zeros((3, 2, 2, 1), np.uint8)
    images[2] = 200
    source = Arrays(images)
    sample = np.full((1, 2, 2, 1), 20, np.uint8)
    share = share_of_the_way(nearest(sample, source, in_pixels), source)
    np.testing.assert_allclose(share, [0.1])


def test_many_equal_images_make_no_copy_of_what_is_far_from_them():
    images = np.zeros((8, 2, 2, 1), np.uint8)
    images[7] = 200
    sample = np.full((1, 2, 2, 1), 120, np.uint8)
    for source, expected in ((Arrays(images), 0.4), (Arrays(images[:7]), np.nan)):
        near = nearest(sample, source, in_pixels)
        np.testing.assert_allclose(share_of_the_way(near, source), [expected])


@pytest.fixture(scope="module")
def memorized(tmp_path_factory):
    """A GAN that was trained on 20 images until it knew them by heart."""
    folder = tmp_path_factory.mktemp("twenty")
    for i, image in enumerate(open_source(Dataset()).images[:20]):
        Image.fromarray(image[..., 0]).save(folder / f"{i:02d}.png")

    def network():
        optimizer = Optimizer(learning_rate=1e-3, b1=0.0, b2=0.99)
        return MLP(hidden=(256, 256), activation="leaky_relu", optimizer=optimizer)

    config = Config(
        steps=3000, batch_size=20,
        dataset=Dataset(name=f"folder:{folder}", image_size=8, channels=1),
        latent=Latent(dim=8), generator=network(), discriminator=network(), ema=Ema(decay=0.99),
        log_every=1000, sample_every=0, checkpoint_every=0, steps_per_call=100,
        eval=Eval(features="pixels"),
    )  # fmt: skip
    directory = tmp_path_factory.mktemp("memorized") / "run"
    train(config, str(directory))
    return directory


def table(directory, target, **options):
    config = workdir.own_config(directory)
    neighbors(config, directory, "latest", Options(out=str(target), **options))
    return json.loads((target / "neighbors.json").read_text())["samples"]


def test_a_generator_that_has_memorized_is_flagged(memorized, tmp_path, capsys):
    rows = table(memorized, tmp_path, num_samples=40)
    copies = [row for row in rows if row["copy"]]
    assert len(copies) >= 24
    assert f"{len(copies)} of 40 samples are copies" in capsys.readouterr().out
    trained = open_trained(workdir.own_config(memorized), memorized)
    made = Sampler(trained, 0, [0]).some(40).image.reshape(40, -1) / 255
    source = open_source(trained.config.dataset)
    flat = source.read(np.arange(20))["image"].reshape(20, -1) / 255
    for row, image in zip(rows, made, strict=True):
        distances = np.linalg.norm(flat - image, axis=1)
        assert row["pixels"]["indices"][0] == np.argmin(distances)
        np.testing.assert_allclose(row["pixels"]["distances"][0], distances.min(), rtol=1e-9)
    with Image.open(tmp_path / "neighbors.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60)
    assert red.sum() > 100 * len(copies)


def test_samples_of_a_class_name_it(conditional_run, tmp_path):
    rows = table(conditional_run, tmp_path, num_samples=2, label="7,3")
    assert [(row["label"], row["class"]) for row in rows] == [(7, "7"), (3, "3")]


def test_one_that_has_hardly_trained_is_not(run, tmp_path):
    rows = table(run, tmp_path, num_samples=8)
    assert not any(row["copy"] for row in rows)
    assert {len(row["pixels-8x8"]["indices"]) for row in rows} == {5}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["neighbors.json", "neighbors.png"]

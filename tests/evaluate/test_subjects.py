import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import parallel, prng
from gan_jax.config import Dataset, Ema
from gan_jax.data.sources import Arrays, open_source
from gan_jax.errors import Diverged
from gan_jax.evaluate import subjects
from gan_jax.report.pictures import to_uint8
from gan_jax.state import build_models, init_state
from support import tiny_config


def sampler(config):
    source = open_source(config.dataset)
    models = build_models(config, source.shape, parallel.AXIS, source.num_classes)
    state = jax.jit(lambda key: init_state(config, models, source.shape, key))(prng.root(0))
    return models, state, subjects.make_samples(config, models, source.num_classes)(state, 0)


def gathered(subject, size):
    batches = list(subject.batches(size))
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


@pytest.fixture(scope="module")
def made():
    config = tiny_config()
    config.eval.num_samples = 10
    return sampler(config)


def test_samples_are_bytes_as_in_the_pictures(made):
    models, state, subject = made
    images = gathered(subject, 10)["image"]
    assert (images.shape, images.dtype, subject.name) == ((10, 8, 8, 1), np.uint8, "ema")
    key = prng.stream(prng.root(0), "evaluation latent")
    z = jax.random.normal(jax.random.fold_in(key, 7), (8,))[None]
    variables = {"params": state.ema.params, **state.ema.model_state}
    sample = models.generator.apply(variables, z, jnp.zeros(1, jnp.int32), train=False)
    difference = images[7].astype(int) - to_uint8(np.asarray(sample))[0]
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("size", [1, 3, 7])
def test_a_sample_is_the_same_in_any_batch_on_any_number_of_devices(made, size):
    _, _, subject = made
    whole, parts = gathered(subject, 10)["image"], gathered(subject, size)["image"]
    assert np.abs(whole.astype(int) - parts).max() <= 1  # a rounding at a half


def test_pixels_in_the_unit_range_have_the_same_bytes():
    config = tiny_config(dataset=Dataset(pixel_range="unit"), ema=Ema())
    config.eval.num_samples = 16
    _, _, subject = sampler(config)
    images = gathered(subject, 16)["image"]
    assert subject.name == "live"
    assert 64 < images.mean() < 192  # a sigmoid of about 0


def test_a_conditional_generator_makes_the_classes_in_turn():
    from gan_jax.config import ResNetDiscriminator, ResNetGenerator

    config = tiny_config(
        conditional=True,
        generator=ResNetGenerator(channels=(4, 4)),
        discriminator=ResNetDiscriminator(channels=(4, 4)),
    )
    config.eval.num_samples = 12
    _, _, subject = sampler(config)
    assert subject.num_classes == 10
    assert gathered(subject, 5)["label"].tolist() == [*range(10), 0, 1]


def test_a_part_of_a_source_comes_in_the_order_that_is_asked_for():
    source = Arrays(np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1))
    subject = subjects.of_source(source, "real", np.array([5, 0, 11]))
    assert subject.count == 3
    assert gathered(subject, 2)["image"].ravel().tolist() == [5, 0, 11]


def images(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 1), np.uint8)


@pytest.mark.parametrize("points", [False, True])
def test_the_contents_decide_the_order(points):
    """However they are sorted, and with copies; and a part is a sample of the whole."""
    data = np.concatenate([images(1500), images(20), images(20), images(1)])
    data = data.reshape(len(data), -1).astype(np.float32) if points else data
    shuffle = np.random.default_rng(1).permutation(len(data))
    one, other = Arrays(data), Arrays(data[shuffle])
    first = data[subjects.by_content(one)]
    np.testing.assert_array_equal(first, other.images[subjects.by_content(other)])
    order = subjects.by_content(one)
    assert sorted(order) == list(range(len(data)))
    assert 600 < order[:700].mean() < 940  # of 0 to 1540
    assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 0.1


def test_copies_are_spread_like_other_images():
    """Ten images, each a hundred times: a tenth of them holds all ten."""
    data = np.tile(images(10), (100, 1, 1, 1))
    order = subjects.by_content(Arrays(data))
    assert len(np.unique(data[order[:100]], axis=0)) == 10
    assert subjects.by_content(Arrays(data[:0])).tolist() == []


def test_a_generator_that_overflows_has_no_score(made):
    models, state, _ = made
    config = tiny_config()
    config.eval.num_samples = 10
    infinite = state.replace(
        ema=state.ema.replace(params=jax.tree.map(lambda x: x * jnp.inf, state.ema.params))
    )
    subject = subjects.make_samples(config, models, 10)(infinite, 0)
    with pytest.raises(Diverged, match="samples of G are not finite"):
        gathered(subject, 10)


def test_labels_may_be_those_of_another_list_of_classes():
    source = Arrays(images(30), np.arange(30, dtype=np.int32) % 2, ("a", "b"))
    subject = subjects.of_source(source, "images", None, np.array([7, 3]), 10)
    batch = gathered(subject, 8)
    own = gathered(subjects.of_source(source, "images"), 8)
    np.testing.assert_array_equal(batch["label"], np.where(own["label"] == 0, 7, 3))
    assert (subject.num_classes, subject.count) == (10, 30)


def test_noise_is_the_same_in_any_batch():
    subject = subjects.noise(Arrays(np.zeros((3, 4, 4, 3), np.uint8)), 9)
    whole, parts = gathered(subject, 9)["image"], gathered(subject, 2)["image"]
    np.testing.assert_array_equal(whole, parts)
    assert (whole.shape, whole.dtype) == ((9, 4, 4, 3), np.uint8)
    assert len(np.unique(whole.reshape(9, -1), axis=0)) == 9
    points = gathered(subjects.noise(Arrays(np.zeros((3, 2), np.float32)), 500), 100)["image"]
    assert points.dtype == np.float32
    assert points.std() == pytest.approx(1, abs=0.1)

import contextlib
import dataclasses
import itertools

import jax
import numpy as np
import pytest
from PIL import Image

from gan_jax.config import Boost, Config, Dataset
from gan_jax.data import feed, sources
from gan_jax.data.folder import Folder

PLAN = feed.Plan(size=30, batch_size=8, rows=(0, 8), devices=4, d_steps=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """30 images that say their number."""
    path = tmp_path_factory.mktemp("numbers")
    for number in range(30):
        Image.new("L", (4, 4), 8 * number).save(path / f"{number:02d}.png")
    return Folder(str(path), 4, 1)


def batches(one_feed, first, count):
    with contextlib.closing(one_feed.items(1, first)) as items:
        return [
            np.asarray(one_feed.assemble(one_feed.constant, item)["image"])[:, 0]
            for item in itertools.islice(items, count)
        ]


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_and_resident_batches_are_the_same(folder, workers):
    plan = dataclasses.replace(PLAN, devices=4)
    a = batches(feed.resident(folder, plan), 3, 4)
    b = batches(feed.streamed(folder, plan, workers), 3, 4)
    for resident, streamed in zip(a, b, strict=True):
        assert resident.shape == (4, 2, 2, 4, 4, 1)
        assert np.array_equal(resident, streamed)


def test_batches_hold_the_examples_of_the_plan(folder):
    (batch,) = batches(feed.resident(folder, PLAN), 5, 1)
    assert np.array_equal(batch[..., 0, 0, 0], 8 * PLAN.at(1, 5))


def test_a_feed_goes_on_from_any_step(folder):
    for one_feed in (feed.resident(folder, PLAN), feed.streamed(folder, PLAN, 0)):
        whole = batches(one_feed, 0, 6)
        assert np.array_equal(batches(one_feed, 4, 2), whole[4:])


@pytest.mark.parametrize("kind", ["resident", "streamed"])
def test_steps_that_share_a_call_have_the_batches_that_they_have_alone(folder, kind):
    make = {"resident": feed.resident, "streamed": lambda *of: feed.streamed(*of, 0)}[kind]
    alone = batches(make(folder, PLAN), 3, 6)
    together = make(folder, dataclasses.replace(PLAN, steps_per_call=3))
    with contextlib.closing(together.items(1, 3)) as items:
        calls = [together.assemble(together.constant, next(items))["image"] for _ in range(2)]
    for call, parts in zip(calls, (alone[:3], alone[3:]), strict=True):
        assert np.array_equal(call, np.stack(parts, axis=1))


def test_the_limit_decides_between_resident_and_streamed(folder):
    fits = feed.open_feed(Config(batch_size=8, dataset=Dataset(resident_mb=1)), folder)
    assert set(fits.constant) == {"image", "label"}
    assert fits.constant["image"].dtype == np.uint8
    too_large = feed.open_feed(Config(batch_size=8, dataset=Dataset(resident_mb=0)), folder)
    assert too_large.constant == ()


def test_resident_data_lie_on_every_device(folder):
    constant = feed.resident(folder, PLAN).constant
    assert constant["image"].sharding.is_fully_replicated
    assert len(constant["image"].sharding.device_set) == jax.device_count()


def test_a_damaged_image_met_while_streaming_is_named(tmp_path):
    for number in range(4):
        Image.new("L", (4, 4)).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes(b"\x89PNG")
    source = Folder(str(tmp_path), 4, 1)
    plan = feed.Plan(size=4, batch_size=4, rows=(0, 4), devices=4, d_steps=1)
    with pytest.raises(Exception, match=r"2\.png: truncated or damaged"):
        batches(feed.streamed(source, plan, 0), 0, 1)


def test_sources_in_memory_are_not_copied():
    source = sources.open_source(Dataset(name="ring_2d"))
    assert feed.read_all(source)["image"] is source.images


def test_boosted_steps_have_more_updates_and_no_example_is_skipped_or_repeated():
    boost = Boost(d_steps=5, first=2, every=4)
    plan = feed.Plan(size=64, batch_size=2, rows=(0, 2), devices=1, d_steps=2, boost=boost)
    shapes = [plan.at(0, step).shape[1] for step in range(10)]
    assert shapes == [5, 5, 2, 2, 5, 2, 2, 2, 5, 2]
    assert [boost.before(step, 2) for step in range(4)] == [0, 5, 10, 12]
    seen = np.concatenate([plan.at(0, step).ravel() for step in range(10)])
    assert sorted(seen.tolist()) == list(range(64))[: len(seen)]

"""Runs on a user's own images: changed data are refused, moved ones are not, damage is survived."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from gan_jax.config import Dataset
from gan_jax.errors import UsageError
from gan_jax.train import train
from gan_jax.verify import verify
from support import tiny_config


def draw(folder, low, high, names):
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(low)
    for i in names:
        pixels = rng.integers(low, high, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02d}.png", compress_level=0)


def config_of(folder, **settings):
    dataset = Dataset(name=f"folder:{folder}", image_size=8, channels=1)
    return tiny_config(steps=4, dataset=dataclasses.replace(dataset, **settings))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of four steps, and its images."""
    place = tmp_path_factory.mktemp("trained")
    draw(place / "images", 0, 60, range(16))
    train(config_of(place / "images"), str(place / "run"))
    return place


@pytest.fixture
def copied(trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_a_run_does_not_go_on_with_other_pixels_of_the_same_names_and_sizes(copied):
    draw(copied / "images", 190, 256, [3, 7])
    before = sorted((copied / "run").rglob("*"))
    longer = dataclasses.replace(config_of(copied / "images"), steps=6)
    for act in (
        lambda: train(longer, str(copied / "run")),
        lambda: verify(config_of(copied / "images"), copied / "run", 0, 0.0),
    ):
        with pytest.raises(UsageError, match=r"2 files changed \(03\.png, 07\.png\); bring them"):
            act()
    assert sorted((copied / "run").rglob("*")) == before


def test_a_new_class_does_not_make_checkpoints_look_damaged(tmp_path):
    for kind in ("cat", "dog"):
        (tmp_path / "images").mkdir(exist_ok=True)
        draw(tmp_path / "images" / kind, 0, 60, range(8))
    config = config_of(tmp_path / "images")
    config.conditional = True
    train(config, str(tmp_path / "run"))
    draw(tmp_path / "images" / "owl", 0, 60, range(8))
    before = sorted((tmp_path / "run").rglob("*"))
    with pytest.raises(UsageError, match=r"8 files added \(owl/00\.png"):
        train(dataclasses.replace(config, steps=6), str(tmp_path / "run"))
    assert sorted((tmp_path / "run").rglob("*")) == before


def test_a_run_goes_on_and_is_verified_where_its_folder_was_moved(copied, capsys):
    (copied / "images").rename(copied / "scratch")
    shutil.make_archive(copied / "packed", "zip", copied / "scratch")
    shutil.rmtree(copied / "scratch")
    moved = config_of(copied / "packed.zip")
    verify(moved, copied / "run", 0, 0.0)
    assert "identical through step 4" in capsys.readouterr().out
    train(dataclasses.replace(moved, steps=6), str(copied / "run"))
    assert json.loads((copied / "run" / "manifest.json").read_text())["step"] == 6


def test_a_run_that_meets_a_damaged_image_can_go_on(tmp_path, caplog):
    draw(tmp_path / "images", 0, 60, range(64))
    for i in (40, 50, 60):
        (tmp_path / "images" / f"{i}.png").write_bytes(b"\x89PNG")
    streamed = config_of(tmp_path / "images", resident_mb=0)
    with pytest.raises(Exception, match=r"damaged=replace, .* a run that has begun"):
        train(streamed, str(tmp_path / "run"))
    replacing = config_of(tmp_path / "images", resident_mb=0, damaged="replace")
    train(replacing, str(tmp_path / "run"))
    assert "40.png is damaged: 41.png is shown in its place" in caplog.text


def test_a_run_draws_real_images_as_its_networks_see_them(trained):
    with Image.open(trained / "run" / "samples" / "real.png") as sheet:
        assert sheet.size == (98, 98)  # 2 x 2 of them, enlarged sixfold, and lines between
        assert np.asarray(sheet)[:48, :48].max() < 75  # bicubic enlargement overshoots

"""Masks, by hand."""

import numpy as np
import pytest
from PIL import Image

from gan_jax.apply import masks
from gan_jax.errors import UsageError


def test_center_hides_the_central_half_of_both_sides():
    hole = masks.named("center", 8, 8, 0).hole
    assert hole.sum() == 16
    assert hole[2:6, 2:6].all()
    assert masks.named("center", 64, 64, 0).hole[16:48, 16:48].all()
    assert masks.named("center", 28, 28, 0).hole.sum() == 14 * 14


def test_left_hides_the_left_half():
    hole = masks.named("left", 8, 6, 0).hole
    assert hole[:, :3].all()
    assert not hole[:, 3:].any()


def test_grid_keeps_every_fourth():
    known = masks.named("grid", 8, 8, 0).known
    assert sorted(zip(*np.nonzero(known), strict=True)) == [(0, 0), (0, 4), (4, 0), (4, 4)]


def test_random_hides_a_fifth_by_the_seed():
    one, again, other = (masks.named("random", 64, 64, seed).hole for seed in (1, 1, 2))
    assert one.mean() == pytest.approx(0.2, abs=0.03)
    assert (one == again).all()
    assert (one != other).any()


@pytest.mark.parametrize(("side", "pool"), [(8, 2), (28, 4), (32, 4), (64, 8), (128, 16), (31, 31)])
def test_lowres_knows_means_over_squares(side, pool):
    mask = masks.named("lowres", side, side, 0)
    assert mask.hole.all()
    assert mask.pool == pool


def test_a_file_hides_what_is_white(tmp_path):
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[1, 2], pixels[2, 3], pixels[3, 3] = 255, 128, 127
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    hole = masks.named(str(tmp_path / "mask.png"), 4, 6, 0).hole
    assert sorted(zip(*np.nonzero(hole), strict=True)) == [(1, 2), (2, 3)]


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"])
def test_what_is_white_is_hidden_in_any_mode(tmp_path, mode):
    gray = np.zeros((8, 8), np.uint8)
    gray[2:6, 2:6] = 255
    if mode == "I;16":  # 300 of 65,535 is nearly black
        image = Image.fromarray(np.where(gray, 65_535, 300).astype(np.uint16))
    else:
        image = Image.fromarray(gray).convert(mode)
    image.save(tmp_path / "mask.tif")
    np.testing.assert_array_equal(masks.named(f"{tmp_path}/mask.tif", 8, 8, 0).hole, gray > 0)


@pytest.mark.parametrize(("painted", "hidden"), [(255, "painted"), (0, "transparent")])
def test_white_is_painted_or_left_by_black(tmp_path, painted, hidden):
    """What the transparent pixels would be, if they were not, does not matter."""
    alpha = np.zeros((8, 8), np.uint8)
    alpha[2:6, 2:6] = 255
    for beneath in (0, 255):
        gray = np.where(alpha, painted, beneath).astype(np.uint8)
        Image.fromarray(np.stack([gray, gray, gray, alpha], -1)).save(tmp_path / "mask.png")
        hole = masks.named(f"{tmp_path}/mask.png", 8, 8, 0).hole
        np.testing.assert_array_equal(hole, (alpha > 0) == (hidden == "painted"))
    palette = Image.fromarray((alpha > 0).astype(np.uint8), "P")
    palette.putpalette([10, 200, 10, painted, painted, painted])
    palette.save(tmp_path / "palette.png", transparency=0)
    hole = masks.named(f"{tmp_path}/palette.png", 8, 8, 0).hole
    np.testing.assert_array_equal(hole, (alpha > 0) == (hidden == "painted"))


def test_a_photo_with_a_transparent_hole_is_no_mask(tmp_path):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4], pixels[0] = (0, 0, 0, 255), (255, 255, 255, 255)
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    with pytest.raises(
        UsageError, match=r"mask.png: has transparent pixels beside black and white"
    ):
        masks.named(f"{tmp_path}/mask.png", 8, 8, 0)


def save(path, size, value):
    Image.new("L", size, value).save(path)
    return str(path)


def test_what_is_no_mask_is_refused(tmp_path):
    with pytest.raises(UsageError, match="did you mean center"):
        masks.named("centre", 8, 8, 0)
    with pytest.raises(UsageError, match="hides nothing of 8x8"):
        masks.named(save(tmp_path / "a.png", (8, 8), 0), 8, 8, 0)
    with pytest.raises(UsageError, match="hides everything"):
        masks.named(save(tmp_path / "b.png", (8, 8), 255), 8, 8, 0)
    with pytest.raises(UsageError, match="is 9x8, and the run's images are 8x8"):
        masks.named(save(tmp_path / "c.png", (9, 8), 255), 8, 8, 0)
    (tmp_path / "d.png").write_text("no image")
    with pytest.raises(UsageError, match=r"^--mask=.*d.png: truncated or damaged image"):
        masks.named(str(tmp_path / "d.png"), 8, 8, 0)
    with pytest.raises(UsageError, match="no smaller ones"):
        masks.named("lowres", 7, 8, 0)


def test_weights_are_the_share_of_the_hole_around():
    known = np.ones((7, 7), bool)
    known[3, 3] = False
    found = masks.weights(known, 3, 0.0)
    expected = np.zeros((7, 7))
    expected[2:5, 2:5] = 1 / 9
    expected[3, 3] = 0
    np.testing.assert_allclose(found, expected, atol=1e-7)
    np.testing.assert_allclose(masks.weights(known, 3, 0.5), expected + 0.5 * known, atol=1e-7)
    np.testing.assert_array_equal(masks.weights(known, 0, 0.5), known)


def test_weights_mirror_at_the_edge():
    known = np.ones((5, 5), bool)
    known[0, 0] = False
    assert masks.weights(known, 3, 0.0)[0, 1] == pytest.approx(2 / 9)


def test_pooled_images_are_means_in_their_places():
    images = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    expected = np.array([[2, 4], [10, 12]]).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(masks.pooled(images, 2)[0, :, :, 0], expected)

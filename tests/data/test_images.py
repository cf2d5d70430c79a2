import io

import numpy as np
import pytest
from PIL import Image

from gan_jax.data.images import decode, fit
from gan_jax.errors import UsageError


def encoded(image, format_name, **options):
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def gradient(mode="RGB", size=(12, 8)):
    values = np.linspace(0, 255, size[0] * size[1]).astype(np.uint8).reshape(size[::-1])
    return Image.fromarray(values).convert(mode)


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WebP", "GIF", "BMP"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_and_channel_count(format_name, channels):
    options = {"lossless": True} if format_name == "WebP" else {}
    pixels = decode(encoded(gradient(), format_name, **options), "x", 0, channels)
    assert pixels.shape == (8, 12, channels)
    assert pixels.dtype == np.uint8
    expected = np.asarray(gradient("L"))[..., None]
    assert np.abs(pixels.astype(int) - expected).max() <= (
        0 if format_name in ("PNG", "BMP") else 6
    )


def test_transparency_becomes_white():
    clear = Image.new("RGBA", (2, 2), (10, 20, 30, 0))
    half = Image.new("RGBA", (2, 2), (0, 0, 0, 128))
    assert np.all(decode(encoded(clear, "PNG"), "x", 0, 3) == 255)
    assert np.all(np.abs(decode(encoded(half, "PNG"), "x", 0, 3).astype(int) - 127) <= 1)
    gray = Image.new("LA", (2, 2), (0, 0))
    assert np.all(decode(encoded(gray, "PNG"), "x", 0, 1) == 255)


def test_a_palette_is_looked_up_and_its_transparent_entry_is_white():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    assert decode(encoded(image, "PNG"), "x", 0, 3).tolist() == [[[255, 0, 0], [0, 0, 255]]]
    shown = decode(encoded(image, "PNG", transparency=0), "x", 0, 3)
    assert shown.tolist() == [[[255, 255, 255], [0, 0, 255]]]


def test_sixteen_bits_keep_their_high_byte():
    values = np.array([[0, 255, 256, 65535]], np.uint16)
    pixels = decode(encoded(Image.fromarray(values), "PNG"), "x", 0, 1)
    assert pixels[..., 0].tolist() == [[0, 0, 1, 255]]


def test_cmyk_and_one_bit_images():
    cmyk = encoded(Image.new("CMYK", (2, 2), (0, 0, 0, 0)), "JPEG")
    assert np.all(decode(cmyk, "x", 0, 3) == 255)
    assert np.all(decode(encoded(Image.new("1", (2, 2), 1), "PNG"), "x", 0, 1) == 255)


def test_the_crop_is_the_centre_square():
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, 2:6] = 200
    assert np.all(fit(Image.fromarray(pixels), 4, 3) == 200)
    assert np.all(fit(Image.fromarray(pixels.swapaxes(0, 1)), 4, 3) == 200)


def test_the_resize_is_antialiased():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit(Image.fromarray(stripes), 8, 1).astype(int) - 127).max() < 20


def test_an_image_of_the_right_size_is_left_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    assert np.array_equal(fit(Image.fromarray(pixels), 8, 3), pixels)


def test_orientation_in_exif_is_obeyed():
    image = gradient()
    exif = image.getexif()
    exif[0x0112] = 6  # rotated by 90 degrees
    assert decode(encoded(image, "PNG", exif=exif), "x", 0, 1).shape == (12, 8, 1)


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WebP", "GIF", "BMP"])
def test_a_truncated_file_is_refused_by_name(format_name):
    data = encoded(gradient(size=(64, 64)), format_name)
    for length in (len(data) // 2, 10, 0):
        with pytest.raises(UsageError, match=r"cats/7\.png: truncated or damaged"):
            decode(data[:length], "cats/7.png", 8, 3)


def test_a_text_file_is_refused_by_name():
    with pytest.raises(UsageError, match=r"cats/7\.png: truncated or damaged"):
        decode(b"not an image at all", "cats/7.png", 8, 3)

import io

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import images
from gan_jax.data.images import Peak, White, decode, fit
from gan_jax.errors import UsageError


def encoded(image, format_name, **options):
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def gradient(mode="RGB", size=(12, 8)):
    values = np.linspace(0, 255, size[0] * size[1]).astype(np.uint8).reshape(size[::-1])
    return Image.fromarray(values).convert(mode)


LOSSLESS = ("PNG", "BMP", "TIFF", "PPM", "JPEG2000")


@pytest.mark.parametrize("format_name", [*LOSSLESS, "JPEG", "WebP", "GIF", "AVIF"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_and_channel_count(format_name, channels):
    options = {"lossless": True} if format_name == "WebP" else {}
    pixels = decode(encoded(gradient(), format_name, **options), "x", 0, channels)
    assert pixels.shape == (8, 12, channels)
    assert pixels.dtype == np.uint8
    expected = np.asarray(gradient("L"))[..., None]
    assert np.abs(pixels.astype(int) - expected).max() <= (0 if format_name in LOSSLESS else 6)


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


def test_the_transparent_gray_of_sixteen_bits_is_white():
    image = Image.fromarray(np.array([[300, 301 * 128]], np.uint16))
    shown = decode(encoded(image, "PNG", transparency=300), "x", 0, 1)
    assert shown[..., 0].tolist() == [[255, 301 // 2]]


@pytest.mark.parametrize(
    ("dtype", "black", "white"), [("uint8", 0, 255), ("uint16", 0, 65535), ("float32", 0, 1)]
)
def test_a_tiff_whose_zero_is_white_is_read_as_it_is_meant(dtype, black, white):
    """TIFF 6.0, PhotometricInterpretation: 0 is WhiteIsZero, 1 BlackIsZero."""
    image = Image.fromarray(np.array([[black, white]], dtype))
    meant = [[255, 0]] if dtype != "uint8" else [[0, 255]]  # of 8 bits Pillow inverts both ways
    data = encoded(image, "TIFF", tiffinfo={262: 0})
    assert Image.open(io.BytesIO(data)).tag_v2[262] == 0
    assert decode(data, "x", 0, 1)[..., 0].tolist() == meant
    usual = decode(encoded(image, "TIFF", tiffinfo={262: 1}), "x", 0, 1)
    assert usual[..., 0].tolist() == [[0, 255]]


def test_a_mode_that_cannot_be_converted_is_refused():
    with pytest.raises(UsageError, match="cannot be converted from mode LAB: save it as RGB"):
        decode(encoded(Image.new("LAB", (2, 2)), "TIFF"), "x", 0, 3)


def test_sixteen_bits_keep_their_high_byte():
    values = np.array([[0, 255, 256, 65535]], np.uint16)
    pixels = decode(encoded(Image.fromarray(values), "PNG"), "x", 0, 1)
    assert pixels[..., 0].tolist() == [[0, 0, 1, 255]]


def test_cmyk_and_one_bit_images():
    cmyk = encoded(Image.new("CMYK", (2, 2), (0, 0, 0, 0)), "JPEG")
    assert np.all(decode(cmyk, "x", 0, 3) == 255)
    assert np.all(decode(encoded(Image.new("1", (2, 2), 1), "PNG"), "x", 0, 1) == 255)


def test_the_crop_is_the_center_square():
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


@pytest.mark.parametrize("format_name", ["EPS", "TGA", "PCX", "DDS", "ICO", "SGI", "PDF"])
def test_other_formats_are_refused_whatever_their_name(format_name, tmp_path, monkeypatch):
    """Pillow would start Ghostscript to read an EPS; a program of that name shows if it does."""
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    data = encoded(gradient(size=(64, 64)), format_name)
    with pytest.raises(UsageError, match=r"x\.png: truncated or damaged image"):
        decode(data, "x.png", 8, 3)
    with pytest.raises(OSError, match="cannot identify"):
        images.open_image(io.BytesIO(data))
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(("bits", "white"), [(8, 255), (10, 1023), (12, 4095), (16, 65535)])
@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_gray_of_more_than_8_bits_is_scaled_by_the_bits_it_uses(bits, white, format_name):
    values = np.array([[0, white // 2, white]], np.uint16)
    data = encoded(Image.fromarray(values), format_name)
    assert images.peak(data) == Peak("integer", 0, white)
    found = images.white_of([images.peak(data), Peak("integer", 0.0, 1.0)])
    assert found == White(integer=white)
    assert decode(data, "x", 0, 1, white=found)[0, :, 0].tolist() == [0, 127, 255]


def test_floating_point_is_read_from_0_to_1_or_by_the_bits_it_uses():
    data = encoded(Image.fromarray(np.float32([[0, 0.5, 1]])), "TIFF")
    assert decode(data, "x", 0, 1)[0, :, 0].tolist() == [0, 128, 255]
    data = encoded(Image.fromarray(np.float32([[-3, 51, 255]])), "TIFF")
    found = images.white_of([images.peak(data)])
    assert decode(data, "x", 0, 1, white=found)[0, :, 0].tolist() == [0, 51, 255]
    data = encoded(Image.fromarray(np.float32([[np.nan, 0.5]])), "TIFF")
    assert images.peak(data) == Peak("real", 0.5, 0.5)
    with pytest.raises(UsageError, match="a pixel is not finite"):
        decode(data, "x", 0, 1)
    data = encoded(Image.fromarray(np.float32([[0, 0.5, 1.02]])), "TIFF")  # a filter overshot
    assert images.white_of([images.peak(data)]).real == 1
    assert decode(data, "x", 0, 1)[0, :, 0].tolist() == [0, 128, 255]


def test_a_pgm_names_its_own_white():
    data = b"P5 2 1 4095\n" + np.array([4095, 2048], ">u2").tobytes()
    assert images.peak(data).kind == "fixed"
    twelve = White(integer=4095.0)
    assert decode(data, "x", 0, 1, white=twelve)[0, :, 0].tolist() == [255, 128]


def test_damaged_exif_data_do_no_harm():
    data = encoded(gradient(), "PNG", exif=b"Exif\0\0not a TIFF file")
    assert decode(data, "x", 0, 3).shape == (8, 12, 3)


def test_images_of_8_bits_have_no_peak():
    for name in ("PNG", "TIFF", "JPEG", "GIF"):
        assert images.peak(encoded(gradient(), name)) is None
    assert images.peak(encoded(gradient(), "PNG")[:30]) is None


def png_of(width, height):
    """A PNG of a few bytes that claims to be so large."""
    import struct
    import zlib

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8_200, 9_400, 12_000, 60_000])
def test_an_image_of_too_many_pixels_is_refused_and_not_called_damaged(side):
    with pytest.raises(UsageError) as refusal:
        decode(png_of(side, side), "x.png", 8, 3)
    said = str(refusal.value)
    assert "x.png: the image is too large" in said
    assert "config.dataset.max_megapixels=64 takes 64 megapixels" in said
    assert not isinstance(refusal.value, images.DamagedImage)


def test_photos_of_common_cameras_pass_the_limit():
    data = encoded(Image.new("L", (9504, 6336), 7), "PNG")  # 60 megapixels
    assert decode(data, "x", 4, 1).max() == 7


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"P6\n"])
def test_no_message_shows_an_object_of_python(data):
    with pytest.raises(UsageError) as refusal:
        decode(data, "x.png", 8, 3)
    assert "object at 0x" not in str(refusal.value)


def test_exact_refuses_what_would_be_changed():
    assert decode(encoded(gradient(size=(8, 8)), "PNG"), "x", 8, 3, exact=True).shape == (8, 8, 3)
    for image, said in (
        (gradient(size=(9, 8)), "is 9x8 RGB, and the run takes 8x8 RGB"),
        (gradient("L", size=(8, 8)), "is 8x8 gray, and the run takes 8x8 RGB"),
        (gradient("RGBA", size=(8, 8)), "is 8x8 of mode RGBA, and"),
    ):
        with pytest.raises(UsageError, match=said):
            decode(encoded(image, "PNG"), "x", 8, 3, exact=True)


def test_a_text_file_is_refused_by_name():
    with pytest.raises(UsageError, match=r"cats/7\.png: truncated or damaged"):
        decode(b"not an image at all", "cats/7.png", 8, 3)

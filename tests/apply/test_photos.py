"""Given images are read as they are meant, with the classes that their folders name."""

import io
import os
import re
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from gan_jax.apply import masks, photos
from gan_jax.apply.options import Options
from gan_jax.apply.trained import open_trained
from gan_jax.errors import UsageError
from gan_jax.workdir import own_config
from support import CLASSES, ghostscript_stub

GRAY = np.arange(64, dtype=np.uint8).reshape(8, 8)


@pytest.fixture(scope="module")
def named(named_run):
    return open_trained(own_config(named_run), named_run, "0")


@pytest.fixture(scope="module")
def plain(named):
    """A run that is told of no classes."""
    return named._replace(num_classes=0, classes=())


def save(path, pixels=GRAY, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def refused(trained, path, **options):
    """The one line that it is answered with."""
    with pytest.raises(UsageError) as ended:
        photos.read(trained, Options(images=str(path), **options))
    (line,) = str(ended.value).splitlines()
    assert "BytesIO" not in line
    return line


def png(width, height):
    """The first bytes of a PNG of so many pixels."""

    def chunk(kind, data):
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


def test_labels_are_the_classes_that_folders_name(named, tmp_path):
    save(tmp_path / "red" / "1.png")
    save(tmp_path / "T-shirt%2Ftop" / "2.png", GRAY + 100)
    save(tmp_path / "cafe\u0301" / "3.png", GRAY + 50)
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as file:
        for path in tmp_path.glob("*/*.png"):
            file.write(path, path.relative_to(tmp_path))
    for images in (tmp_path / "some.zip", tmp_path):
        found = photos.read(named, Options(images=str(images)))
        labels = dict(zip(found.name, found.label.tolist(), strict=True))
        assert sorted(labels.values()) == [1, 4, 8]
        assert labels["red/1.png"] == CLASSES.index("red")
    assert photos.read(named, Options(images=str(tmp_path), label="CON")).label.tolist() == [
        5,
        5,
        5,
    ]


def test_folders_that_name_no_class_need_labels(named, tmp_path):
    save(tmp_path / "red" / "1.png")
    save(tmp_path / "0" / "2.png")
    assert "--label: missing" in refused(named, tmp_path)
    assert "such as airplane" in refused(named, tmp_path / "0" / "2.png")
    assert "no class is called 'rad'; did you mean red" in refused(named, tmp_path, label="rad")
    found = photos.read(named, Options(images=str(tmp_path), label="red,CON"))
    assert found.label.tolist() == [8, 5]


def test_the_runs_own_data_keep_their_classes_when_a_class_is_added(named, tmp_path):
    for i, name in enumerate(("cat", "dog", "emu")):
        save(tmp_path / name / "1.png", np.full((8, 8), i, np.uint8))
    named.config.dataset.name = f"folder:{tmp_path}"
    named.config.dataset.channels = 1
    for classes, labels in ((("emu", "cat", "dog"), [1, 2, 0]), (("0", "1", "2"), [0, 1, 2])):
        found = photos.read(named._replace(num_classes=3, classes=classes), Options())
        assert found.label[np.argsort(found.image[:, 0, 0, 0])].tolist() == labels
    with pytest.raises(UsageError, match=r"the class of .*no class is called 'emu'"):
        photos.read(named._replace(num_classes=2, classes=("dog", "cat")), Options())


@pytest.mark.parametrize("kind", ["EPS", "ICO", "TGA", "PDF", "text", "empty", "zeros"])
def test_only_the_formats_that_are_listed_are_opened(plain, tmp_path, monkeypatch, kind):
    started = ghostscript_stub(tmp_path, monkeypatch)
    data = {"text": b"no image", "empty": b"", "zeros": bytes(1000)}.get(kind)
    if data is None:
        buffer = io.BytesIO()
        Image.fromarray(GRAY).save(buffer, kind)
        data = buffer.getvalue()
    victim = tmp_path / "images" / "x.png"
    victim.parent.mkdir()
    victim.write_bytes(data)
    said = r"x\.png: truncated or damaged image \(it is not a file of any format that is read\)"
    for images in (victim, victim.parent):
        assert re.search(said, refused(plain, images, fit=True))
    with pytest.raises(UsageError, match=f"^--mask=.*{said}"):
        masks.named(str(victim), 8, 8, 0)
    assert not started.exists()


def test_what_is_too_large_is_refused_unread_and_not_called_damaged(plain, tmp_path):
    (tmp_path / "wide.png").write_bytes(png(60_000, 60_000))
    (tmp_path / "large.png").write_bytes(png(9_000, 9_000))
    with (tmp_path / "huge.png").open("wb") as file:
        file.write(png(10, 10))
        file.truncate(2**30)
    says = {"wide": "hundreds of megapixels", "large": "9000x9000 pixels", "huge": "256 MB"}
    tracemalloc.start()
    for name, said in says.items():
        line = refused(plain, tmp_path / f"{name}.png", fit=True)
        assert re.search(f"{name}.png: the image is too large .*{said}", line)
        assert "damaged" not in line
        with pytest.raises(UsageError, match=f"^--mask=.*the image is too large .*{said}"):
            masks.named(f"{tmp_path}/{name}.png", 8, 8, 0)
    with (tmp_path / "zeros.png").open("wb") as file:
        file.truncate(2 * 10**8)
    assert "not a file of any format" in refused(plain, tmp_path / "zeros.png")
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_a_truncated_image_is_called_damaged(plain, tmp_path):
    save(tmp_path / "cut.png", np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:2000])
    assert "cut.png: truncated or damaged image" in refused(plain, tmp_path / "cut.png")


def test_what_is_no_file_is_refused(plain, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for images in (tmp_path / "pipe.png", "/dev/zero"):
        assert "takes an image, a directory or a zip" in refused(plain, images)
    for images in (tmp_path / "none.png", tmp_path / (300 * "a")):
        assert "no such file, directory or zip" in refused(plain, images)


def test_an_image_that_is_a_zip_too_is_an_image(plain, tmp_path):
    save(tmp_path / "a.png")
    with zipfile.ZipFile(tmp_path / "a.png", "a") as file:
        file.writestr("b.png", b"no image")
    found = photos.read(plain, Options(images=f"{tmp_path}/a.png"))
    np.testing.assert_array_equal(found.image[0, :, :, 0], GRAY)


def test_twelve_bits_are_not_dark(plain, tmp_path):
    Image.fromarray(GRAY.astype(np.uint16) * 64).save(tmp_path / "a.png")
    found = photos.read(plain, Options(images=f"{tmp_path}/a.png", fit=True))
    np.testing.assert_array_equal(found.image[0, :, :, 0], GRAY * 4)


def test_how_a_folder_is_read_is_said(plain, tmp_path, caplog):
    save(tmp_path / "train" / "1.png")
    save(tmp_path / "val" / "2.png")
    with caplog.at_level("INFO", "gan_jax"):
        found = photos.read(plain, Options(images=str(tmp_path)))
    assert found.name == ["train/1.png"]
    assert "1 images; split train (train/)" in caplog.text


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "I;16"])
def test_other_modes_are_converted_or_refused_with_the_remedy(plain, tmp_path, mode):
    square = np.zeros((8, 8), np.uint8)
    square[2:6, 2:6] = 255
    if mode == "I;16":
        image = Image.fromarray(square.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(square).convert(mode)
    ending = "tif" if mode in ("CMYK", "YCbCr") else "png"
    image.save(tmp_path / f"a.{ending}")
    assert "--fit crops, resizes and converts it" in refused(plain, tmp_path / f"a.{ending}")
    found = photos.read(plain, Options(images=f"{tmp_path}/a.{ending}", fit=True))
    np.testing.assert_array_equal(found.image[0, :, :, 0], square)


def test_an_image_that_its_camera_has_turned_is_upright(plain, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    save(tmp_path / "a.png", exif=exif)
    found = photos.read(plain, Options(images=f"{tmp_path}/a.png"))
    np.testing.assert_array_equal(found.image[0, :, :, 0], np.rot90(GRAY, -1))

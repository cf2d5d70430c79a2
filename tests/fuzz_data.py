"""Reads odd and hostile image files and folders, and checks what becomes of each.

    python tests/fuzz_data.py --count=300 --seed=0

Each case is drawn from a list of makers. It must be read rightly (the pixels and the classes are
known), be refused in one line, or be counted as left out; whatever else happens is a failure. The
peak memory of the process is printed, and bounded.
"""

import argparse
import collections
import io
import json
import os
import pathlib
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from gan_jax.config import Dataset
from gan_jax.data import feed
from gan_jax.data.examine import examine
from gan_jax.data.folder import Folder
from gan_jax.data.sources import describe
from gan_jax.errors import UsageError

MOST_MEGABYTES = 1500  # of the process: JAX alone has 300, an image of 64 megapixels about 600
SIDE = 8


class Expected(NamedTuple):
    """What must become of a case.

    Attributes:
      outcome: read | refused | either: it may be read or refused, but in one line.
      count: images, where they are read.
      classes: their names.
      colors: of each image, where it is of one color, RGB; None where the pixels are not known.
      label: the class of each image; None where it is not known.
    """

    outcome: str
    count: int = 0
    classes: tuple[str, ...] = ()
    colors: list[tuple[int, int, int]] | None = None
    label: list[int] | None = None


Maker = Callable[[pathlib.Path, np.random.Generator], Expected]


def color_of(rng: np.random.Generator) -> tuple[int, int, int]:
    return tuple(map(int, rng.integers(0, 256, 3)))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(rng: np.random.Generator, color, kind: str = "PNG") -> bytes:
    size = tuple(map(int, rng.integers(1, 40, 2)))
    return encoded(Image.new("RGB", size, color), kind)


def put(folder: pathlib.Path, name: str | bytes, data: bytes) -> pathlib.Path:
    path = folder / os.fsdecode(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


# Files that are images.


def image_of_any_kind(folder: pathlib.Path, rng: np.random.Generator) -> Expected:
    """A format, a mode, a size and an ending, of one color."""
    red, green, blue = color = color_of(rng)
    gray = int(red)
    size = tuple(map(int, rng.integers(1, 70, 2)))
    kind = rng.choice(["PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP", "JPEG"])
    modes = {
        "PNG": ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"], "BMP": ["RGB", "L", "P", "1"],
        "TIFF": ["RGB", "RGBA", "L", "CMYK", "F", "1"], "PPM": ["RGB", "L", "1"],
        "GIF": ["P"], "WEBP": ["RGB", "RGBA"], "JPEG": ["RGB", "L", "CMYK"],
    }  # fmt: skip
    mode = rng.choice(modes[kind])
    options = {"lossless": True} if kind == "WEBP" else {}
    if mode == "RGB":
        image = Image.new("RGB", size, color)
    elif mode == "RGBA":  # half transparent, on white
        image = Image.new("RGBA", size, (*color, 128))
        color = tuple(round(c * 128 / 255 + 255 * 127 / 255) for c in color)
    elif mode in ("L", "LA"):
        image = Image.new(mode, size, gray if mode == "L" else (gray, 255))
        color = (gray,) * 3
    elif mode == "P":
        image = Image.new("P", size, 1)
        image.putpalette([0, 0, 0, red, green, blue])
        if kind == "PNG" and rng.integers(2):
            options["transparency"] = 1
            color = (255,) * 3
    elif mode == "1":
        image = Image.new("1", size, gray % 2)
        color = (255 * (gray % 2),) * 3
    elif mode == "I;16":
        image = Image.fromarray(np.full(size[::-1], gray * 257, np.uint16))
        image.putpixel((0, 0), 65535)  # so that 16 bits are used
        size, color = size if min(size) > 20 else (0, 0), (gray,) * 3
    elif mode == "F":
        image = Image.fromarray(np.full(size[::-1], gray / 255, np.float32))
        color = (gray,) * 3
    else:
        image = Image.new("RGB", size, color).convert("CMYK")
    endings = {
        "PNG": [".png", ".PNG"], "BMP": [".bmp", ".dib"], "TIFF": [".tif", ".tiff"],
        "PPM": [".ppm", ".pnm"], "GIF": [".gif"], "WEBP": [".webp"],
        "JPEG": [".jpg", ".JPEG", ".jfif", ".jpe"],
    }  # fmt: skip
    ending = rng.choice([*endings[kind], ".png"])  # a wrong ending of an image does no harm
    put(folder, f"x{ending}", encoded(image, kind, **options))
    return Expected("read", 1, (), None if mode == "I;16" else [color])


def animation(folder: pathlib.Path, rng: np.random.Generator) -> Expected:
    """The first frame is read."""
    colors = [color_of(rng) for _ in range(3)]
    first, *rest = (Image.new("RGB", (9, 9), color) for color in colors)
    kind = rng.choice(["GIF", "WEBP", "PNG", "TIFF"])
    options = {"lossless": True} if kind == "WEBP" else {}
    put(folder, "x.png", encoded(first, kind, save_all=True, append_images=rest, **options))
    return Expected("read", 1, (), colors[:1])


def bits_in_16(folder: pathlib.Path, rng: np.random.Generator) -> Expected:
    """Values of 10 to 16 bits; white is the full scale of those that are used."""
    white = 2 ** int(rng.choice([10, 12, 14, 16])) - 1
    for i, value in enumerate((0, white // 2 + 1, white)):
        image = Image.fromarray(np.full((9, 9), value, np.uint16))
        put(folder, f"{i}.png", encoded(image, rng.choice(["PNG", "TIFF"])))
    return Expected("read", 3, (), [(0, 0, 0), (128, 128, 128), (255, 255, 255)])


# Files that are none, or damaged.


def damaged(folder: pathlib.Path, rng: np.random.Generator) -> Expected:
    """Cut short, or with some bytes changed."""
    kind = rng.choice(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF"])
    pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    data = bytearray(encoded(Image.fromarray(pixels), kind))
    if rng.integers(2):
        data = data[: rng.integers(0, len(data))]
    for place in rng.integers(0, max(len(data), 1), 6) if data else ():
        data[place] = rng.integers(256)
    put(folder, "x.png", bytes(data))
    return Expected("either", 1)


def other_content(folder: pathlib.Path, rng: np.random.Generator) -> Expected:
    """Another format, a text, a script or random bytes, under the name of an image."""
    image = Image.new("RGB", (9, 9), color_of(rng))
    contents = [
        *(encoded(image, kind) for kind in ("EPS", "TGA", "PCX", "DDS", "ICO", "SGI", "PDF")),
        b"", b"\0", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"#!/bin/sh\n", b"{}", b"PK\x03\x04", rng.bytes(1000), bytes(100_000),
    ]  # fmt: skip
    ending = rng.choice([".png", ".jpg", ".gif", ".tif", ".webp", ".bmp", ".ppm"])
    put(folder, f"x{ending}", contents[rng.integers(len(contents))])
    return Expected("refused")


def huge_claim(folder: pathlib.Path, rng: np.random.Generator) -> Expected:
    """A few bytes that claim a large image."""
    side = int(rng.choice([9_400, 20_000, 60_000, 2**31 - 1]))
    put(folder, "x.png", png_header(side, side) if rng.integers(2) else bmp_header(side, side))
    return Expected("refused")


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows)


def bmp_header(width: int, height: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


def bomb(folder: pathlib.Path, rng: np.random.Generator) -> Expected:
    """Zeros that take no place in a zip, as a whole or behind the header of an image."""
    size = int(rng.choice([10**8, 3 * 10**8, 10**9]))
    head = [b"", png_header(100, 100), b"\xff\xd8\xff"][rng.integers(3)]
    with (
        zipfile.ZipFile(folder / "set.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("x.png", "w", force_zip64=True) as member,
    ):
        member.write(head)
        for _ in range(size // 10**7):
            member.write(bytes(10**7))
    return Expected("either", 1)  # zeros behind a whole image do no harm


# Folders.


def classes_of(
    folder: pathlib.Path, rng: np.random.Generator, names: list, prefix: str = ""
) -> Expected:
    """Folders of classes, in the order of the labels, with one to three images each."""
    rows = []
    for label, name in enumerate(names):
        for i in range(rng.integers(1, 4)):
            color = color_of(rng)
            title = os.path.join(os.fsencode(prefix), os.fsencode(name), b"%d.png" % i)
            put(folder, title, plain(rng, color))
            rows.append((os.fsdecode(title), color, label))
    rows.sort()
    labels = [label for _, _, label in rows]
    colors = [color for _, color, _ in rows]
    return Expected("read", len(rows), tuple(map(os.fsdecode, names)), colors, labels)


def some_classes(folder: pathlib.Path, rng: np.random.Generator) -> Expected:
    """Names of all sorts."""
    sets = [
        ["cat", "dog"], list(map(str, range(12))), ["-1", "0", "10"], ["Ä", "é", "猫"],
        ["a b", "a,b", 'a"b', "a'b"], [b"\xff", b"\xfe"], ["<b>", "&amp;"], ["a\nb", "c\td"],
        ["T-shirt%2Ftop", "x"], ["CON", "nul"], ["..a", "...b"][:0] or ["a.b", "c.png"],
        ["2007", "2008", "10000"], ["n01440764", "n01443537"],
    ]  # fmt: skip
    names = sets[rng.integers(len(sets))]
    if not all(isinstance(name, str) and name.lstrip("-").isdecimal() for name in names):
        names = sorted(names, key=os.fsdecode)
    else:
        names = sorted(names, key=int)
    found = classes_of(folder, rng, names, str(rng.choice(["", "top", "top/images"])))
    return decorated(folder, rng, found)


def decorated(folder: pathlib.Path, rng: np.random.Generator, found: Expected) -> Expected:
    """With things beside the images that mean nothing."""
    first = next(path for path in sorted(folder.rglob("*.png")))
    extras = [
        lambda: put(folder, "README.txt", b"x"),
        lambda: put(folder, ".DS_Store", b"x"),
        lambda: put(folder, "__MACOSX/x.png", b"x"),
        lambda: put(first.parent, ".hidden.png", b"x"),
        lambda: put(first.parent, "Thumbs.db", b"x"),
        lambda: put(first.parent, "photo.heic", b"x"),
        lambda: (first.parent / "loop").symlink_to(folder),
        lambda: (first.parent / "gone.png").symlink_to("nowhere"),
        lambda: os.mkfifo(first.parent / "pipe.png"),
        lambda: (first.parent / "empty").mkdir(),
    ]
    for extra in rng.choice(len(extras), 3, replace=False):
        extras[extra]()
    return found


def stray(folder: pathlib.Path, rng: np.random.Generator) -> Expected:
    found = classes_of(folder, rng, ["cat", "dog"])
    put(folder, "cover.jpg", plain(rng, color_of(rng), "JPEG"))
    return found


def buckets(folder: pathlib.Path, rng: np.random.Generator) -> Expected:
    """StyleGAN's folders are not classes, unless dataset.json says the classes."""
    names = [f"0000{i // 3}/img{i:08d}.png" for i in range(9)]
    colors = [color_of(rng) for _ in names]
    for name, color in zip(names, colors, strict=True):
        put(folder, name, plain(rng, color))
    kind = rng.integers(3)
    if kind == 0:
        return Expected("read", 9, (), colors, [0] * 9)
    if kind == 1:
        put(folder, "dataset.json", b'{"labels": null}')
        return Expected("read", 9, (), colors, [0] * 9)
    values = rng.permutation(np.repeat([2, 9, 10], 3))
    pairs = [[name, int(value)] for name, value in zip(names, values, strict=True)]
    put(folder, "dataset.json", json.dumps({"labels": pairs}).encode())
    labels = [[2, 9, 10].index(value) for value in values]
    return Expected("read", 9, ("2", "9", "10"), colors, labels)


def wrong_labels(folder: pathlib.Path, rng: np.random.Generator) -> Expected:
    """A dataset.json that does not fit is refused; another file of that name is passed over."""
    found = classes_of(folder, rng, ["cat", "dog"])
    texts = [b'{"labels": 3}', b'{"labels": [["cat/0.png", 1]]}', b'{"labels": [[1, [2]]]}']
    others = [b"", b"{", b"[]", b'{"images": []}', b"\xff\xfe", b"[" * 10**5]
    if rng.integers(2):
        put(folder, "dataset.json", texts[rng.integers(len(texts))])
        return Expected("refused")
    put(folder, "dataset.json", others[rng.integers(len(others))])
    return found


def splits(folder: pathlib.Path, rng: np.random.Generator) -> Expected:
    train, val = rng.choice([("train", "val"), ("training", "test"), ("Train", "valid")])
    classes_of(folder, rng, ["cat", "dog"], str(val))
    return classes_of(folder, rng, ["cat", "dog"], str(train))


def archive(folder: pathlib.Path, rng: np.random.Generator) -> Expected:
    """A folder as a zip, with the names as several tools write them."""
    with tempfile.TemporaryDirectory() as place:
        there = pathlib.Path(place)
        found = [some_classes, buckets, splits, stray][rng.integers(4)](there, rng)
        change = [str, lambda n: n.replace("/", "\\"), lambda n: f"/{n}", lambda n: f"./{n}"]
        rename = change[rng.integers(len(change))]
        with zipfile.ZipFile(folder / "set.zip", "w") as written:
            for path in sorted(there.rglob("*")):
                if path.is_file():
                    name = rename(path.relative_to(there).as_posix())
                    written.writestr(name.encode("utf-8", "replace").decode(), path.read_bytes())
    if any("\udc80" <= c <= "\udcff" for name in found.classes for c in name):
        return found._replace(outcome="either", classes=None)  # a zip holds no such names
    return found


def damaged_archive(folder: pathlib.Path, rng: np.random.Generator) -> Expected:
    archive(folder, rng)
    path = folder / "set.zip"
    data = bytearray(path.read_bytes())
    for place in rng.integers(0, len(data), 20):
        data[place] = rng.integers(256)
    path.write_bytes(bytes(data[: rng.integers(len(data))] if rng.integers(2) else data))
    return Expected("either", classes=None)


def nothing_there(folder: pathlib.Path, rng: np.random.Generator) -> Expected:
    """An empty folder, folders of nothing, texts, a link to itself."""
    kind = rng.integers(4)
    if kind == 1:
        (folder / "a" / "b").mkdir(parents=True)
    elif kind == 2:
        put(folder, "a/x.txt", b"x")
    elif kind == 3:
        (folder / "a").symlink_to(folder)
    return Expected("refused")


MAKERS: tuple[Maker, ...] = (
    image_of_any_kind, image_of_any_kind, animation, bits_in_16, damaged, damaged, other_content,
    huge_claim, bomb, some_classes, some_classes, stray, buckets, wrong_labels, splits, archive,
    damaged_archive, nothing_there,
)  # fmt: skip


def judge(folder: pathlib.Path, expected: Expected) -> str:
    """Read a case; return what became of it, or what is wrong after "WRONG: "."""
    path = folder / "set.zip" if (folder / "set.zip").exists() else folder
    dataset = Dataset(name=f"folder:{path}", image_size=SIDE, channels=3)
    try:
        source = Folder(str(path), SIDE, 3, damaged="refuse")
        found = feed.read_all(source)
        describe(source, dataset.name).encode()
        " ".join(source.warnings())
        problems = examine(source, dataset).problems
    except UsageError as error:
        said = str(error)
        if "\n" in said or not said.isprintable() or "object at 0x" in said:
            return f"WRONG: refused in these words: {said!r}"
        return "refused" if expected.outcome != "read" else f"WRONG: refused: {said}"
    if problems:
        return f"WRONG: read, and yet {problems}"
    if expected.outcome == "refused":
        return f"WRONG: read as {len(source)} images of {source.classes}"
    if expected.classes is not None and (
        (len(source), source.classes) != (expected.count, expected.classes)
    ):
        return f"WRONG: read as {len(source)} images of {source.classes}, not {expected}"
    if expected.colors is not None:
        wanted = np.array(expected.colors)[:, None, None]
        off = np.abs(found["image"].astype(int) - wanted).max()
        if off > 3:  # JPEG's, and CMYK's
            return f"WRONG: pixels are off by {off}"
    if expected.label is not None and found["label"].tolist() != expected.label:
        return f"WRONG: labels {found['label'].tolist()}, not {expected.label}"
    return "read"


def run(count: int, seed: int) -> dict[str, collections.Counter]:
    """Make and judge so many cases; return the outcomes by maker, failures printed."""
    outcomes: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for number in range(count):
        maker = MAKERS[number % len(MAKERS)]
        rng = np.random.default_rng([seed, number])
        with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zipfile's and Pillow's, while the case is made
            folder = pathlib.Path(place)
            expected = maker(folder, rng)
            began = time.perf_counter()
            try:
                outcome = judge(folder, expected)
            except Exception:
                outcome = f"WRONG: {traceback.format_exc(limit=-3)}"
            seconds = time.perf_counter() - began
        if seconds > 30:
            outcome = f"WRONG: took {seconds:.0f} s"
        if outcome.startswith("WRONG"):
            print(f"case {number}, {maker.__name__}: {outcome}")
            outcome = "WRONG"
        outcomes[maker.__name__][outcome] += 1
    return outcomes


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    outcomes = run(arguments.count, arguments.seed)
    for name, found in outcomes.items():
        print(f"{name:<20} {', '.join(f'{what} {n}' for what, n in sorted(found.items()))}")
    wrong = sum(found["WRONG"] for found in outcomes.values())
    print(f"{arguments.count} cases, {wrong} wrong, {peak_megabytes():.0f} MB at most")
    sys.exit(bool(wrong) or peak_megabytes() > MOST_MEGABYTES)


if __name__ == "__main__":
    main()

"""Pictures as data URIs: which are taken, and that each is encoded once."""

import base64
import io

import pytest
from PIL import Image

from gan_jax.report import album
from gan_jax.report.album import Album, newest
from support import ghostscript_stub


def draw(folder, *steps, size=(40, 20), color=(200, 0, 0)):
    folder.mkdir(exist_ok=True)
    for step in steps:
        Image.new("RGB", size, color).save(folder / f"step_{step:08d}.png")


def steps(pictures):
    return [picture.step for picture in pictures]


def decoded(picture):
    head, _, text = picture.uri.partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_a_folder_that_is_not_there_has_none(tmp_path):
    assert Album(tmp_path / "samples").pictures() == []
    assert newest(tmp_path / "samples", 96) is None


@pytest.mark.parametrize(
    ("count", "taken"),
    [(1, [0]), (4, [0, 1, 2, 3]), (5, [0, 2, 4]), (8, [0, 2, 4, 6, 7]), (33, [0, 16, 32])],
)
def test_they_are_spread_evenly_with_the_first_and_the_last(tmp_path, count, taken):
    draw(tmp_path / "samples", *range(count))
    assert steps(Album(tmp_path / "samples", most=4).pictures()) == taken


def test_they_are_in_the_order_of_steps_however_long_the_names(tmp_path):
    draw(tmp_path / "samples", 99_999_999, 100_000_000, 5)
    (tmp_path / "samples" / "timelapse.gif").write_text("another file")
    assert steps(Album(tmp_path / "samples").pictures()) == [5, 99_999_999, 100_000_000]


def test_each_is_encoded_once(tmp_path, monkeypatch):
    encoded, encode = [], album._encode
    monkeypatch.setattr(
        album, "_encode", lambda step, file: (encoded.append(step), encode(step, file))[1]
    )
    taken = Album(tmp_path / "samples", most=4)
    for step in range(20):
        draw(tmp_path / "samples", step)
        first = taken.pictures()
        assert taken.pictures() == first
    assert encoded == list(range(20))


def test_one_that_is_drawn_again_is_encoded_again(tmp_path):
    draw(tmp_path / "samples", 0)
    taken = Album(tmp_path / "samples")
    before = taken.pictures()
    draw(tmp_path / "samples", 0, color=(0, 0, 200))
    assert taken.pictures() != before


def test_pictures_of_later_steps_are_left_out(tmp_path):
    draw(tmp_path / "samples", 0, 10, 20)
    assert steps(Album(tmp_path / "samples").pictures(15)) == [0, 10]


def test_wide_ones_are_made_smaller(tmp_path):
    draw(tmp_path / "samples", 0, size=(1280, 600))
    draw(tmp_path / "samples", 1, size=(60, 30))
    large, small = Album(tmp_path / "samples").pictures()
    assert decoded(large).size == large.size == (640, 300)
    assert decoded(small).size == small.size == (60, 30)
    assert decoded(newest(tmp_path / "samples", 20)).size == (20, 10)


def test_damaged_ones_are_left_out(tmp_path):
    draw(tmp_path / "samples", 0, 1)
    data = (tmp_path / "samples" / "step_00000001.png").read_bytes()
    (tmp_path / "samples" / "step_00000002.png").write_bytes(data[: len(data) // 2])
    (tmp_path / "samples" / "step_00000003.png").write_bytes(b"")
    (tmp_path / "samples" / "step_00000004.png").mkdir()
    Image.new("1", (10_000, 7_000)).save(tmp_path / "samples" / "step_00000005.png")
    assert steps(Album(tmp_path / "samples").pictures()) == [0, 1]
    assert newest(tmp_path / "samples", 96).step == 1


def test_no_file_starts_a_program(tmp_path, monkeypatch):
    started = ghostscript_stub(tmp_path, monkeypatch)
    draw(tmp_path / "samples", 0)
    Image.new("RGB", (40, 20)).save(tmp_path / "samples" / "step_00000001.png", "EPS")
    assert steps(Album(tmp_path / "samples").pictures()) == [0]
    assert newest(tmp_path / "samples", 96).step == 0
    assert not started.exists()

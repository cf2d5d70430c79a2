import numpy as np
import pytest
from PIL import Image

from gan_jax.config import Dataset
from gan_jax.data import examine as module
from gan_jax.data.examine import examine
from gan_jax.data.sources import open_source


@pytest.fixture
def pets(tmp_path):
    for kind, count in (("cat", 3), ("dog", 2)):
        (tmp_path / kind).mkdir()
        for i in range(count):
            Image.new("RGB", (6, 5), (40 * i, 10, 90)).save(tmp_path / kind / f"{i}.png")
    Image.new("L", (9, 9), 7).save(tmp_path / "cat" / "gray.jpg")
    (tmp_path / "dog" / "x.png").write_bytes(b"\x89PNG")
    (tmp_path / "dog" / "y.png").write_bytes(b"none")
    (tmp_path / "notes.txt").write_text("left out")
    return Dataset(name=f"folder:{tmp_path}", image_size=4, channels=3)


def test_all_is_counted_and_every_problem_is_named(pets):
    source = open_source(pets)
    found = examine(source, pets)
    assert found.formats == {"PNG": 5, "JPEG": 1}
    assert found.sizes == {"6x5": 5, "9x9": 1}
    assert found.modes == {"RGB": 5, "L": 1}
    assert [source.names[i] for i in found.problems] == ["dog/x.png", "dog/y.png"]
    names = [[source.names[i] for i in group] for group in found.copies]
    assert names == [["cat/0.png", "dog/0.png"], ["cat/1.png", "dog/1.png"]]
    lines = "\n".join(found.lines(source))
    assert "2: cat 4, dog 4" in lines
    assert "2 examples are the same as another, pixel by pixel, such as cat/0.png and" in lines
    assert ".txt files 1" in lines


def test_the_second_look_reads_no_image(pets, monkeypatch):
    first = examine(open_source(pets), pets)
    monkeypatch.setattr(module, "_look", None)
    assert examine(open_source(pets), pets) == first


def test_sets_without_files_are_counted_too():
    dataset = Dataset(name="digits")
    source = open_source(dataset)
    found = examine(source, dataset)
    assert (found.formats, found.problems) == ({}, {})
    assert "10: 0 178, 1 182, 2 177" in "\n".join(found.lines(source))


def test_prepared_sets_are_looked_at_as_they_are_stored(real_data):
    where = str(real_data / "tfds")
    dataset = Dataset(name="tfds:mnist", split="test[:1%]", data_dir=where)
    found = examine(open_source(dataset), dataset)
    assert (found.formats, found.sizes, found.modes) == ({"PNG": 100}, {"28x28": 100}, {"L": 100})
    assert np.sum([len(group) for group in found.copies]) == 0

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import decoded, feed
from gan_jax.data.folder import Folder
from gan_jax.errors import UsageError


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "image": rng.integers(0, 256, (7, 4, 4, 3), dtype=np.uint8),
        "label": np.arange(7, dtype=np.int32),
    }


def same(found, arrays):
    return found.keys() == arrays.keys() and all(
        found[name].dtype == array.dtype and np.array_equal(found[name], array)
        for name, array in arrays.items()
    )


def test_what_is_kept_is_recalled(arrays):
    assert decoded.recall("a1") is None
    decoded.keep("a1", arrays)
    assert same(decoded.recall("a1"), arrays)
    assert decoded.recall("a2") is None


def test_damage_is_noticed_and_removed(arrays, cache, caplog):
    decoded.keep("b1", arrays)
    path = cache / "decoded" / "b1" / "image.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    for damage in (bytes(data), bytes(data[:-20]), b""):
        path.write_bytes(damage)
        assert decoded.recall("b1") is None
        assert "is damaged" in caplog.text
        decoded.keep("b1", arrays)
        assert same(decoded.recall("b1"), arrays)


def test_the_oldest_entries_are_dropped(arrays, cache, monkeypatch):
    for key in ("c1", "c2", "c3"):
        decoded.keep(key, arrays)
    assert same(decoded.recall("c1"), arrays)  # used last, but for the next one
    size = sum(file.stat().st_size for file in (cache / "decoded" / "c1").iterdir())
    monkeypatch.setattr(decoded, "_MOST_BYTES", 2 * size)
    decoded.keep("c4", arrays)
    assert sorted(path.name for path in (cache / "decoded").iterdir()) == ["c1", "c4"]


def test_a_second_start_decodes_nothing(tmp_path, monkeypatch):
    for i in range(4):
        Image.new("L", (4, 4), 60 * i).save(tmp_path / f"{i}.png")
    monkeypatch.setattr(feed, "_WORTH_KEEPING_SECONDS", 0.0)
    first = feed.read_all(Folder(str(tmp_path), 4, 1))
    monkeypatch.setattr(Folder, "decode", None)
    assert same(feed.read_all(Folder(str(tmp_path), 4, 1)), first)
    with pytest.raises(TypeError):
        feed.read_all(Folder(str(tmp_path), 8, 1))


def test_all_damaged_images_are_named_at_once_and_can_be_replaced(tmp_path, monkeypatch):
    for i in range(6):
        Image.new("L", (4, 4), 40 * i).save(tmp_path / f"{i}.png")
    for i in (1, 2, 5):
        (tmp_path / f"{i}.png").write_bytes(b"\x89PNG")
    with pytest.raises(UsageError) as refusal:
        feed.read_all(Folder(str(tmp_path), 4, 1, damaged="refuse"))
    said = str(refusal.value)
    assert "1.png: truncated or damaged image" in said
    assert "--config.dataset.damaged=replace" in said
    assert "so are 2 more of 6 images: --mode=check lists them" in said
    monkeypatch.setattr(feed, "_WORTH_KEEPING_SECONDS", 0.0)
    replaced = feed.read_all(Folder(str(tmp_path), 4, 1, damaged="replace"))
    assert replaced["image"][:, 0, 0, 0].tolist() == [0, 120, 120, 120, 160, 0]
    with pytest.raises(UsageError, match=r"1\.png"):  # what was replaced is not kept for this
        feed.read_all(Folder(str(tmp_path), 4, 1, damaged="refuse"))


def test_a_folder_of_damaged_images_alone_is_refused(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(b"\x89PNG")
    with pytest.raises(UsageError, match=r"0\.png: truncated or damaged"):
        feed.read_all(Folder(str(tmp_path), 4, 1, damaged="replace"))

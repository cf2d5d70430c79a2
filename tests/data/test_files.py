import os
import pathlib
import zipfile

import numpy as np
import pytest
from PIL import Image

from gan_jax.data.folder import Folder
from gan_jax.errors import UsageError


def save(folder, name, value=0, size=(4, 4)):
    path = pathlib.Path(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(path)
    return path


def test_links_are_followed_and_loops_are_left_out(tmp_path):
    save(tmp_path / "elsewhere", "cat/1.png", 10)
    save(tmp_path / "pets", "dog/2.png", 20)
    (tmp_path / "elsewhere" / "cat" / "dogs").symlink_to(tmp_path / "pets" / "dog")
    (tmp_path / "pets" / "cat").symlink_to(tmp_path / "elsewhere" / "cat")
    (tmp_path / "pets" / "dog" / "all").symlink_to(tmp_path / "pets")
    (tmp_path / "pets" / "dog" / "3.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "pets" / "dog" / "4.png").symlink_to("4.png")
    folder = Folder(str(tmp_path / "pets"), 4, 1)
    assert folder.names == ["cat/1.png", "dog/2.png"]
    assert folder.classes == ("cat", "dog")
    assert folder.read(np.arange(2))["image"][:, 0, 0, 0].tolist() == [10, 20]
    assert folder.layout.left_out == {
        "links to folders that are read already": 2,
        "links to nothing or to themselves": 2,
    }


def test_what_is_not_a_file_is_not_opened(tmp_path):
    """Reading a pipe would wait for ever."""
    save(tmp_path, "1.png")
    os.mkfifo(tmp_path / "2.png")
    folder = Folder(str(tmp_path), 4, 1)
    assert folder.names == ["1.png"]
    assert folder.layout.left_out == {"neither files nor folders": 1}


def test_of_members_of_one_name_the_last_is_read_and_the_others_are_counted(tmp_path):
    first, second = save(tmp_path, "a.png", 10), save(tmp_path, "b.png", 20)
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.write(first, "x/1.png")
        archive.write(second, "y\\2.png")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.write(second, "x/1.png")
    folder = Folder(str(tmp_path / "z.zip"), 4, 1)
    assert folder.names == ["x/1.png", "y/2.png"]
    assert folder.classes == ("x", "y")
    assert folder.read(np.array([0]))["image"].max() == 20
    assert folder.layout.left_out == {"older members of the same name": 1}


def test_a_large_file_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "zeros.png").open("wb") as file:
        file.truncate(2**40)  # a hole, which takes no disk
    with pytest.raises(UsageError, match=r"zeros\.png: the image is too large \(more than 256 MB"):
        Folder(str(tmp_path), 4, 1).read(np.array([0]))


def test_a_member_that_is_no_image_is_not_unpacked_whole(tmp_path):
    """A gigabyte of zeros is a megabyte in a zip; 200 MB of it pass the limit."""
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.png", bytes(200 * 10**6))
        archive.writestr("2.png", bytes(300 * 10**6))
    folder = Folder(str(tmp_path / "z.zip"), 4, 1)
    assert len(folder.encoded("1.png")) == 64
    with pytest.raises(UsageError, match=r"1\.png: truncated or damaged image \(it is not a file"):
        folder.read(np.array([0]))
    with pytest.raises(UsageError, match=r"2\.png: the image is too large"):
        folder.read(np.array([1]))


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_directory_that_may_not_be_read_is_refused(tmp_path):
    save(tmp_path, "a/1.png").parent.chmod(0)
    with pytest.raises(UsageError, match=r"/a cannot be read \(Permission denied\)"):
        Folder(str(tmp_path), 4, 1)

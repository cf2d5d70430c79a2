import json
from collections import Counter

import numpy as np
import pytest

from gan_jax.data.files import Listing
from gan_jax.data.layout import arrange, sort_names
from gan_jax.errors import UsageError


def of(files, split="train", labels="auto", folders=(), **contents):
    """The layout of some files; `contents` are those of labels files, by their folder."""
    texts = {
        f"{folder.removeprefix('root').strip('/')}/dataset.json".lstrip("/"): text
        if isinstance(text, bytes)
        else json.dumps({"labels": text}).encode()
        for folder, text in contents.items()
    }
    names = sorted([*files, *texts])
    sizes, stamps = np.zeros(len(names), np.int64), np.zeros((len(names), 3), np.int64)
    listing = Listing(names, sizes, stamps, list(folders), Counter())
    return arrange(listing, split, labels, texts.get)


def pets(count=10, prefix=""):
    return [f"{prefix}{kind}/{i}.png" for kind in ("cat", "dog") for i in range(count)]


def test_folders_are_classes_and_a_common_folder_is_none():
    for prefix in ("", "top/", "top/images/"):
        found = of(pets(prefix=prefix))
        assert found.classes == ("cat", "dog")
        assert found.labels.tolist() == [0] * 10 + [1] * 10
        assert not found.warnings
        assert not found.left_out
    assert of(["top/1.png", "top/2.png"]).classes == ()


def test_deeper_folders_belong_to_their_class():
    assert of(["cat/a/1.png", "cat/b/2.png", "dog/1.png"]).labels.tolist() == [0, 0, 1]


def test_numbers_are_sorted_as_numbers():
    found = of([f"{digit}/{i}.png" for digit in range(12) for i in range(2)])
    assert found.classes == tuple(map(str, range(12)))
    assert found.labels[found.names.index("10/0.png")] == 10
    assert sort_names(["10", "9", "-1", "09"]) == ["-1", "09", "9", "10"]
    assert sort_names(["b", "a", "10"]) == ["10", "a", "b"]


def test_a_stray_image_beside_classes_is_left_out_with_a_warning():
    found = of([*pets(2), "cover.png"])
    assert found.classes == ("cat", "dog")
    assert "cover.png" not in found.names
    assert found.left_out == {"images beside the folders of classes": 1}
    assert found.warnings == ["cover.png lies beside the folders of classes and is left out"]


def test_many_images_beside_folders_are_one_set_with_a_warning():
    found = of([*pets(2), *(f"{i}.png" for i in range(9))])
    assert (found.classes, len(found.names)) == ((), 13)
    assert "9 images lie beside 2 folders" in found.warnings[0]
    forced = of([*pets(2), *(f"{i}.png" for i in range(9))], labels="folders")
    assert (forced.classes, len(forced.names)) == (("cat", "dog"), 4)


def test_buckets_of_stylegan_are_not_classes():
    files = [f"{i:05d}/img{i:05d}{j:03d}.png" for i in range(3) for j in range(4)]
    found = of(files)
    assert (found.classes, len(found.names)) == ((), 12)
    assert "the folders 00000/ to 00002/ are taken for parts of one set" in found.warnings[0]
    assert of(files, labels="folders").classes == ("00000", "00001", "00002")


def test_splits_are_not_classes():
    files = [*pets(3, "train/"), *pets(2, "val/"), *pets(1, "test/"), "train.csv"]
    found = of(files)
    assert (found.classes, len(found.names)) == (("cat", "dog"), 6)
    assert found.left_out == {".csv files": 1, "images in val/": 4, "images in test/": 2}
    assert found.structure == "split train (train/); classes by folders"
    for split, count in (
        ("val", 4),
        ("validation", 4),
        ("test", 2),
        ("train+test", 8),
        ("all", 12),
    ):
        found = of(files, split)
        assert (found.classes, len(found.names)) == (("cat", "dog"), count)
    with pytest.raises(UsageError, match=r"split='trian': the folder has test/, train/, val/"):
        of(files, "trian")


def test_a_split_that_the_folder_has_not_is_refused():
    with pytest.raises(UsageError, match="the folder has no train/, val/ or test/"):
        of(pets(), "test")
    with pytest.raises(UsageError, match="the folder has test/, val/"):
        of(["val/1.png", "val/2.png", "test/1.png"])
    found = of(["car/1.png", "train/1.png", "bus/1.png"])
    assert found.classes == ("bus", "car", "train")
    assert "train/ are taken for classes" in found.warnings[0]


def test_one_split_alone_is_taken_with_a_warning():
    assert not of(pets(prefix="train/")).warnings
    assert "there is val/ alone, and it is taken" in of(pets(prefix="val/")).warnings[0]
    assert not of(pets(prefix="val/"), "validation").warnings
    with pytest.raises(UsageError, match="the folder has train/ alone"):
        of(pets(prefix="train/"), "val")


def test_splits_with_inner_folders_keep_their_classes():
    files = [f"{split}/images/{kind}/1.png" for split in ("train", "test") for kind in "ab"]
    for split, count in (("train", 2), ("all", 4)):
        found = of(files, split)
        assert (found.classes, len(found.names)) == (("a", "b"), count)
    assert of(files, labels="folders").classes == ("test", "train")
    assert of(files, "test", labels="folders").classes == ("a", "b")


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        (["trainA", "trainB"], "trainA/, trainB/ are taken for classes"),
        (["images", "masks"], "images/, masks/ are taken for classes"),
        (["Cat", "cat"], "the classes Cat and cat are spelled alike"),
        (["caf\u00e9", "cafe\u0301"], "are spelled alike"),
    ],
)
def test_folders_that_may_not_be_classes_are_warned_of(folders, said):
    found = of([f"{folder}/{i}.png" for folder in folders for i in range(3)])
    assert len(found.classes) == 2
    assert said in found.warnings[0]


def test_folders_of_classes_without_images_are_named():
    found = of(pets(), folders=["cat", "dog", "owl", "cat/inner"])
    assert found.warnings == ["no image is in the folders owl/"]


def test_labels_of_stylegan_are_the_classes():
    inside = [f"00000/img0000000{i}.png" for i in range(4)]
    labels = [[name, label] for name, label in zip(inside, (10, 9, 10, 2), strict=True)]
    for place, prefix in (("root", ""), ("set", "set/"), ("train", "train/")):
        files = [prefix + name for name in inside]
        others = ["val/00000/img00000000.png"] if place == "train" else []
        found = of([*files, *others], **{place: labels})
        assert found.classes == ("2", "9", "10")
        assert found.labels.tolist() == [2, 1, 2, 0]
        assert not found.left_out.total() - len(others)
        assert not found.warnings
    assert of(inside, root=None).classes == ()
    assert of(inside, labels="none", root=labels).classes == ()


def test_labels_of_files_that_are_gone_are_warned_of():
    found = of(["a.png", "b.png"], root=[["a.png", 0], ["b.png", 1], ["c.png", 1]])
    assert found.classes == ("0", "1")
    assert found.warnings == [
        "dataset.json names 1 files that are not among the images, such as c.png"
    ]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([["a/1.png", 0]], "has no label for 1 of the 2 images, such as b/1.png"),
        ([["a/1.png", [0, 1]], ["b/1.png", [1, 0]]], "the label of a/1.png is [0, 1]"),
        ([["a/1.png", True], ["b/1.png", False]], "the label of a/1.png is True"),
        ([["a/1.png", 0.5], ["b/1.png", 1.5]], "the label of a/1.png is 0.5"),
        (3, "is not a list of [file, class] pairs"),
        (["a/1.png"], "is not a list of [file, class] pairs"),
        ([["a/1.png", 0], ["a/1.png", 1]], "a/1.png has the labels 0 and 1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, said):
    with pytest.raises(UsageError) as refusal:
        of(["a/1.png", "b/1.png"], root=labels)
    assert said in str(refusal.value)


@pytest.mark.parametrize("text", [b"", b"[]", b"3", b'{"images": []}', b"\xff", b"[" * 100_000])
def test_another_dataset_json_is_passed_over_with_a_warning(text):
    found = of(["a/1.png", "b/1.png"], root=text)
    assert found.classes == ("a", "b")
    assert "dataset.json is not one of StyleGAN's" in found.warnings[0]


def test_classes_of_one_image_are_warned_of():
    found = of([f"person{i}/1.png" for i in range(5)])
    assert len(found.classes) == 5
    assert "if they are not classes, give --config.dataset.labels=none" in found.warnings[0]
    assert of([f"person{i}/1.png" for i in range(5)], labels="none").classes == ()


def test_one_folder_is_one_class_only_where_folders_are_classes():
    assert of(["cat/1.png"], labels="folders").classes == ("cat",)
    assert of(["top/cat/1.png", "top/dog/1.png"], labels="folders").classes == ("cat", "dog")


def test_what_is_not_read_is_counted_by_its_ending():
    found = of(["1.png", "2.JFIF", "3.tif", "4.ppm", "5.heic", "6.HEIC", "7.txt", "README"])
    assert found.names == ["1.png", "2.JFIF", "3.tif", "4.ppm"]
    assert found.left_out == {
        ".heic (a format that is not read)": 2, ".txt files": 1, "files without an ending": 1,
    }  # fmt: skip
    assert found.labels.dtype == np.int32

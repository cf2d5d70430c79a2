import pytest

from gan_jax.data.class_names import directory_name, label_of
from gan_jax.errors import UsageError

CLASSES = ("cat", "dog", "pick-up truck", "a/b", "..", "50%", "naïve")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat", "cat"), ("naïve", "naïve"), ("pick-up truck", "pick-up truck"), ("a/b", "a%2Fb"),
        ("a\\b", "a%5Cb"), ("..", "%2E%2E"), (".git", "%2Egit"), ("nul\0", "nul%00"),
        ("50%", "50%25"), ("a%2Fb", "a%252Fb"), ("end.", "end%2E"), ("", "%"), ("a\nb", "a%0Ab"),
        ("v1.5", "v1.5"), ("CON", "%43ON"), ("nul.txt", "%6Eul.txt"), ("console", "console"),
        ("__MACOSX", "%5F_MACOSX"), ("T-shirt/top", "T-shirt%2Ftop"), ("b\udce9", "b%DCE9"),
        ("\ud800", "%D800"), (" a ", "%20a%20"),
    ],
)  # fmt: skip
def test_every_class_has_a_directory_of_its_own(name, expected, tmp_path):
    assert directory_name(name) == expected
    (tmp_path / expected).mkdir()
    assert [path.name for path in tmp_path.iterdir()] == [expected]


def test_long_names_are_cut_and_stay_different(tmp_path):
    names = [170 * "%" + end for end in "ab"] + ["é" * 127, "é" * 126 + "è"]
    assert len({directory_name(name) for name in names}) == 4
    for label, name in enumerate(names):
        (tmp_path / directory_name(name)).mkdir()
        assert label_of(directory_name(name), names, "--label") == label


def test_a_name_is_found_however_its_letters_are_composed():
    assert label_of("cafe\u0301", ("tea", "caf\u00e9"), "--label") == 1
    assert label_of("cafe\u0301", ("cafe\u0301", "caf\u00e9"), "--label") == 0


def test_a_class_is_found_by_its_name_its_directory_and_its_number():
    for label, name in enumerate(CLASSES):
        assert label_of(name, CLASSES, "--label") == label
        assert label_of(directory_name(name), CLASSES, "--label") == label
        assert label_of(str(label), CLASSES, "--label") == label


def test_names_that_are_numbers_come_before_labels():
    classes = ("0", "1", "10", "2")
    assert [label_of(name, classes, "--label") for name in classes] == [0, 1, 2, 3]
    with pytest.raises(UsageError, match=r"no class is called '3'.*takes 0 \| 1 \| 10 \| 2$"):
        label_of("3", classes, "--label")


def test_an_unknown_class_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match=r"^--label: no class is called 'cats'; did you mean cat"):
        label_of("cats", CLASSES, "--label")
    with pytest.raises(UsageError, match=r"no class is called 'CAT'; did you mean cat"):
        label_of("CAT", CLASSES, "--label")
    with pytest.raises(UsageError, match=r"'7'.*, or labels from 0 to 6$"):
        label_of("7", CLASSES, "--label")
    many = tuple(f"c{i}" for i in range(12))
    with pytest.raises(UsageError, match=r"c9 \| ... \(12 classes\)"):
        label_of("zebra", many, "--images")

"""Classes are asked for by their names or numbers, and what cannot be meant is refused."""

import pytest

from gan_jax.apply.options import Options, labels, named
from gan_jax.errors import UsageError

CLASSES = ("cat", "dog", "red", "red, blue", "T-shirt/top", "café")
TWELVE = tuple(str(i) for i in range(12))


@pytest.mark.parametrize(
    ("text", "classes", "expected"),
    [
        ("cat", CLASSES, [0]),
        ("dog,cat,dog", CLASSES, [1, 0, 1]),
        ("dog, cat", CLASSES, [1, 0]),
        ("red, blue", CLASSES, [3]),
        ("cat,red, blue,dog", CLASSES, [0, 3, 1]),
        ("red,cat", CLASSES, [2, 0]),
        ("T-shirt/top", CLASSES, [4]),
        ("T-shirt%2Ftop", CLASSES, [4]),
        ("cafe\u0301", CLASSES, [5]),
        ("1,0", CLASSES, [1, 0]),
        ("", CLASSES, [0, 1, 2, 3, 4, 5]),
        ("10, 2", TWELVE, [10, 2]),
        ("10,2", ("10", "2", "7"), [0, 1]),
        ("", (), [0]),
    ],
)
def test_classes_go_by_name(text, classes, expected):
    assert labels(Options(label=text), classes) == expected


@pytest.mark.parametrize(
    ("text", "classes", "said"),
    [
        ("kat", CLASSES, r"--label='kat': no class is called 'kat'; did you mean cat"),
        ("dog,blue", CLASSES, r"--label='dog,blue': no class is called 'blue'"),
        ("6", CLASSES, r"'6'.* or labels from 0 to 5"),
        ("cat,", CLASSES, r"no class is called ''"),
        ("12", TWELVE, r"no class is called '12'"),
        ("0", ("10", "2", "7"), r"no class is called '0'.*takes 10 \| 2 \| 7$"),
        ("cat", (), r"--label=cat: the run's generator is told of no classes"),
    ],
)
def test_unknown_classes_are_refused(text, classes, said):
    with pytest.raises(UsageError, match=said):
        labels(Options(label=text), classes)


def test_a_line_names_a_few_classes():
    assert named([0], ()) == ""
    assert named([1], CLASSES) == " of class dog"
    assert named([1, 0], CLASSES) == " of classes dog, cat"
    assert named(list(range(12)), TWELVE) == " of classes 0, 1, 2, 3, 4 and 7 more"

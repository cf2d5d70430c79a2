"""What is secret in a storage's URL is never shown."""

import shlex
import sys

import pytest

from gan_jax import reproduce
from gan_jax.storage_url import is_sqlite, reason, shown, without_storage

SHOWN = {
    "postgresql+psycopg2://me:secret@here:5432/x": "postgresql+psycopg2://me:***@here:5432/x",
    "postgresql://me:se/cret@here/x": "postgresql://me:***@here/x",
    "postgresql://me:se%2Fcret@here/x": "postgresql://me:***@here/x",
    "postgresql://me:se%40cret@here/x": "postgresql://me:***@here/x",
    "postgresql://me:se?cret#@here/x": "postgresql://me:***@here/x",
    "postgresql://me:se:cret@[::1]/x": "postgresql://me:***@[::1]/x",
    "mysql+pymysql://:secret@here/x": "mysql+pymysql://:***@here/x",
    "postgresql://here/x": "postgresql://here/x",
    "postgresql:///x?host=/run/pg&user=me&password=secret":
        "postgresql:///x?host=%2Frun%2Fpg&password=***&user=me",
    "postgresql://here/x?sslpassword=secret&Passwd=secret&token=secret&sslmode=require":
        "postgresql://here/x?Passwd=***&sslmode=require&sslpassword=***&token=***",
    "postgresql://here/x?password=a&password=secret": "postgresql://here/x?password=***",
    # It is not clear where the password ends.
    "postgresql://me:top@secret@here/x": "postgresql://***",
    "postgresql://me:top@sec/ret@here/x": "postgresql://***",
    "postgresql://me:top@se?cret@here/x": "postgresql://***",
    "postgresql://top/secret:x@here/x": "postgresql://***",
    "postgresql://me:top@secret:x@here/x": "***",
    "postgresql://me:secret": "***",
    "me:secret@here": "***",
    "secret": "***",
}  # fmt: skip


@pytest.mark.parametrize("url", SHOWN)
def test_a_url_is_shown_without_its_password(url):
    assert shown(url) == SHOWN[url]


@pytest.mark.parametrize(
    ("url", "said", "expected"),
    [
        ("postgresql://me:secret@here/x", "no such host: here", "OSError: no such host: here"),
        ("postgresql://me:secret@here/x", "cannot parse me:secret", "OSError"),
        ("postgresql://me:se%2Fcret@here/x", "no se/cret", "OSError"),
        ("postgresql://me:se%2Fcret@here/x", "no se%2Fcret", "OSError"),
        ("postgresql://here/x?password=secret", "no secret", "OSError"),
        ("postgresql://me:top@secret@here/x", "no such host: secret@here", "OSError"),
        ("secret", "no secret", "OSError"),
    ],
)
def test_what_a_driver_says_is_told_unless_it_repeats_the_password(url, said, expected):
    assert reason(url, OSError(said)) == expected


def test_the_command_line_is_recorded_without_the_password(monkeypatch):
    url = "postgresql://me:secret@here/x?token=secret"
    for flags in ([f"--storage={url}"], [f"-storage={url}"], ["--storage", url]):
        words = ["python", "launch.py", "--mode=sweep", *flags, "--trials=3"]
        monkeypatch.setattr(sys, "orig_argv", words)
        recorded = reproduce.manifest(0)["command"]
        assert "secret" not in recorded
        assert "postgresql://me:***@here/x" in recorded
        assert recorded.endswith("--trials=3")
    plain = ["python", "launch.py", "--config=a.py"]
    assert shlex.join(without_storage(plain)) == "python launch.py --config=a.py"


def test_sqlite_is_told_by_its_url():
    assert is_sqlite("sqlite:///x.db")
    assert is_sqlite("sqlite+pysqlite:///x.db")
    assert not is_sqlite("postgresql://here/sqlite")
    assert not is_sqlite("sqlite")

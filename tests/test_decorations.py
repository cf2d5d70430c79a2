"""What decorates a run ends nothing; a disk that cannot be written does."""

import contextlib
import errno
import shutil

import pytest

from gan_jax import workdir
from gan_jax.decorations import Decorations
from gan_jax.errors import Gone, Unwritable
from support import tiny_mlp_config


@pytest.fixture
def decorations(tmp_path):
    with workdir.claim(str(tmp_path / "run"), tiny_mlp_config()) as directory:
        yield Decorations(workdir.Place(directory))


def test_each_failure_is_warned_of_once(decorations, caplog):
    for what in ("drawing", "drawing", "telling"):
        with decorations.guard(what):
            raise RuntimeError("no font")
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        f"{what} failed (RuntimeError: no font); the run goes on without"
        for what in ("drawing", "telling")
    ]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.ENOTDIR])
def test_a_file_that_cannot_be_written_where_others_can(decorations, tmp_path, number):
    with decorations.guard("drawing"):
        raise workdir.unwritable(tmp_path, number, "why")
    assert list((tmp_path / "run").iterdir()) == [tmp_path / "run" / ".lock"]


def test_a_directory_that_is_gone_ends_the_run(decorations, tmp_path):
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(Gone), decorations.guard("drawing"):
        raise FileNotFoundError


def test_a_directory_that_takes_no_file_ends_the_run(decorations, tmp_path):
    (tmp_path / "run" / ".probe").mkdir()
    with pytest.raises(Unwritable, match="drawn"), decorations.guard("drawing"):
        raise workdir.unwritable(tmp_path / "drawn", errno.ENOSPC, "full")


def test_what_is_no_failure_passes(decorations):
    with pytest.raises(KeyboardInterrupt), decorations.guard("drawing"):
        raise KeyboardInterrupt
    with contextlib.suppress(StopIteration), decorations.guard("drawing"):
        pass

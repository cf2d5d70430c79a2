"""Real Orbax checkpoints, saved, damaged in every way that a disk knows, and restored."""

import logging
import shutil
import sys
import threading

import jax
import numpy as np
import pytest

from gan_jax import checkpoint, prng, reproduce
from gan_jax.checkpoint import Checkpoints, to_host
from gan_jax.errors import Removed, UsageError
from gan_jax.state import build_models, init_state
from support import tiny_mlp_config


def born(config=None, seed=0):
    config = config or tiny_mlp_config()
    networks = build_models(config, (2,), None)
    return to_host(init_state(config, networks, (2,), prng.root(seed)))


def at(state, step):
    return state.replace(step=np.asarray(step, np.int32))


@pytest.fixture(scope="module")
def state():
    return born()


@pytest.fixture(scope="module")
def saved(state, tmp_path_factory):
    """A directory with checkpoints of steps 10 and 20."""
    directory = tmp_path_factory.mktemp("saved")
    with Checkpoints(directory, keep=3) as checkpoints:
        for step in (10, 20):
            checkpoints.save(at(state, step), reproduce.digest(at(state, step)))
    return directory


def restore(directory, template, written=None):
    with Checkpoints(directory, keep=3) as checkpoints:
        return checkpoints.restore(template, written)


def test_a_state_comes_back_bit_for_bit(saved, state):
    back = restore(saved, jax.eval_shape(lambda: state))
    assert back.step == 20
    assert jax.tree.structure(back) == jax.tree.structure(state)
    assert reproduce.digest(back) == reproduce.digest(at(state, 20))


def test_the_newest_ones_are_kept(state, tmp_path):
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(at(state, step), reproduce.digest(at(state, step)))
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["00000002", "00000003"]


def test_nothing_saved_is_nothing_restored(tmp_path, state):
    assert restore(tmp_path, state) is None


def test_what_is_saved_does_not_follow_the_state_that_goes_on(tmp_path, state):
    changing = jax.tree.map(np.copy, at(state, 5))
    digest = reproduce.digest(changing)
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(to_host(changing), digest)
        for leaf in jax.tree.leaves(changing):
            leaf += 1
    assert reproduce.digest(restore(tmp_path, state)) == digest


def remove(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def cut(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("harm", [remove, empty, cut, flip])
@pytest.mark.parametrize(
    "part", ["state/d/*", "state/manifest.ocdbt", "state/_METADATA", "digest/metadata"]
)
def test_a_damaged_newest_checkpoint_is_set_aside_with_a_warning(
    saved, state, tmp_path, part, harm, caplog
):
    directory = tmp_path / "run"
    shutil.copytree(saved, directory)
    files = list((directory / "checkpoints" / "00000020").glob(part))
    assert files
    for file in files:
        harm(file)
    with caplog.at_level(logging.WARNING):
        back = restore(directory, state)
    assert back.step == 10
    assert "checkpoint 20 is damaged" in caplog.text
    assert max(map(len, caplog.messages)) < 600  # Orbax says it at great length
    assert (directory / "checkpoints.damaged" / "00000020").is_dir()
    with Checkpoints(directory, keep=3) as checkpoints:  # its place is free again
        checkpoints.save(at(state, 20), reproduce.digest(at(state, 20)))
    assert restore(directory, state).step == 20


def test_a_swapped_checkpoint_is_noticed(saved, state, tmp_path, caplog):
    """Whole and readable, but another step's bytes under this step's name and digest."""
    directory = tmp_path / "run"
    shutil.copytree(saved, directory)
    steps = directory / "checkpoints"
    shutil.rmtree(steps / "00000020" / "state")
    shutil.copytree(steps / "00000010" / "state", steps / "00000020" / "state")
    assert restore(directory, state).step == 10
    assert "do not match the digest" in caplog.text


def digests_of(*states):
    return {int(state.step): reproduce.digest(state)["sha256"] for state in states}


def test_a_checkpoint_of_another_run_is_set_aside_with_a_warning(saved, state, tmp_path, caplog):
    """Whole, of the right shapes and with a digest of its own: another seed's."""
    directory, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(saved, directory)
    foreign = at(born(seed=1), 20)
    with Checkpoints(other, keep=3) as checkpoints:
        checkpoints.save(foreign, reproduce.digest(foreign))
    shutil.rmtree(directory / "checkpoints" / "00000020")
    shutil.copytree(other / "checkpoints" / "00000020", directory / "checkpoints" / "00000020")
    back = restore(directory, state, digests_of(at(state, 10), at(state, 20)))
    assert reproduce.digest(back) == reproduce.digest(at(state, 10))
    assert "checkpoint 20 is of another run" in caplog.text
    assert (directory / "checkpoints.damaged" / "00000020").is_dir()


def test_an_earlier_checkpoint_under_a_later_name_is_set_aside(saved, state, tmp_path, caplog):
    directory = tmp_path / "run"
    shutil.copytree(saved, directory)
    shutil.rmtree(directory / "checkpoints" / "00000020")
    shutil.copytree(directory / "checkpoints" / "00000010", directory / "checkpoints" / "00000020")
    assert restore(directory, state, digests_of(at(state, 10), at(state, 20))).step == 10
    assert "checkpoint 20 is of another run" in caplog.text


def test_a_checkpoint_that_no_digest_is_kept_of_is_taken(saved, state):
    assert restore(saved, state, digests_of(at(state, 10))).step == 20


def test_damage_all_through_leaves_the_seed_and_keeps_the_pieces(saved, state, tmp_path):
    directory = tmp_path / "run"
    shutil.copytree(saved, directory)
    for name in ("00000010", "00000020"):
        shutil.rmtree(directory / "checkpoints" / name / "state")
    assert restore(directory, state) is None
    assert len(list((directory / "checkpoints.damaged").iterdir())) == 2


def test_a_save_cut_short_is_cleared_away(saved, state, tmp_path):
    directory = tmp_path / "run"
    shutil.copytree(saved, directory)
    half = directory / "checkpoints" / "00000030.orbax-checkpoint-tmp-7"
    shutil.copytree(directory / "checkpoints" / "00000020", half)
    assert restore(directory, state).step == 20
    assert not half.exists()


def test_another_shape_is_not_silently_restored(saved, tmp_path):
    directory = tmp_path / "run"
    shutil.copytree(saved, directory)
    config = tiny_mlp_config()
    config.generator.hidden = (8,)
    assert restore(directory, born(config)) is None


def test_a_digest_tells_any_two_states_apart(state):
    base = reproduce.digest(state)
    assert base == reproduce.digest(jax.tree.map(np.copy, state))
    assert reproduce.digest(at(state, 1))["sha256"] != base["sha256"]
    leaves, tree = jax.tree.flatten(state)
    for index, leaf in enumerate(leaves):
        if leaf.size and index:
            one_bit = np.copy(leaf)
            one_bit.reshape(-1).view(np.uint8)[0] ^= 1
            changed = tree.unflatten([*leaves[:index], one_bit, *leaves[index + 1 :]])
            digest = reproduce.digest(changed)
            assert digest["sha256"] != base["sha256"]
            assert len([name for name in base if base[name] != digest[name]]) == 2


def test_hooks_do_not_pile_up(tmp_path):
    """A sweep opens thousands of directories in one process."""
    with Checkpoints(tmp_path / "one", keep=1):
        hooks = sys.unraisablehook, sys.excepthook
        with Checkpoints(tmp_path / "other", keep=1):
            assert (sys.unraisablehook, sys.excepthook) == hooks


# Reading beside a process that saves


def copied(saved, tmp_path):
    folder = tmp_path / "checkpoints"
    shutil.copytree(saved / "checkpoints", folder)
    return folder


def test_one_is_read_whatever_becomes_of_those_beside_it(saved, state, tmp_path):
    """A run that trains on saves and removes them at any moment."""
    folder, template, ended = copied(saved, tmp_path), jax.eval_shape(lambda: state), []

    def come_and_go():
        while not ended:
            shutil.copytree(folder / "00000010", folder / "00000030")
            shutil.rmtree(folder / "00000030")

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(20):
            back = checkpoint.read(folder, 20, template)
            assert reproduce.digest(back) == reproduce.digest(at(state, 20))
    finally:
        ended.append(True)
        thread.join()


def test_one_that_is_removed_while_it_is_read_is_not_called_damaged(saved, state, tmp_path):
    folder = copied(saved, tmp_path)
    for file in (folder / "00000010" / "state").rglob("*"):
        if file.is_file():
            file.unlink()
    rest = threading.Timer(0.3, shutil.rmtree, [folder / "00000010"])
    rest.start()
    with pytest.raises(Removed, match="00000010: removed since"):
        checkpoint.read(folder, 10, state)
    rest.join()
    with pytest.raises(Removed, match="00000010: removed since"):
        checkpoint.read(folder, 10, state)


def test_of_a_run_that_trains_on_the_latest_is_one_that_is_still_there(saved, state, tmp_path):
    folder, template = copied(saved, tmp_path), jax.eval_shape(lambda: state)
    for file in (folder / "00000020" / "state").rglob("*"):
        if file.is_file():
            file.unlink()
    rest = threading.Timer(0.3, shutil.rmtree, [folder / "00000020"])
    rest.start()
    step, back = checkpoint.load(tmp_path, "latest", template)
    rest.join()
    assert (step, int(back.step)) == (10, 10)
    shutil.rmtree(folder / "00000010")
    with pytest.raises(UsageError, match="has no checkpoint yet"):
        checkpoint.load(tmp_path, "latest", template)
    assert checkpoint.load(tmp_path, "0", template) == (0, None)


def test_a_damaged_one_is_refused_and_left(saved, state, tmp_path):
    folder = copied(saved, tmp_path)
    (folder / "00000020" / "digest" / "metadata").write_text("{")
    with pytest.raises(UsageError, match="00000020: damaged, or of another config"):
        checkpoint.read(folder, 20, state)
    assert (folder / "00000020").is_dir()

"""A sweep's study on a PostgreSQL server, shared by processes that see no file of each other."""

import itertools
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest

from gan_jax.errors import UsageError
from gan_jax.sweep.space import Choice, Sweep, Uniform
from gan_jax.sweep.study import Study
from support import tiny_mlp_config
from sweep import workers

psycopg2 = pytest.importorskip("psycopg2", reason="the driver psycopg2 is not installed")


def program(name):
    """One of PostgreSQL's, which Debian keeps out of PATH."""
    beside = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(beside[-1]) if beside else None)
    return found or pytest.skip(f"{name} of PostgreSQL is not installed")


@pytest.fixture(scope="module")
def server():
    """The folder of a running server's socket. It refuses to be run by root."""
    initdb, pg_ctl = program("initdb"), program("pg_ctl")
    user = {}
    if os.geteuid() == 0:
        try:
            postgres = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL refuses root, and there is no user postgres")
        user = {"user": postgres.pw_uid, "group": postgres.pw_gid, "extra_groups": []}
    with tempfile.TemporaryDirectory(prefix="postgres", ignore_cleanup_errors=True) as folder:
        if user:
            os.chown(folder, user["user"], user["group"])
        data, log = pathlib.Path(folder, "data"), pathlib.Path(folder, "log")

        def call(*command):
            with log.open("ab") as file:
                done = subprocess.run(
                    command, cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file, **user
                )
            assert done.returncode == 0, log.read_text()

        call(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(
                f"listen_addresses = ''\nunix_socket_directories = '{folder}'\nfsync = off\n"
            )
        call(pg_ctl, "-D", data, "-w", "-l", pathlib.Path(folder, "server.log"), "start")
        try:
            yield folder
        finally:
            call(pg_ctl, "-D", data, "-w", "-m", "immediate", "stop")


@pytest.fixture
def storage(server, counter=itertools.count()):  # noqa: B008
    """The URL of an empty database."""
    name = f"sweeps_{next(counter)}"
    connection = psycopg2.connect(host=server, user="postgres", dbname="postgres")
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    return f"postgresql+psycopg2:///{name}?host={server}&user=postgres"


@pytest.fixture(scope="module")
def start():
    with workers.starter() as start:
        yield start


def test_workers_that_start_at_the_same_instant_end_every_trial_once(start, storage, tmp_path):
    """They make the tables at that instant too."""
    workers.race(start, storage, tmp_path, trials=16)


def test_nothing_is_lost_or_ended_twice_while_a_worker_is_killed_and_started_again(
    start, storage, tmp_path
):
    workers.race_and_kill(start, storage, tmp_path, trials=16, kills=3)


def test_the_trials_of_a_worker_killed_on_another_machine_come_back(
    start, storage, tmp_path, monkeypatch
):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    process = start(workers.hold, storage, there, 2)
    workers.wait_until((there / "held.json").exists)
    with workers.open_study(storage, here, 2) as view:
        workers.kill_and_take_again(view, process, there, monkeypatch)


def test_a_worker_that_lost_its_trial_does_no_harm(storage, tmp_path, monkeypatch):
    workers.lose_and_end(lambda: workers.open_study(storage, tmp_path, 2), tmp_path, monkeypatch)


def test_what_was_told_comes_back_as_it_was(storage, tmp_path):
    space = {
        "generator.optimizer.learning_rate": Uniform(0.0, 1.0),
        "generator.hidden": Choice(((64, 32), (16,), ())),
    }
    config = tiny_mlp_config(steps=8, eval_every=2)
    sweep = Sweep(space=space, trials=4, sampler="random", seeds=2)
    with Study(storage, "sweep", sweep, config, tmp_path) as view:
        trials = [view.take() for _ in range(3)]
        assert not view.report(trials[1], 2, 1 / 3)
        metrics = {"fid": 1e-300, "kid": -0.1}
        view.end(trials[1], "done", values=[0.1, 0.2], step=8, metrics=metrics)
        view.end(trials[2], "failed", values=[], step=0, metrics={}, message="\N{SNOWMAN} 'n' \"\\")
        assert view.agree("sweep", "first") == "first"
    with Study(storage, "sweep", sweep, config, tmp_path) as view:
        assert view.agree("sweep", "second") == "first"
        _, done, failed, waiting = view.outcomes()
        assert (done.status, done.point, done.curve) == ("done", trials[1].point, ((2, 1 / 3),))
        assert (done.value, done.metrics) == (pytest.approx(0.15), metrics)
        assert (failed.status, failed.message) == ("failed", "\N{SNOWMAN} 'n' \"\\")
        assert waiting.status == "waiting"


def test_a_server_that_does_not_answer_is_said_in_one_line(server, tmp_path):
    storage = f"postgresql+psycopg2:///nowhere?host={server}&user=postgres"
    with pytest.raises(UsageError, match=r'cannot be opened .*"nowhere" does') as refused:
        Study(storage, "sweep", Sweep(space=workers.SPACE), workers.CONFIG, tmp_path)
    assert "\n" not in str(refused.value)

"""What becomes of a run that is disturbed: each fault, how the run met it, and how it ended.

  python -m benchmarks.faults [--kills=50] [--seed=0] [--only=TEXT]

A small GAN on the digits is trained once undisturbed, by one process and by two. Then, for each
fault, a run of the same config is disturbed, and the same command is given again until the run has
its steps; the digest of its last state must be that of the undisturbed one. Prints a Markdown
table; exits with 1 unless all are.
Disks that are full, read-only or gone are in tests/test_faults.py, which mounts real ones.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

_STEPS = 1200
_FLAGS = [
    "--config=experiments/digits_dcgan.py", "--config.batch_size=16", "--config.latent.dim=8",
    "--config.generator.width=4", "--config.discriminator.width=4", "--config.generator.base=2",
    "--config.discriminator.base=2", "--config.num_samples=4", f"--config.steps={_STEPS}",
    "--config.checkpoint_every=20", "--config.sample_every=40", "--config.log_every=10",
    "--config.checkpoint_keep=3", "--config.eval_every=200", "--config.eval.num_samples=200",
    "--config.eval.features=pixels",
]  # fmt: skip


def start(run: pathlib.Path, *more: str) -> subprocess.Popen:
    """A process that trains the run."""
    return subprocess.Popen(
        [sys.executable, "launch.py", *_FLAGS, f"--workdir={run}", *more],
        text=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def end(process: subprocess.Popen) -> tuple[int, str]:
    """Its exit code, and the last line that it says of the matter."""
    said = process.communicate(timeout=300)[1].splitlines()
    lines = [line for line in said if line.startswith(("error:", "warning:"))]
    return process.returncode, lines[-1] if lines else ""


def interrupted(run: pathlib.Path, which: int, after: int) -> tuple[int, str]:
    """A run that is sent a signal once it has saved the step `after` (0: at once, compiling)."""
    process = start(run)
    while after and process.poll() is None and last(run).get("step", 0) < after:
        time.sleep(0.01)
    if not after:
        time.sleep(1.5)
    process.send_signal(which)
    return end(process)


def last(run: pathlib.Path) -> dict:
    """The last whole row of digests.jsonl."""
    try:
        rows = (run / "digests.jsonl").read_text().splitlines()
        return json.loads(rows[-1])
    except (OSError, ValueError, IndexError):
        return {}


def half_way(run: pathlib.Path) -> None:
    """A run that was killed when it had saved some steps."""
    interrupted(run, signal.SIGKILL, _STEPS // 3)


def damaged(change: Callable[[pathlib.Path], None]) -> Callable[[pathlib.Path], tuple[int, str]]:
    """A fault: a run half-way whose directory is changed, and then goes on."""

    def fault(run: pathlib.Path) -> tuple[int, str]:
        half_way(run)
        change(run)
        return end(start(run))

    return fault


def newest(run: pathlib.Path) -> pathlib.Path:
    """The directory of the newest checkpoint."""
    return sorted((run / "checkpoints").glob("[0-9]" * 8))[-1]


def largest(folder: pathlib.Path) -> pathlib.Path:
    """The largest file below a directory."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return max(files, key=lambda path: path.stat().st_size)


def truncate(path: pathlib.Path, share: float) -> None:
    """Cuts a file."""
    os.truncate(path, int(path.stat().st_size * share))


def flip(path: pathlib.Path) -> None:
    """Turns a bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap(run: pathlib.Path) -> None:
    """Puts each of the two newest checkpoints at the other's place."""
    one, other = sorted((run / "checkpoints").glob("[0-9]" * 8))[-2:]
    spare = one.with_name("spare")
    one.rename(spare), other.rename(one), spare.rename(other)


def foreign(run: pathlib.Path) -> None:
    """Puts another seed's checkpoint in the place of the newest."""
    other = run.with_name("other")
    step = int(newest(run).name)
    end(start(other, "--config.seed=1", f"--config.steps={step}", "--config.eval_every=0"))
    shutil.rmtree(newest(run))
    shutil.copytree(newest(other), run / "checkpoints" / f"{step:08d}")


def refused_config(run: pathlib.Path) -> tuple[int, str]:
    """A config.json that is no JSON: refused, until it is repaired."""
    half_way(run)
    path = run / "config.json"
    kept = path.read_text()
    path.write_text("{")
    found = end(start(run))
    path.write_text(kept)
    return found


def two_writers(run: pathlib.Path) -> tuple[int, str]:
    """A second process in the same directory is refused; the first goes on."""
    first = start(run)
    while first.poll() is None and last(run).get("step", 0) < 20:
        time.sleep(0.01)
    found = end(start(run))
    end(first)
    return found


def start_two(run: pathlib.Path) -> list[subprocess.Popen]:
    """Two processes that train the run together."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"--coordinator_address=127.0.0.1:{probe.getsockname()[1]}"
    return [start(run, address, "--num_processes=2", f"--process_id={i}") for i in range(2)]


def two_processes(which: int, told: int) -> Callable[[pathlib.Path], tuple[int, str]]:
    """A fault: one of a run's two processes is sent a signal; returns how the other ends."""

    def fault(run: pathlib.Path) -> tuple[int, str]:
        pair = start_two(run)
        while pair[0].poll() is None and last(run).get("step", 0) < _STEPS // 3:
            time.sleep(0.01)
        pair[told].send_signal(which)
        return [end(process) for process in pair][1 - told]

    return fault


def compiled_programs(run: pathlib.Path) -> None:
    """Overwrites the user's compiled programs with zeros."""
    for path in pathlib.Path(os.environ["XDG_CACHE_HOME"], "gan_jax").glob("jit*-cache"):
        path.write_bytes(bytes(100))


def leftovers(run: pathlib.Path) -> None:
    """What a kill in the middle of writing leaves behind."""
    shutil.copytree(newest(run), run / "checkpoints" / "00009999.orbax-checkpoint-tmp-1")
    for name in ("manifest.json.draft", "config.json.draft"):
        (run / name).write_text("{")


FAULTS: dict[str, Callable[[pathlib.Path], tuple[int, str]]] = {
    "SIGTERM while it compiles": lambda run: interrupted(run, signal.SIGTERM, 0),
    "SIGTERM in training": lambda run: interrupted(run, signal.SIGTERM, 200),
    "SIGINT in training": lambda run: interrupted(run, signal.SIGINT, 200),
    "a second process in the directory": two_writers,
    "checkpoint: largest file cut in half": damaged(lambda r: truncate(largest(newest(r)), 0.5)),
    "checkpoint: largest file emptied": damaged(lambda r: truncate(largest(newest(r)), 0)),
    "checkpoint: a bit turned": damaged(lambda r: flip(largest(newest(r)))),
    "checkpoint: largest file missing": damaged(lambda r: largest(newest(r)).unlink()),
    "checkpoint: all files emptied": damaged(
        lambda r: [truncate(path, 0) for path in newest(r).rglob("*") if path.is_file()]
    ),
    "checkpoint: missing": damaged(lambda r: shutil.rmtree(newest(r))),
    "checkpoints: two newest swapped": damaged(swap),
    "checkpoint: another seed's": damaged(foreign),
    "checkpoints: all missing": damaged(lambda r: shutil.rmtree(r / "checkpoints")),
    "checkpoints: all cut in half": damaged(
        lambda r: [truncate(path, 0.5) for path in (r / "checkpoints").rglob("*") if path.is_file()]
    ),
    "digests.jsonl: last line cut": damaged(lambda r: truncate(r / "digests.jsonl", 0.99)),
    "digests.jsonl: missing": damaged(lambda r: (r / "digests.jsonl").unlink()),
    "metrics.jsonl: last line cut": damaged(lambda r: truncate(r / "metrics.jsonl", 0.99)),
    "eval.jsonl: cut in half": damaged(lambda r: truncate(r / "eval.jsonl", 0.5)),
    "manifest.json: emptied": damaged(lambda r: truncate(r / "manifest.json", 0)),
    "config.json: no JSON": refused_config,
    "samples/: missing": damaged(lambda r: shutil.rmtree(r / "samples")),
    "TensorBoard's events: missing": damaged(
        lambda r: [path.unlink() for path in r.glob("events*")]
    ),
    "best/: emptied": damaged(
        lambda r: [truncate(path, 0) for path in (r / "best").rglob("*") if path.is_file()]
    ),
    "half-written files left behind": damaged(leftovers),
    "compiled programs overwritten": damaged(compiled_programs),
}
OF_TWO: dict[str, Callable[[pathlib.Path], tuple[int, str]]] = {
    "SIGTERM to process 1 of 2": two_processes(signal.SIGTERM, 1),
    "kill -9 of process 0 of 2": two_processes(signal.SIGKILL, 0),
    "kill -9 of process 1 of 2": two_processes(signal.SIGKILL, 1),
}


def kills(run: pathlib.Path, count: int, seed: int) -> tuple[int, int]:
    """Kills a run at random moments, over and over: as it starts, and once it has saved a step.

    Returns:
      How often it was killed before it had saved a step, and after.
    """
    moments, early = random.Random(seed), 0
    for i in range(count):
        before = last(run).get("step", 0)
        if before >= _STEPS:
            return early, i - early
        process = start(run)
        if i % 2:
            while process.poll() is None and last(run).get("step", 0) == before:
                time.sleep(0.001)
        time.sleep(moments.uniform(0.0, 0.5 if i % 2 else 6.0))
        early += last(run).get("step", 0) == before
        process.kill()
        process.communicate()
    return early, count - early


def main() -> None:
    """Disturbs runs and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="faults with this in their names")
    arguments = parser.parse_args()
    failed, wanted = False, {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        print("| fault | exit | what it said | the end |\n| --- | ---: | --- | --- |")

        def report(fault: str, run: pathlib.Path, code: int | str, said: str) -> None:
            nonlocal failed
            same = last(run) == wanted
            failed |= not same
            said = said.replace(f"{run}", "RUN").replace("|", "/")
            print(f"| {fault} | {code} | {said} | {'same digest' if same else 'OTHER'} |")
            sys.stdout.flush()
            shutil.rmtree(run)

        run = folder / "run"
        for faults, begin in ((OF_TWO, start_two), (FAULTS, lambda run: [start(run)])):
            for process in begin(folder / "undisturbed"):
                assert end(process)[0] == 0
            wanted = last(folder / "undisturbed")
            shutil.rmtree(folder / "undisturbed")
            for fault, disturb in faults.items():
                if arguments.only in fault:
                    code, said = disturb(run)
                    for process in begin(run):
                        end(process)
                    report(fault, run, code, said)
        if arguments.kills:
            early, late = kills(run, arguments.kills, arguments.seed)
            end(start(run))
            report(f"kill -9 at {early + late} random moments, {early} of them before a step was "
                   "saved", run, "-9", "")  # fmt: skip
    sys.exit(failed)


if __name__ == "__main__":
    main()

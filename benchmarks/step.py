"""What a train step costs, beside PyTorch on the same work.

  python -m benchmarks.step --model=dcgan28 --peer=torch [--peer_python=PYTHON] [--json=FILE]

Each program is a process of its own, and they take turns: ours, each variant of PyTorch, ours, ...
The two sides must have the same parameter counts and floating-point operations. The ratio is the
best variant's median time over ours; the share is of float32 products of 1024x1024, timed in every
turn of ours. Memory is the most that the process had resident.
"""

import argparse
import datetime
import itertools
import json
import os
import pathlib
import platform
import statistics
import sys
from typing import Any, NoReturn

from benchmarks.cases import CASES, describe
from benchmarks.workers import Worker

_PEER = pathlib.Path(__file__).parent / "peer_torch.py"
_VARIANTS = ("eager", "channels_last", "compile", "compile channels_last")
# A variant this many times slower than the fastest in its better of two turns gets no more turns.
_HOPELESS = 1.6


def main() -> None:
    """Measures a case and prints the table."""
    arguments = _parse()
    case = CASES[arguments.model]()
    ours = Worker("gan_jax", _command(arguments))
    if not ours.wait(arguments.limit):
        _fail(f"gan_jax did not start within {arguments.limit} s")
    peers, absent = _start_peers(arguments, describe(case)) if arguments.peer else ([], [])
    for peer in peers:
        _check_same_work(ours, peer)

    batch = case.config.batch_size
    unit = case.config.steps_per_call
    steps = {worker: _steps_per_turn(worker, unit, arguments.seconds) for worker in (ours, *peers)}
    first = {peer: min(_turn(peer, steps[peer]) for _ in range(2)) for peer in peers}
    racing = [peer for peer in peers if first[peer] <= _HOPELESS * min(first.values())]
    times: dict[Worker, list[float]] = {worker: [] for worker in (ours, *peers)}
    for peer in set(peers) - set(racing):
        times[peer].append(first[peer])
    memory: dict[Worker, int | None] = dict.fromkeys(times)
    peaks = []
    for _ in range(arguments.rounds):
        peaks.append(ours.ask("peak")["flops"])
        for worker in (ours, *racing):
            answer = worker.ask(str(steps[worker]))
            times[worker].append(answer["seconds"] / steps[worker])
            memory[worker] = answer["peak_bytes"]

    peak = statistics.median(peaks)
    rows = [_row(worker, times[worker], batch, peak, memory[worker]) for worker in times]
    mine, *theirs = rows
    best = min((row for row in theirs), key=lambda row: row["ms"], default=None)
    result = {
        "model": arguments.model,
        "ratio": best and best["ms"] / mine["ms"],
        "best_peer": best and best["name"],
        "peak_gflops": peak / 1e9,
        "rows": rows,
        "not_started": absent,
        "batch_size": batch,
        "rounds": arguments.rounds,
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "date": datetime.date.today().isoformat(),
    }
    print(table(result))
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(result, indent=2) + "\n")
    for worker in (ours, *peers):
        worker.stop()


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown table with a line about it."""
    columns = "ms/step | spread | images/s | GFLOP/s | of peak | MB | first step, s |"
    lines = [f"| {result['model']}, batch {result['batch_size']} | {columns}"]
    lines += ["| --- |" + 7 * " ---: |"]
    for row in result["rows"]:
        lines.append(
            "| {name} | {ms:.2f} | {low:.2f}-{high:.2f} | {images_per_second:,.0f} | "
            "{gflops:.0f} | {share:.0%} | {memory} | {first_step_seconds:.1f} |".format(
                memory="-" if row["peak_mb"] is None else f"{row['peak_mb']:.0f}", **row
            )
        )
    lines += [f"| {name} | not started: {why} | | | | | | |" for name, why in result["not_started"]]
    about = f"Matrix products: {result['peak_gflops']:.0f} GFLOP/s."
    if result["ratio"]:
        about += f" Ratio: {result['ratio']:.2f} ({result['best_peer']} over gan_jax)."
    return "\n".join([*lines, "", about])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=CASES, required=True)
    parser.add_argument("--peer", choices=["torch"])
    parser.add_argument(
        "--peer_python", default=sys.executable, help="a Python that has PyTorch; this one"
    )
    parser.add_argument(
        "--variants", default=",".join(_VARIANTS), help="of PyTorch, separated by commas"
    )
    parser.add_argument("--threads", default=f"{os.cpu_count()},1", help="to try PyTorch with")
    parser.add_argument("--precision", default="float32", help="of ours")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each program")
    parser.add_argument("--seconds", type=float, default=2.0, help="about how long a turn is")
    parser.add_argument("--limit", type=float, default=600, help="seconds to start (to compile)")
    parser.add_argument("--json", metavar="FILE", help="where the result is also written")
    return parser.parse_args()


def _command(arguments: argparse.Namespace) -> list[str]:
    precision = f"--precision={arguments.precision}"
    return [sys.executable, "-m", "benchmarks.ours", arguments.model, precision]


def _start_peers(
    arguments: argparse.Namespace, case: dict[str, Any]
) -> tuple[list[Worker], list[tuple[str, str]]]:
    """Every variant with every number of threads that is ready in time, one after the other."""
    peers, absent = [], []
    threads = arguments.threads.split(",")
    for variant, count in itertools.product(arguments.variants.split(","), threads):
        if "compile" in variant and count != threads[0]:
            continue  # minutes of compiling for what the eager one has shown
        name = f"PyTorch {variant}, {count} thread" + ("s" if count != "1" else "")
        options = [json.dumps(case), "--variant", variant, "--threads", count]
        worker = Worker(name, [arguments.peer_python, str(_PEER), *options])
        try:
            if worker.wait(arguments.limit):
                peers.append(worker)
            else:
                absent.append((name, f"longer than {arguments.limit:.0f} s"))
        except RuntimeError as error:
            absent.append((name, str(error)))
    if not peers:
        _fail(
            f"PyTorch did not start with {arguments.peer_python} ({absent[0][1]}); name a "
            "Python that has it with --peer_python"
        )
    return peers, absent


def _check_same_work(ours: Worker, peer: Worker) -> None:
    """Both sides have the same parameters and, to 2 %, the same arithmetic."""
    a, b = ours.about, peer.about
    if a["parameters"] != b["parameters"]:
        _fail(f"parameters differ: {a['parameters']} ours, {b['parameters']} theirs")
    if not 0.98 < a["flops"] / b["flops"] < 1.02:
        _fail(f"FLOPs of a step differ: {a['flops']:,} ours, {b['flops']:,} theirs")


def _steps_per_turn(worker: Worker, unit: int, seconds: float) -> int:
    """Whole calls that take about so many seconds, by a try."""
    worker.ask(str(unit))
    each = worker.ask(str(unit))["seconds"]
    return unit * max(1, round(seconds / each))


def _turn(worker: Worker, steps: int) -> float:
    return worker.ask(str(steps))["seconds"] / steps


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


def _row(
    worker: Worker, times: list[float], batch: int, peak: float, memory: int | None
) -> dict[str, Any]:
    median = statistics.median(times)
    flops = worker.about["flops"]
    return {
        "name": worker.name,
        "ms": median * 1e3,
        "low": min(times) * 1e3,
        "high": max(times) * 1e3,
        "turns": len(times),
        "images_per_second": batch / median,
        "gflops": flops / median / 1e9,
        "share": flops / median / peak,
        "peak_mb": memory and memory / 1e6,
        "first_step_seconds": worker.about["first_step_seconds"],
        "parameters": worker.about["parameters"],
        "flops": flops,
        "version": worker.about["version"],
        "device": worker.about["device"],
    }


if __name__ == "__main__":
    main()

"""Where the time of a step goes while it runs: the operations of its program, from a trace.

  python -m benchmarks.operations --model=mlp [--steps=100] [--rows=30]

XLA's trace says when each operation of the compiled program ran, and the program's text what it is:
products and convolutions by their shapes, all else by its kind, and what for (a network and the
direction, or the function that asked for it). While several run, each gets its part of the time, so
the rows add up to the traced step. The last row is when none ran: starting the next, waking
threads, loops. The floor of a product is its floating-point operations over those of float32
products of 1024x1024. Tracing costs about the same for each operation, so that many small ones seem
to take more than they do: the line below the table has the step without it.
"""

import argparse
import bisect
import collections
import gzip
import json
import math
import pathlib
import re
import statistics
import tempfile
import time
from collections.abc import Container, Iterable
from typing import Any, NamedTuple

import jax

from benchmarks.cases import CASES, Trainer
from benchmarks.ours import peak_flops
from gan_jax import startup

_INSTRUCTION = re.compile(r" +(?:ROOT )?%(\S+) = (\(.*?\)|\S+) ([\w-]+)\((.*?)\)(, .*|$)")
_CALLS = re.compile(r"(?:calls|to_apply|body|condition|branch_computations)=\{?(%[^ ,}]+)")
_FRAME = re.compile(r"(\d+) \{file_name_id=(\d+) function_name_id=(\d+)")
_PRODUCTS = ("dot", "convolution")
_CONTAINERS = ("while", "call", "conditional")
# What an operation is by what it holds, the first that applies; one that holds none of these and
# computes nothing moves numbers.
_KINDS = {
    "all-reduce": "mean over devices",
    "shift-right-logical": "random numbers",
    "reduce": "reduction",
    "reduce-window": "reduction",
}
_MOVES = {
    *("bitcast", "broadcast", "concatenate", "constant", "copy", "dynamic-slice", "fusion"),
    *("dynamic-update-slice", "get-tuple-element", "iota", "pad", "parameter", "reshape"),
    *("reverse", "slice", "transpose", "tuple"),
}


class Instruction(NamedTuple):
    """One of the program's text."""

    shape: str
    opcode: str
    operands: list[str]
    rest: str


class Program:
    """The text of a compiled program, to be asked what its operations are."""

    def __init__(self, text: str):
        self.instructions: dict[str, Instruction] = {}
        self._bodies: dict[str, list[str]] = {}
        tables: dict[str, dict[str, str]] = collections.defaultdict(dict)
        title = body = ""
        for line in text.splitlines():
            if match := _INSTRUCTION.match(line):
                name, shape, opcode, operands, rest = match.groups()
                operands = re.findall(r"%([\w.-]+)", operands)
                self.instructions[name] = Instruction(shape, opcode, operands, rest)
                self._bodies[body].append(name)
            elif line.endswith("{"):
                body = line.removeprefix("ENTRY ").split()[0]
                self._bodies[body] = []
            elif line.isidentifier():
                title = line
            elif line[:1].isdigit():
                tables[title].update([line.split(" ", 1)])
        self._tables = tables
        self._users = collections.defaultdict(list)
        for name, instruction in self.instructions.items():
            for operand in instruction.operands:
                self._users[operand].append(name)

    def inside(self, name: str) -> list[str]:
        """The instructions that one calls, at any depth."""
        names = [
            inner
            for body in _CALLS.findall(self.instructions[name].rest)
            for inner in self._bodies.get(body, ())
        ]
        return names + [deeper for inner in names for deeper in self.inside(inner)]

    def users(self, name: str, among: Container[str]) -> set[str]:
        """Those among some that take what an instruction makes, also by way of others."""
        found = set()
        for user in self._users[name]:
            found |= {user} if user in among else self.users(user, among)
        return found

    def label(self, name: str) -> str:
        """What an operation is and what for."""
        return ", ".join(filter(None, (self._kind(name), self._purpose(name))))

    def flops(self, name: str) -> int:
        """The floating-point operations of a product or a convolution, 0 of all else."""
        shape, opcode, operands, rest = self._product(name)
        if opcode == "dot":
            sides, axes = _sides(self._shape(operands[0])), re.search(r"lhs_con\w+={(.*?)}", rest)
            return 2 * math.prod(_sides(shape) + [sides[int(axis)] for axis in axes[1].split(",")])
        if opcode == "convolution":
            kernel = _sides(self._shape(operands[1]))
            features = kernel[re.search(r"dim_labels=\w+?_(\w+)", rest)[1].index("o")]
            return 2 * math.prod(_sides(shape) + kernel) // features
        return 0

    def _product(self, name: str) -> Instruction:
        """The product or convolution that was fused with what follows it, or the operation."""
        parts = [self.instructions[part] for part in (name, *self.inside(name))]
        return next((part for part in parts if part.opcode in _PRODUCTS), parts[0])

    def _kind(self, name: str) -> str:
        _, opcode, operands, _ = self._product(name)
        if opcode in _PRODUCTS:
            return f"{opcode} " + " x ".join(str(_sides(self._shape(x))) for x in operands[:2])
        held = {opcode} | {self.instructions[inner].opcode for inner in self.inside(name)}
        moves = "moves" if held <= _MOVES else "elementwise"
        return next((kind for part, kind in _KINDS.items() if part in held), moves)

    def _purpose(self, name: str) -> str:
        _, _, operands, rest = self.instructions[name]
        if match := re.search(r'op_name="[^"]*?(transpose\()?jvp\((\w+)\)', rest):
            return f"{match[2]} {'backward' if match[1] else 'forward'}"
        if match := re.search(r"stack_frame_id=(\d+)", rest):
            frame = self._tables["StackFrames"].get(match[1], "")
            location = re.search(r"file_location_id=(\d+)", frame)
            place = self._tables["FileLocations"].get(location[1], "") if location else ""
            if ids := re.findall(r"(?:file|function)_name_id=(\d+)", place):
                file, function = (
                    self._tables[table][i].strip('"')
                    for table, i in zip(("FileNames", "FunctionNames"), ids, strict=True)
                )
                return f"{pathlib.Path(file).stem}.{function.split('.')[0]}"
        return self._purpose(operands[0]) if operands else ""

    def _shape(self, name: str) -> str:
        return self.instructions[name].shape


def main() -> None:
    """Traces a case and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=CASES, required=True)
    parser.add_argument("--steps", type=int, default=100, help="in the trace: whole calls")
    parser.add_argument("--rows", type=int, default=30, help="all others are one row")
    arguments = parser.parse_args()

    case = CASES[arguments.model]()
    startup.prepare(case.config)
    trainer, steps = Trainer(case), arguments.steps
    trainer.train(steps)
    program = Program(trainer.program())
    peak = statistics.median(peak_flops() for _ in range(5))
    untraced = statistics.median(_seconds(trainer, steps) for _ in range(5)) / steps
    with tempfile.TemporaryDirectory() as directory:
        with jax.profiler.trace(directory):
            traced = _seconds(trainer, steps) / steps
        (file,) = pathlib.Path(directory).rglob("*.trace.json.gz")
        events = json.loads(gzip.decompress(file.read_bytes()))["traceEvents"]

    rows: dict[str, list[float]] = collections.defaultdict(lambda: [0, 0, 0])
    for name, (count, seconds) in _shares(_intervals(events, program)).items():
        values = count / steps, seconds / steps, count / steps * program.flops(name) / peak
        label = program.label(name)
        rows[label] = [a + b for a, b in zip(rows[label], values, strict=True)]
    ordered = sorted(rows.items(), key=lambda row: -row[1][1])
    total, rest = _sum(rows.values()), _sum(row for _, row in ordered[arguments.rows :])

    print(f"| {arguments.model} | times | us | share | floor, us |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for label, row in ordered[: arguments.rows]:
        print(_line(label, row, traced))
    print(_line("other operations", rest, traced))
    print(_line("between operations", [0, traced - total[1], 0], traced))
    print(_line("the step", [total[0], traced, total[2]], traced))
    print(
        f"\nWithout the trace a step takes {untraced * 1e6:.0f} us. "
        f"Matrix products: {peak / 1e9:.0f} GFLOP/s."
    )


def _seconds(trainer: Trainer, steps: int) -> float:
    began = time.perf_counter()
    trainer.train(steps)
    return time.perf_counter() - began


def _intervals(events: list[dict[str, Any]], program: Program) -> list[tuple[float, float, str]]:
    """(begin, end, name) of every run of an operation, in seconds; none of those that hold others.

    An operation that has handed work to other threads returns before that is done. Its mark
    "end: name" comes when it is, and after what waited for it has been started.
    """
    runs, marks = collections.defaultdict(list), collections.defaultdict(list)
    for event in sorted((e for e in events if e.get("ph") == "X"), key=lambda e: e["ts"]):
        name, begin = event.get("args", {}).get("hlo_op"), event["ts"]
        if name in program.instructions:
            runs[name].append((begin, begin + event["dur"]))
        elif event["name"].startswith("end: "):
            marks[event["name"].removeprefix("end: ")].append(begin)

    found = []
    for name, spans in runs.items():
        holds = program.instructions[name].opcode in _CONTAINERS
        if holds and any(inner in runs for inner in program.inside(name)):
            continue
        ends = marks[name] if len(marks[name]) == len(spans) else [end for _, end in spans]
        waiting = sorted(begin for user in program.users(name, runs) for begin, _ in runs[user])
        for (begin, _), end in zip(spans, ends, strict=True):
            place = bisect.bisect(waiting, begin)
            found.append((begin / 1e6, min([end, *waiting[place : place + 1]]) / 1e6, name))
    return found


def _shares(intervals: list[tuple[float, float, str]]) -> dict[str, tuple[int, float]]:
    """How often each operation ran, and its seconds, those shared that several ran in."""
    counts = collections.Counter(name for _, _, name in intervals)
    seconds, running, before = collections.Counter(), collections.Counter(), 0.0
    turns = [(begin, 1, name) for begin, _, name in intervals]
    turns += [(end, -1, name) for _, end, name in intervals]
    for now, change, name in sorted(turns):
        active = [other for other, count in running.items() if count > 0]
        for other in active:
            seconds[other] += (now - before) / len(active)
        running[name] += change
        before = now
    return {name: (count, seconds[name]) for name, count in counts.items()}


def _sides(shape: str) -> list[int]:
    return [int(side) for side in re.search(r"\[(.*?)\]", shape)[1].split(",") if side]


def _sum(rows: Iterable[list[float]]) -> list[float]:
    return [sum(column) for column in zip([0, 0, 0], *rows, strict=True)]


def _line(label: str, row: list[float], step: float) -> str:
    times = f"{row[0]:.1f}" if row[0] else ""
    floor = f"{row[2] * 1e6:.0f}" if row[2] else ""
    return f"| {label} | {times} | {row[1] * 1e6:.0f} | {row[1] / step:.1%} | {floor} |"


if __name__ == "__main__":
    main()

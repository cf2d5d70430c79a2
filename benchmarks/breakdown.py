"""Where the time of a step goes: each of its products alone, against the floor, and the rest.

  python -m benchmarks.breakdown --model=dcgan64 [--rounds=9]

The floor of a product is its floating-point operations over those of float32 products of 1024x1024,
timed in the same rounds. The rest is the step's time less that of its products: BatchNorm,
activations, patches, Winograd's transforms, optimizers, random numbers. The plain step is the same
with convolutions as they are defined.
"""

import argparse
import collections
import statistics
import time
from typing import Any

import jax

from benchmarks.cases import CASES, Trainer, alone, products
from benchmarks.ours import peak_flops
from gan_jax import startup


def main() -> None:
    """Measures a case and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=CASES, required=True)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()

    case = CASES[arguments.model]()
    startup.prepare(case.config)
    counts, examples = collections.Counter(), {}
    for equation, flops, times in products(*alone(case)):
        name = _name(equation)
        counts[name] += times
        examples[name] = equation, flops
    programs = {name: _program(equation) for name, (equation, _) in examples.items()}
    trainer, unit = Trainer(case), case.config.steps_per_call
    trainer.train(unit)

    times, steps, peaks = collections.defaultdict(list), [], []
    for _ in range(arguments.rounds):
        peaks.append(peak_flops())
        steps.append(_seconds(trainer.train, unit) / unit)
        for name, (program, inputs) in programs.items():
            times[name].append(_seconds(program, *inputs))
    peak, step = statistics.median(peaks), statistics.median(steps)

    rows = []
    for name, count in counts.items():
        seconds = count * statistics.median(times[name])
        rows.append((seconds, count, name, count * examples[name][1] / peak))
    print(f"| {arguments.model} | times | ms | floor, ms | of peak |")
    print("| --- | ---: | ---: | ---: | ---: |")
    shown = [row for row in sorted(rows, reverse=True) if row[0] > 0.005 * step]
    for seconds, count, name, floor in shown:
        print(_line(name, count, seconds, floor))
    few = [row for row in rows if row not in shown]
    print(_line("other products", sum(row[1] for row in few), *_sums(few)))
    seconds, floor = _sums(rows)
    print(_line("all products", sum(counts.values()), seconds, floor))
    print(_line("the rest, by difference", "", step - seconds, 0))
    print(_line("the step", "", step, floor))
    print(_line("the plain step's products", "", 0, trainer.flops / peak))
    print(f"\nMatrix products: {peak / 1e9:.0f} GFLOP/s.")


def _name(equation: Any) -> str:
    sides = " x ".join(str(list(variable.aval.shape)) for variable in equation.invars)
    return f"{equation.primitive.name} {sides}"


def _program(equation: Any) -> tuple[Any, list[jax.Array]]:
    inputs = [
        jax.random.normal(jax.random.key(0), variable.aval.shape).astype(variable.aval.dtype)
        for variable in equation.invars
    ]
    program = jax.jit(lambda *inputs: equation.primitive.bind(*inputs, **equation.params))
    jax.block_until_ready(program(*inputs))
    return program, inputs


def _seconds(function: Any, *inputs: Any) -> float:
    began = time.perf_counter()
    jax.block_until_ready(function(*inputs))
    return time.perf_counter() - began


def _sums(rows: list[tuple]) -> tuple[float, float]:
    return sum(row[0] for row in rows), sum(row[3] for row in rows)


def _line(name: str, count: int | str, seconds: float, floor: float) -> str:
    share = f"{floor / seconds:.0%}" if floor and seconds else ""
    time_ms, floor_ms = (f"{value * 1e3:.1f}" if value else "" for value in (seconds, floor))
    return f"| {name} | {count} | {time_ms} | {floor_ms} | {share} |"


if __name__ == "__main__":
    main()

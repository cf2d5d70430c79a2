"""The worker for gan_jax: answers a number of steps with seconds, and "peak" with FLOP/s."""

import argparse
import json
import resource
import sys
import time

import jax
import jax.numpy as jnp

from benchmarks.cases import CASES, Trainer
from gan_jax import startup

_SIDE, _PRODUCTS = 1024, 20


def peak_flops() -> float:
    """Floating-point operations a second of float32 products of 1024x1024, now."""
    square = jnp.ones((_SIDE, _SIDE), jnp.float32)
    product = jax.jit(jnp.matmul)
    product(square, square).block_until_ready()
    began = time.perf_counter()
    for _ in range(_PRODUCTS):
        result = product(square, square)
    result.block_until_ready()
    return _PRODUCTS * 2 * _SIDE**3 / (time.perf_counter() - began)


def main() -> None:
    """Trains a case as it is asked to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--batch_size", type=int, default=0, help="0: the case's own")
    arguments = parser.parse_args()
    case = CASES[arguments.case]()
    startup.prepare(case.config)
    case.config.precision = arguments.precision
    case.config.batch_size = arguments.batch_size or case.config.batch_size
    began = time.perf_counter()
    trainer = Trainer(case)
    trainer.train(case.config.steps_per_call)
    about = {
        "first_step_seconds": time.perf_counter() - began,
        "parameters": trainer.parameters,
        "flops": trainer.flops,
        "version": f"JAX {jax.__version__}",
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
    }
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        if line.strip() == "peak":
            print(json.dumps({"flops": peak_flops()}), flush=True)
            continue
        began = time.perf_counter()
        trainer.train(int(line))
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"seconds": seconds, "peak_bytes": peak}), flush=True)


if __name__ == "__main__":
    main()

"""Plots the norm of G's gradient in two runs of experiments/mnist_minimax.py, over D's victory.

python -m docs.gradient_norm runs/mnist_minimax runs/mnist_minimax-non_saturating OUT.png
"""

import json
import pathlib
import sys

import numpy as np
from matplotlib.figure import Figure


def main(minimax: str, non_saturating: str, target: str) -> None:
    """Writes the plot.

    Args:
      minimax: directory of a run.
      non_saturating: directory of the other.
      target: the picture.
    """
    figure = Figure(figsize=(9, 3.6), dpi=100, layout="constrained")
    norms, logits = figure.subplots(1, 2)
    runs = {
        r"minimax: $\log(1 - D(G(z)))$": (minimax, "tab:red"),
        r"non-saturating: $-\log D(G(z))$": (non_saturating, "tab:green"),
    }
    for label, (run, color) in runs.items():
        lines = pathlib.Path(run, "metrics.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        step = [row["step"] for row in rows]
        norms.plot(step, [row["g_grad_norm"] for row in rows], color=color, label=label)
        probability = 1 / (1 + np.exp([-row["d_fake"] for row in rows]))
        logits.plot(step, probability, color=color, label=label)
    norms.set(xscale="log", yscale="log", xlabel="step", title="norm of G's gradient")
    logits.set(xscale="log", yscale="log", xlabel="step")
    logits.set_title(r"$\sigma$ of D's mean logit for fakes: how surely D wins")
    norms.legend()
    figure.savefig(target)


if __name__ == "__main__":
    main(*sys.argv[1:])

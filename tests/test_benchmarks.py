"""The benchmarks measure real work; how fast it is, is for them to say."""

import dataclasses
import importlib.util
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from benchmarks import completion
from benchmarks.cases import CASES, alone, count_flops
from gan_jax import workdir
from gan_jax.apply.presets import PRESETS
from gan_jax.config import as_dict
from gan_jax.models.convolution import conv
from support import ROOT, tiny_config


def run(*arguments):
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_flops_are_those_of_products_and_convolutions_whose_results_count():
    a, b = jnp.ones((3, 5)), jnp.ones((5, 7))
    assert count_flops(jnp.matmul, a, b) == 2 * 3 * 5 * 7

    def dropped(a, b):
        return (a @ b, jnp.sin(b))[1]

    assert count_flops(dropped, a, b) == 0

    def repeated(a):
        return jax.lax.scan(lambda carry, _: (carry @ carry, None), a, length=4)[0]

    assert count_flops(repeated, jnp.ones((3, 3))) == 4 * 2 * 27
    x, kernel = jnp.ones((2, 8, 8, 16)), jnp.ones((4, 4, 16, 20))
    forward = 2 * (2 * 4 * 4) * (4 * 4 * 16) * 20
    assert count_flops(lambda x: conv(x, kernel, 2, "SAME"), x) == forward
    gradients = jax.grad(lambda x, k: jnp.sum(jnp.square(conv(x, k, 2, "SAME"))), (0, 1))
    assert count_flops(gradients, x, kernel) == 3 * forward


# What torch.utils.flop_counter counts of the same steps in PyTorch.
FLOPS = {"mlp": 266_993_664, "dcgan28": 10_369_171_456, "dcgan64": 158_968_315_904}


@pytest.mark.parametrize("name", FLOPS)
def test_a_step_does_the_work_that_pytorch_does(name, monkeypatch):
    monkeypatch.setattr("gan_jax.parallel.local_devices", lambda: 1)
    assert count_flops(*alone(CASES[name]())) == pytest.approx(FLOPS[name], rel=0.02)


def test_a_benchmark_prints_a_table_and_writes_what_it_says(tmp_path):
    file = tmp_path / "result.json"
    ended = run(
        "benchmarks.step", "--model=mlp", "--rounds=2", "--seconds=0.1", f"--json={file}"
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    result = json.loads(file.read_text())
    (row,) = result["rows"]
    assert f"| gan_jax | {row['ms']:.2f} |" in ended.stdout
    assert row["parameters"] == [114_064, 100_609]
    assert row["images_per_second"] == pytest.approx(128 / row["ms"] * 1e3)
    assert row["share"] == pytest.approx(row["gflops"] / result["peak_gflops"])
    assert row["peak_mb"] > 100
    assert result["ratio"] is None


def test_the_operations_of_a_step_add_up_to_it():
    ended = run("benchmarks.operations", "--model=mlp", "--steps=10", "--rows=100")
    assert ended.returncode == 0, ended.stderr
    table = [line.split("|")[1:-1] for line in ended.stdout.splitlines() if line[:1] == "|"][2:]
    rows = {label.strip(): [cell.strip() for cell in cells] for label, *cells in table}
    *parts, whole = (int(cells[1]) for cells in rows.values())
    assert sum(parts) == pytest.approx(whole, rel=0.05)
    times, _, _, floor = rows["dot [128, 784] x [784, 128], Discriminator forward"]
    assert times == "3.0"
    assert int(floor) > 0
    assert rows["random numbers, latents.draw"][0] == "2.0"


def test_presets_are_compared_with_what_needs_no_generator(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        completion, "PRESETS",
        {n: dataclasses.replace(p, iterations=2, restarts=1) for n, p in PRESETS.items()},
    )  # fmt: skip
    workdir.write_json(tmp_path / "config.json", as_dict(tiny_config()))
    file = tmp_path / "result.json"
    monkeypatch.setattr("gan_jax.startup.prepare", lambda config: None)
    monkeypatch.setattr(
        "sys.argv",
        ["completion", f"--run={tmp_path}", "--checkpoint=0", "--masks=left", "--num_samples=3",
         f"--json={file}"],
    )  # fmt: skip
    completion.main()
    table = json.loads(file.read_text())
    said = capsys.readouterr().out
    assert list(table) == ["mean", "biharmonic", "default, not blended", "default", "bamos", "yeh"]
    for method, row in table.items():
        scores = row["left"]
        assert f"| {method} | {scores['psnr_hole']:.2f} / {scores['ssim']:.3f} |" in said


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is installed")
def test_a_missing_pytorch_is_named():
    ended = run("benchmarks.step", "--model=mlp", "--peer=torch", "--variants=eager")
    assert ended.returncode == 2
    assert "No module named 'torch'" in ended.stderr
    assert "--peer_python" in ended.stderr

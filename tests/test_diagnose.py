"""Diversity and spectral norms by hand, and faults put into real runs, named by their warnings."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import gan_jax.state
from gan_jax import diagnose, prng
from gan_jax.config import DCGAN, MLP, Config, Dataset, Ema, Latent, Optimizer
from gan_jax.state import build_models, init_state
from gan_jax.train import train
from support import json_lines, tiny_mlp_config

RANDOM = np.random.default_rng(0)


def diversity(real, fake):
    real, fake = (jnp.asarray(x, jnp.float32) for x in (real, fake))
    return float(jnp.exp(diagnose.log_diversity(real, fake)["log_diversity"]))


def images(count):
    """Of pixels that differ by the root of 2/3 on average."""
    return RANDOM.uniform(-1, 1, (count, 8, 8, 1))


def test_diversity_is_the_ratio_of_geometric_mean_distances():
    real = [[0.0], [1.0], [3.0], [7.0]]  # distances 1, 3, 7, 2, 6, 4
    fake = [[0.0], [2.0], [4.0], [4.0]]  # 2, 4, 4, 2, 2 and 0, which counts as .001
    expected = (2 * 4 * 4 * 2 * 2 * 1e-3 / (3 * 7 * 2 * 6 * 4)) ** (1 / 6)
    assert diversity(real, fake) == pytest.approx(expected, rel=1e-5)


def test_samples_like_the_data_have_diversity_1_and_others_in_proportion():
    real = images(256)
    assert diversity(real, real) == 1
    assert diversity(real, images(256)) == pytest.approx(1, abs=0.02)
    assert diversity(real, 0.3 * images(256) + 0.5) == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize(("count", "expected"), [(1, 0.001), (2, 0.04), (5, 0.26), (10, 0.51)])
def test_few_images_over_and_over_have_little_diversity(count, expected):
    """Which their standard deviation hides: for two, it is .6 of that of the data."""
    real, few = images(1024), images(count)
    fake = few[RANDOM.integers(0, count, 1024)]
    assert diversity(real, fake) == pytest.approx(expected, rel=0.3)
    if count == 2:
        assert fake.std(axis=0).mean() / real.std(axis=0).mean() == pytest.approx(0.58, abs=0.1)


@pytest.mark.parametrize("order", ["in turn", "in halves"])
def test_two_images_are_seen_in_whatever_order_they_come(order):
    places = np.arange(64) % 2 if order == "in turn" else np.arange(64) // 32
    assert diversity(images(64), images(2)[places]) < 0.15


def test_the_logarithm_is_the_mean_of_those_of_the_devices():
    real, fake = (jnp.asarray(images(32), jnp.float32) for _ in range(2))
    (whole,) = diagnose.log_diversity(real, fake).values()
    shares = zip(real.reshape(4, 8, -1), fake.reshape(4, 8, -1), strict=True)
    parts = [diagnose.log_diversity(*share) for share in shares]
    mean = np.mean([part["log_diversity"] for part in parts])
    assert float(whole) == pytest.approx(float(mean), abs=1e-6)


def test_any_size_of_batch_will_do():
    for count in (2, 3, 5, 7):
        assert diversity(images(count), images(count)) > 0
    one = jnp.zeros((1, 2), jnp.float32)
    assert diagnose.log_diversity(one, one) == {}
    same = jnp.zeros((4, 2), jnp.float32)
    assert diversity(same, same) == 1


def test_the_spectral_norm_of_known_matrices():
    known = jnp.diag(jnp.array([3.0, -7.0, 0.5, 2.0]))
    assert diagnose.spectral_norm(known) == pytest.approx(7, rel=1e-3)
    outer = np.outer([1.0, 2.0, 2.0], [3.0, 0.0, 4.0, 0.0])
    assert diagnose.spectral_norm(jnp.asarray(outer, jnp.float32)) == pytest.approx(15, rel=1e-6)
    assert diagnose.spectral_norm(jnp.zeros((3, 2))) == 0
    for scale in (1e-30, 1e30):
        assert diagnose.spectral_norm(scale * known) == pytest.approx(7 * scale, rel=1e-3)


@pytest.mark.parametrize("shape", [(400, 100), (100, 400), (256, 256), (64, 1)])
def test_the_spectral_norm_of_weights_at_birth_is_a_few_percent_low_at_most(shape):
    matrix = RANDOM.normal(0, 0.02, shape)
    found = float(diagnose.spectral_norm(jnp.asarray(matrix, jnp.float32)))
    exact = np.linalg.norm(matrix, 2)
    assert 0.93 * exact < found < 1.0001 * exact


def test_each_player_has_the_norm_of_its_largest_kernel():
    config = tiny_mlp_config(dataset=Dataset(name="digits"), discriminator=DCGAN(width=4, base=2))
    networks = build_models(config, (8, 8, 1), None)
    state = init_state(config, networks, (8, 8, 1), prng.root(0))
    found = diagnose.spectral_norms(state)
    for name, player in (("d", state.discriminator), ("g", state.generator)):
        kernels = [
            np.asarray(leaf).reshape(-1, leaf.shape[-1])
            for path, leaf in jax.tree_util.tree_leaves_with_path(player.params)
            if "kernel" in jax.tree_util.keystr(path)
        ]
        assert len(kernels) > 1
        exact = max(np.linalg.norm(kernel, 2) for kernel in kernels)
        assert float(found[f"{name}_spectral_norm"]) == pytest.approx(exact, rel=0.05)


def test_a_player_without_kernels_is_left_out():
    config = tiny_mlp_config()
    networks = build_models(config, (2,), None)
    state = init_state(config, networks, (2,), prng.root(0))
    bare = state.replace(generator=state.generator.replace(params={"scale": jnp.ones(3)}))
    assert set(diagnose.spectral_norms(bare)) == {"d_spectral_norm"}


class TwoImages(nn.Module):
    """A generator that has collapsed: z decides between two images, and training moves little."""

    @nn.compact
    def __call__(self, z, label, train):
        shift = self.param("shift", nn.initializers.zeros, ())
        both = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (2, 8, 8, 1)), jnp.float32)
        return both[(z[:, 0] > 0).astype(jnp.int32)] + 1e-3 * jnp.tanh(shift)


def digits(**changes) -> Config:
    """600 steps of an MLP on digits that goes well: some seconds."""

    def network(rate: float = 1e-3) -> MLP:
        return MLP(hidden=(64,), optimizer=Optimizer(learning_rate=rate))

    settings = {
        "steps": 600,
        "batch_size": 64,
        "dataset": Dataset(name="digits"),
        "latent": Latent(dim=16),
        "generator": network(),
        "discriminator": network(2e-4),
        "ema": Ema(),
        "steps_per_call": 10,
        "log_every": 50,
        "sample_every": 0,
        "checkpoint_every": 0,
        "num_samples": 4,
    }
    return Config(**(settings | changes))


def warnings_of(config, workdir):
    train(config, str(workdir))
    rows = json_lines(workdir / "metrics.jsonl")
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    return json.loads((workdir / "manifest.json").read_text())["warnings"], rows


def test_a_run_that_goes_well_is_not_warned_of(tmp_path, capsys):
    found, rows = warnings_of(digits(), tmp_path)
    assert found == []
    assert "warning" not in capsys.readouterr().err
    assert rows[-1]["diversity"] > 0.3
    assert rows[-1]["g_spectral_norm"] > rows[0]["g_spectral_norm"] > 0


def test_a_generator_of_two_images_is_called_collapsed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gan_jax.state, "build_generator", lambda settings, shared: TwoImages())
    found, rows = warnings_of(digits(), tmp_path)
    (warning,) = [entry for entry in found if entry["text"].startswith("G has collapsed")]
    assert warning["step"] == 250  # a third of the run, and every row of it
    assert "try" in warning["text"]
    assert f"warning: step 250: {warning['text']}" in capsys.readouterr().err
    assert all(row["diversity"] < 0.1 for row in rows)
    assert "g_spectral_norm" not in rows[0]


def test_a_discriminator_whose_generator_stands_still_is_said_to_have_won(tmp_path, capsys):
    still = MLP(hidden=(64,), optimizer=Optimizer(learning_rate=0.0))
    strong = MLP(hidden=(64,), optimizer=Optimizer(learning_rate=1e-3))
    found, rows = warnings_of(digits(generator=still, discriminator=strong), tmp_path)
    (warning,) = [entry for entry in found if entry["text"].startswith("D has won")]
    assert warning["step"] <= 600
    assert "100% of the fake" in warning["text"]
    assert "warning: step" in capsys.readouterr().err
    assert rows[-1]["d_saturated"] > 0.9


def test_a_run_that_is_continued_warns_as_if_it_had_not_been_stopped(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gan_jax.state, "build_generator", lambda settings, shared: TwoImages())
    expected, _ = warnings_of(digits(), tmp_path / "straight")
    warnings_of(digits(steps=400), tmp_path / "twice")
    capsys.readouterr()
    assert warnings_of(digits(), tmp_path / "twice")[0] == expected
    later = [warning for warning in expected if warning["step"] > 400]
    assert 1 <= len(later) < len(expected)
    assert capsys.readouterr().err.count("warning: step") == len(later)
    again, _ = warnings_of(digits(), tmp_path / "twice")  # nothing is left to do, or to say
    assert again == expected
    assert "warning" not in capsys.readouterr().err

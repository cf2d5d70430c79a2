"""The latents of given images, and how near what they make is."""

import json

import numpy as np
import pytest

from gan_jax import workdir
from gan_jax.apply.invert import invert
from gan_jax.apply.options import Options, check
from gan_jax.config import as_dict
from gan_jax.errors import UsageError
from support import tiny_config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "run"
    config = tiny_config()
    config.eval.features = "pixels"
    directory.mkdir()
    workdir.write_json(directory / "config.json", as_dict(config))
    return directory, config


def test_all_scores_are_written(run, tmp_path, capsys):
    directory, config = run
    options = Options(num_samples=3, iterations=5, restarts=2, out=str(tmp_path / "out"))
    invert(config, directory, "0", options)
    record = json.loads((tmp_path / "out" / "invert.json").read_text())
    assert record["features"] == "pixels-8x8"
    assert record["usual_distance"] > 0
    for row in record["images"]:
        scores = row["inverted"]
        assert scores["of_usual"] == pytest.approx(
            scores["feature_distance"] / record["usual_distance"]
        )
        # The features are the pixels here, in [0, 1]: PSNR and they say the same.
        error = scores["feature_distance"] ** 2 / 64
        assert scores["psnr"] == pytest.approx(-10 * np.log10(error), rel=1e-3)
    assert (tmp_path / "out" / "002_inverted.png").exists()
    assert np.load(tmp_path / "out" / "latents.npz")["z"].shape == (3, 8)
    said = capsys.readouterr().out
    assert f"{record['mean']['psnr']:.2f}" in said


def test_flags_of_completion_are_refused():
    with pytest.raises(UsageError, match=r"--preset: of no use to --mode=invert"):
        check("invert", Options(preset="bamos"))

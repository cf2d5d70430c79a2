"""Walks begin and end where they should, and pass between."""

import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from gan_jax import workdir
from gan_jax.apply import interpolate as module
from gan_jax.apply.interpolate import interpolate, linear, spherical
from gan_jax.apply.options import Options
from gan_jax.apply.sampler import Sampler
from gan_jax.errors import UsageError


def walk(directory, **options):
    interpolate(workdir.own_config(directory), directory, "latest", Options(**options))


def images_of(trained, labels=(0,), closed=False, **options):
    sampler = Sampler(trained, 0, list(labels))
    steps = module._walk(trained, sampler, list(labels), Options(**options), closed=closed)
    return module._images(trained, sampler.variables, steps), sampler


def test_spherical_stays_on_the_sphere_where_linear_cuts_through_it():
    begin, end = np.array([[2.0, 0, 0]]), np.array([[0, 2.0, 0]])
    np.testing.assert_allclose(linear(begin, end, 0.5), [[1, 1, 0]])
    np.testing.assert_allclose(spherical(begin, end, 0.5), [[2**0.5, 2**0.5, 0]], rtol=1e-6)
    third = spherical(begin, end, 1 / 3)
    np.testing.assert_allclose(third, [[2 * np.cos(np.pi / 6), 1, 0]], rtol=1e-6)
    for method in (linear, spherical):
        np.testing.assert_allclose(method(begin, end, 0.0), begin, atol=1e-12)
        np.testing.assert_allclose(method(begin, end, 1.0), end, atol=1e-12)


@pytest.mark.parametrize("end", [[1.0, 2.0], [-1.0, -2.0], [2.0, 4.0]])
def test_where_there_is_no_arc_it_is_linear(end):
    begin, end = np.array([[1.0, 2.0]]), np.array([end])
    np.testing.assert_allclose(
        spherical(begin, end, 0.25), linear(begin, end, 0.25), rtol=1e-3, atol=1e-3
    )


def test_a_walk_goes_from_one_sample_to_another(trained):
    images, sampler = images_of(trained, num_samples=3, frames=4)
    samples = sampler.some(6).image
    assert images.shape == (3, 5, 8, 8, 1)
    assert np.abs(images[:, 0].astype(int) - samples[:3]).max() <= 1
    assert np.abs(images[:, -1].astype(int) - samples[3:]).max() <= 1


def test_between_labels_each_class_is_passed(conditional):
    images, _ = images_of(conditional, (2, 5, 9), between="labels", num_samples=2, frames=2)
    assert images.shape == (2, 5, 8, 8, 1)
    for column, label in ((0, 2), (2, 5), (4, 9)):
        samples = Sampler(conditional, 0, [label]).some(2).image
        assert np.abs(images[:, column].astype(int) - samples).max() <= 1, label
    assert np.abs(images[:, 1].astype(int) - images[:, 0]).max() > 0
    assert np.abs(images[:, 1].astype(int) - images[:, 2]).max() > 0


def test_classes_to_walk_between_go_by_name(named_run, tmp_path, capsys):
    options = {"between": "labels", "num_samples": 1, "frames": 1}
    config = workdir.own_config(named_run)
    by = {"name": "red, blue,CON", "number": "7,5"}
    for name, label in by.items():
        asked = Options(**options, label=label, out=str(tmp_path / f"{name}.png"))
        interpolate(config, named_run, "0", asked)
        assert "of classes red, blue, CON of step 0" in capsys.readouterr().out
    assert (tmp_path / "name.png").read_bytes() == (tmp_path / "number.png").read_bytes()
    with pytest.raises(UsageError, match=r"no class is called 'rod'; did you mean red"):
        interpolate(config, named_run, "0", Options(**options, label="rod,CON"))


def test_between_seeds_a_walk_keeps_its_class(conditional):
    images, _ = images_of(conditional, (4, 6), num_samples=2, frames=1)
    first = Sampler(conditional, 0, [4, 6]).some(2).image
    assert np.abs(images[:, 0].astype(int) - first).max() <= 1


def frames_of(path):
    with Image.open(path) as film:
        for i in range(film.n_frames):
            film.seek(i)
            yield np.asarray(film.convert("RGB")).astype(float), film.info["duration"]


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_a_film_is_written_and_lasts_as_long_as_it_should(run, tmp_path, ending):
    """WebP shows frames as one for longer that differ by less than it stores."""
    walk(run, out=str(tmp_path / f"walk.{ending}"), num_samples=2, frames=3, psi="20")
    seconds = sum(duration for _, duration in frames_of(tmp_path / f"walk.{ending}")) / 1000
    assert seconds == 12 / 20
    assert list(tmp_path.iterdir()) == [tmp_path / f"walk.{ending}"]


def test_a_film_ends_where_it_begins(run, tmp_path):
    walk(run, out=str(tmp_path / "walk.gif"), num_samples=2, frames=6, psi="20")
    frames = [frame for frame, _ in frames_of(tmp_path / "walk.gif")]
    assert len(frames) == 24
    closing, across = (np.abs(frames[i] - frames[0]).mean() for i in (-1, 12))
    assert closing < 0.7 * across


def test_a_grid_has_a_row_for_each_walk(run, tmp_path):
    walk(run, out=str(tmp_path / "walk.png"), num_samples=3, frames=6, method="linear")
    with Image.open(tmp_path / "walk.png") as grid:
        assert grid.size == (7 * 49, 3 * 49)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"out": "walk.jpeg"}, r"--out=walk.jpeg: takes FILE.png"),
        ({"between": "labels"}, r"--between=labels: .*told of classes"),
        ({"statistics": "batch"}, r"--statistics=batch"),
        ({"psi": "0.1,0.2"}, r"--psi=0.1,0.2: this mode takes one"),
        ({"label": "3"}, r"--label=3: .*told of no classes"),
    ],
)
def test_what_cannot_be_walked_is_refused(run, options, match):
    with pytest.raises(UsageError, match=match):
        walk(run, **options)


def test_mp4_is_written_by_ffmpeg(run, tmp_path):
    """98x49 pixels, whose sides H.264 wants even."""
    if shutil.which("ffprobe") is None:
        pytest.skip("ffmpeg is not installed")
    walk(run, out=str(tmp_path / "walk.mp4"), num_samples=2, frames=2)
    entries = "stream=codec_name,width,height,nb_frames"
    command = ["ffprobe", "-v", "error", "-of", "csv=p=0", "-show_entries", entries]
    said = subprocess.run([*command, tmp_path / "walk.mp4"], capture_output=True, text=True)
    assert said.stdout.strip() == "h264,98,50,8"


def test_mp4_needs_ffmpeg(run, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UsageError, match=r"walk.mp4: needs the program ffmpeg.*take .webp"):
        walk(run, out="walk.mp4")

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import toys
from gan_jax.report import pictures


def test_pixels_go_out_as_they_came_in():
    pixels = np.arange(256, dtype=np.uint8)
    unit = pixels.astype(np.float32) / 127.5 - 1
    assert np.array_equal(pictures.to_uint8(unit), pixels)
    assert pictures.to_uint8(np.array([-3.0, 3.0])).tolist() == [0, 255]


def test_a_grid_holds_every_image_in_its_place():
    samples = np.linspace(-1, 1, 5)[:, None, None, None] * np.ones((5, 2, 2, 1))
    grid = pictures.tile(pictures.to_uint8(samples), least_side=4)
    assert grid.shape == (2 * 5, 3 * 5, 3)
    for index in range(5):
        row, column = divmod(index, 3)
        tile = grid[row * 5 : row * 5 + 4, column * 5 : column * 5 + 4]
        assert np.all(tile == round((index / 4) * 255)), index
    assert np.all(grid[5:, 10:] == 255)


def test_color_stays_color_and_large_images_their_size():
    samples = -np.ones((4, 64, 64, 3))
    samples[..., 0] = 1
    grid = pictures.grid(samples)
    assert grid.shape == (130, 130, 3)
    assert grid[0, 0].tolist() == [255, 0, 0]


def test_densities_and_modes_draw():
    x = np.linspace(-3, 5, 101)
    samples = toys.gaussian_1d()[:500]
    drawn = pictures.densities(samples, x, np.full_like(x, 0.5), 10)
    assert drawn.shape == (400, 700, 3)
    assert drawn.std() > 10
    collapsed = pictures.densities(np.zeros((500, 1), np.float32), x, np.full_like(x, 0.5), 10)
    assert not np.array_equal(drawn, collapsed)
    points = toys.mixture("ring_2d")[:500]
    ring = pictures.modes(points, toys.ring_modes(), toys.RING_STD, 3)
    assert ring.shape == (500, 500, 3)
    green = (ring[..., 1] > ring[..., 0].astype(int) + 40).sum()
    assert green > 20
    far = pictures.modes(points + 0.2, toys.ring_modes(), toys.RING_STD, 3)
    assert (far[..., 0] > far[..., 1].astype(int) + 40).sum() > 20


def test_the_title_of_modes_counts_them_and_fits(monkeypatch):
    figures = []
    render = pictures._render
    monkeypatch.setattr(
        pictures, "_render", lambda figure: figures.append(figure) or render(figure)
    )
    points = toys.grid_modes()[[0, 0, 1, 2]] + np.array([[0, 0], [1, 0], [0, 0], [0.1, 0]])
    pictures.modes(points, toys.grid_modes(), toys.GRID_STD, 1_000_000)
    (figure,) = figures
    title = figure.axes[0].title
    assert title.get_text() == "step 1,000,000: 3 of 25 modes, 75% of samples within 3 sigma"
    assert 0 <= title.get_window_extent().x0 < title.get_window_extent().x1 <= figure.bbox.x1


def test_a_time_lapse_shows_first_and_last_and_no_more_than_asked(tmp_path):
    for step in range(30):
        pictures.save(np.full((4, 4, 3), 8 * step, np.uint8), tmp_path / f"step_{step:08d}.png")
    pictures.time_lapse(tmp_path, tmp_path / "t.gif", frames=10)
    with Image.open(tmp_path / "t.gif") as gif:
        assert gif.n_frames == 10
        shades = []
        for frame in range(10):
            gif.seek(frame)
            shades.append(gif.convert("L").getpixel((0, 0)))
    assert shades[0] == 0
    assert shades[-1] == pytest.approx(232, abs=2)
    assert shades == sorted(shades)


def test_no_pictures_make_no_time_lapse(tmp_path):
    pictures.time_lapse(tmp_path, tmp_path / "t.gif")
    assert not (tmp_path / "t.gif").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        lambda data: data[:60] + bytes(20) + data[80:],
    ],
)
@pytest.mark.parametrize("which", [0, 2, 4])
def test_a_damaged_picture_is_left_out_of_the_time_lapse(tmp_path, caplog, damage, which):
    noise = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    for step, pixels in enumerate(noise):
        pictures.save(pixels, tmp_path / f"step_{step:08d}.png")
    file = tmp_path / f"step_{which:08d}.png"
    file.write_bytes(damage(file.read_bytes()))
    pictures.time_lapse(tmp_path, tmp_path / "t.gif")
    with Image.open(tmp_path / "t.gif") as gif:
        assert gif.n_frames == 4
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"{file} (")
    assert said.endswith("): left out of the time-lapse")


def test_damaged_pictures_alone_make_no_time_lapse(tmp_path, caplog):
    for step in range(3):
        (tmp_path / f"step_{step:08d}.png").write_bytes(b"no picture")
    pictures.time_lapse(tmp_path, tmp_path / "t.gif")
    assert not (tmp_path / "t.gif").exists()
    (said,) = [record.getMessage() for record in caplog.records]
    assert "step_00000000.png (" in said
    assert " and 2 more: left out of the time-lapse" in said


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path, caplog):
    pictures.save(np.zeros((4, 4, 3), np.uint8), tmp_path / "step_00000000.png")
    Image.new("1", (9000, 9000)).save(tmp_path / "step_00000001.png")
    pictures.time_lapse(tmp_path, tmp_path / "t.gif")
    with Image.open(tmp_path / "t.gif") as gif:
        assert gif.n_frames == 1
    assert "9000 x 9000 pixels are too many" in caplog.text

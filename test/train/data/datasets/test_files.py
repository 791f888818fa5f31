"""What the readers share: their docstrings' examples, and errors that name the file."""

import doctest

import numpy as np
import pytest

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from train.data.datasets import files, listing


@pytest.mark.parametrize("module", [files, listing])
def test_examples(module):
    assert doctest.testmod(module).failed == 0


def test_png16_keeps_its_unit_and_its_zero(tmp_path, put_png16):
    put_png16(tmp_path / "a.png", np.array([[0, 5000], [2500, 65535]]))
    depth = files.read_png16(tmp_path / "a.png", 5000.0)
    assert depth.dtype == np.float32 and np.isnan(depth[0, 0])
    np.testing.assert_allclose(depth.ravel()[1:], [1.0, 0.5, 13.107])


def test_png16_refuses_eight_bits(tmp_path, put_image):
    put_image(tmp_path / "a.png", 3)
    with pytest.raises(InputError, match="a.png: expected 16-bit grey, got uint8"):
        files.read_png16(tmp_path / "a.png", 5000.0)


def test_table_leaves_comments_out_and_counts_columns(tmp_path, put_text):
    put_text(tmp_path / "a.txt", "# x y\n1 2\n\n3, 4\n")
    assert files.read_table(tmp_path / "a.txt", 2).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(InputError, match="a.txt: expected 3 numbers a line, got '1 2'"):
        files.read_table(tmp_path / "a.txt", 3)
    with pytest.raises(InputError, match="b.txt: expected a file"):
        files.read_table(tmp_path / "b.txt", 3)


def test_points_outside_or_behind_are_not_drawn():
    points = np.array([[0, 0, -1.0], [50, 0, 1.0], [1.0, -0.5, 2.0]])
    depth = files.points_to_depth(points, Camera(12, 8, 10.0, 12.0, 4.0, 5.0))
    assert np.argwhere(np.isfinite(depth)).tolist() == [[2, 9]] and depth[2, 9] == 2.0


def test_image_that_is_missing_or_broken(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="a.png: expected an image, got 8 bytes"):
        files.read_rgb(tmp_path / "a.png")
    with pytest.raises(InputError, match="b: expected an image .png or"):
        files.find_image(tmp_path / "b")

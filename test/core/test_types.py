import numpy as np
import pytest

from depth_ros.core.errors import DepthRosError, ImageError
from depth_ros.core.types import Frame


def test_accepts_a_pair_and_a_single_image(rig, make_pair):
    left, right = make_pair(3)
    assert Frame(5, "cam", left, right, rig).stamp_ns == 5
    assert Frame(5, "cam", left, None, rig).right is None


@pytest.mark.parametrize(
    "break_it",
    [
        lambda left, right: (left[:, :-1], right[:, :-1]),  # not the size of camera_info
        lambda left, right: (left, right[:-1]),
        lambda left, right: (left[..., 0], right[..., 0]),
        lambda left, right: (left.astype(np.float32), right),
        lambda left, right: (left[:0], right[:0]),
        lambda left, right: (left.transpose(1, 0, 2), right.transpose(1, 0, 2)),
    ],
)
def test_refuses_images(rig, make_pair, break_it):
    with pytest.raises(ImageError, match="expected"):
        Frame(5, "cam", *break_it(*make_pair(3)), rig)


def test_errors_have_one_base():
    assert issubclass(ImageError, DepthRosError) and issubclass(ImageError, ValueError)

"""Two views of points whose motion is known."""

import numpy as np
import pytest

from depth_ros.core.lie import inverse, se3_exp, so3_exp
from depth_ros.odometry.epipolar import in_front, sampson, sampson_jacobian, triangulate

PREV_T_CURR = se3_exp([0.3, -0.1, 0.5, 0.02, -0.05, 0.03])
R = inverse(PREV_T_CURR)[:3, :3]
T = inverse(PREV_T_CURR)[:3, 3]
SIGMA = 1e-3


def rays(seed=0, count=30):
    """Points in both views, z = 1, and their inverse depths in the first."""
    rng = np.random.default_rng(seed)
    x = np.c_[rng.uniform(-0.5, 0.5, (count, 2)), np.ones(count)]
    inv = 1 / rng.uniform(2, 9, count)
    moved = x @ R.T + T * inv[:, None]
    return x, moved / moved[:, 2:], inv


def test_points_of_the_motion_lie_on_their_epipolar_lines():
    x, y, _ = rays()
    assert np.abs(sampson(R, T / np.linalg.norm(T), x, y)).max() < 1e-15


def test_sampson_is_the_distance_across_the_epipolar_line_shared_by_both_views():
    """A camera that moves sideways sees rows: a point d rows off needs d / 2 in both views, which
    is d / sqrt(2) of all four coordinates.
    """
    x = np.array([[0.1, 0.2, 1.0]])
    y = np.array([[-0.3, 0.2 + 1e-3, 1.0]])
    sideways = np.array([1.0, 0.0, 0.0])
    found = sampson(np.eye(3), sideways, x, y)
    assert np.abs(found) == pytest.approx(1e-3 / np.sqrt(2), rel=1e-9)


def test_the_jacobian_is_that_of_differences():
    """At points of the motion, where the distance is linear."""
    x, y, _ = rays()
    t = T / np.linalg.norm(T)
    residual, J, basis = sampson_jacobian(R, t, x, y, SIGMA)
    assert np.abs(residual).max() < 1e-9
    step = 1e-6
    for axis in range(5):
        change = np.zeros(5)
        change[axis] = step
        ahead = sampson(so3_exp(change[:3]) @ R, t + basis @ change[3:], x, y) / SIGMA
        back = sampson(so3_exp(-change[:3]) @ R, t - basis @ change[3:], x, y) / SIGMA
        np.testing.assert_allclose(
            J[:, axis], (ahead - back) / (2 * step), atol=1e-5 * np.abs(J).max()
        )


def test_triangulation_has_the_depth_and_its_derivative():
    x, y, inv = rays()
    found, slope = triangulate(R, T, x, y)
    np.testing.assert_allclose(found, inv, rtol=1e-9)
    # along its epipolar line a point moves by inv / slope
    there = x @ R.T + T * (inv * 1.001)[:, None]
    moved = np.linalg.norm(there / there[:, 2:] - y, axis=1)
    np.testing.assert_allclose(moved * slope, 0.001 * inv, rtol=5e-3)


def test_points_behind_a_camera_are_not_in_front():
    x, y, _ = rays()
    assert in_front(R, T, x, y).all()
    assert not in_front(R, -T, x, y).any()  # the same lines, met behind

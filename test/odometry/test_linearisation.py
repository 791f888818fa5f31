"""The linearised bundle against differences of its own residuals."""

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.lie import inverse, se3_exp
from depth_ros.odometry.bundle_adjustment import Bundle
from depth_ros.odometry.inverse_depth import bearings, exps, move, observe
from depth_ros.odometry.linearisation import Problem, known_rows, linearise

CAMERA = Camera(640, 480, 500.0, 510.0, 310.0, 250.0)
POSES = np.stack([se3_exp([0.1 * k, -0.03 * k, 0.4 * k, 0.01, 0.02 * k, 0]) for k in range(3)])
SIGMA = np.array([0.3, 0.4, 0.004])
BIAS = (0.0, 0.002)
STEP = 1e-6


def bundle(count=5):
    """Exact measurements of landmarks: the second frame is the anchor of some, and some are not
    seen everywhere; (bundle, landmarks).
    """
    rng = np.random.default_rng(0)
    anchor = np.array([0, 0, 1, 1, 0])
    landmarks = np.c_[rng.uniform((150, 150), (450, 350), (count, 2)), 1 / rng.uniform(3, 9, count)]
    seen = np.full((count, len(POSES), 3), np.nan)
    for i in range(count):
        rays = bearings(landmarks[i : i + 1, :2], CAMERA)
        for k in range(anchor[i], len(POSES)):
            k_T_anchor = inverse(POSES[k]) @ POSES[anchor[i]]
            moved = move(k_T_anchor, rays, landmarks[i : i + 1, 2])
            seen[i, k] = observe(moved, landmarks[i : i + 1, 2], CAMERA)[0]
    seen[0, 1] = np.nan
    return Bundle(seen, np.broadcast_to(SIGMA, seen.shape), anchor), landmarks


def test_exact_measurements_leave_nothing():
    what, landmarks = bundle()
    state = linearise(Problem(what, CAMERA, BIAS), POSES, landmarks, 0.0)
    assert np.abs(state.rows[..., -1]).max() < 1e-9
    assert state.cost < 1e-12
    np.testing.assert_array_equal(state.weight, 1.0)


def test_the_jacobians_are_those_of_differences():
    """By free poses, bias and landmarks; rows are minus the derivatives of the residuals."""
    what, landmarks = bundle()
    problem = Problem(what, CAMERA, BIAS)
    state = linearise(problem, POSES, landmarks, 0.0)

    def residuals(poses, points, bias):
        return linearise(problem, poses, points, bias).rows[..., -1]

    def by_pose(twist):
        return residuals(POSES @ exps(twist.reshape(3, 6)), landmarks, 0.0)

    largest = np.abs(state.rows).max()
    for axis in range(6, 18):  # the first pose is held
        twist = np.zeros(18)
        twist[axis] = STEP
        derivative = (by_pose(-twist) - by_pose(twist)) / (2 * STEP)
        np.testing.assert_allclose(state.rows[..., axis - 6], derivative, atol=1e-5 * largest)
    # the bias counts in units of its sigma
    ahead = residuals(POSES, landmarks, STEP * BIAS[1])
    back = residuals(POSES, landmarks, -STEP * BIAS[1])
    np.testing.assert_allclose(state.rows[..., -2], (back - ahead) / (2 * STEP), atol=1e-6)
    for part in range(3):
        shift = np.zeros(3)
        shift[part] = STEP
        ahead = residuals(POSES, landmarks + shift, 0.0)
        back = residuals(POSES, landmarks - shift, 0.0)
        derivative = (back - ahead) / (2 * STEP)
        np.testing.assert_allclose(
            state.by_landmark[..., part], derivative, atol=1e-5 * np.abs(derivative).max()
        )


def test_the_jacobian_of_a_known_motion_is_that_of_differences():
    """By the first pose, too, which is held afterwards."""
    rng = np.random.default_rng(2)
    A = rng.normal(0, 1, (6, 6))
    motion = inverse(POSES[1]) @ POSES[2] @ se3_exp(rng.normal(0, 0.05, 6))
    known = [None, (motion, A @ A.T + np.eye(6))]
    ones = np.ones((1, 3, 3))
    problem = Problem(Bundle(ones, ones, np.zeros(1, int), known), CAMERA, (0.0, 0.0))

    def rows(twist):
        moved = POSES @ exps(twist.reshape(3, 6))
        return known_rows(problem, np.linalg.inv(moved)[:, None] @ moved, 0.0)

    differences = np.zeros((7, 18))
    for axis in range(18):
        twist = np.zeros(18)
        twist[axis] = STEP
        differences[:, axis] = (rows(-twist)[:, -1] - rows(twist)[:, -1]) / (2 * STEP)
    np.testing.assert_allclose(rows(np.zeros(18))[1:, :18], differences[1:], atol=1e-3)
    assert not rows(np.zeros(18))[1:, :6].any() and abs(differences).max() > 1

import numpy as np
import pytest

from depth_ros.core.camera import Camera
from depth_ros.core.lie import inverse, se3_exp, so3_log
from depth_ros.odometry.inverse_depth import bearings, move, observe
from depth_ros.odometry.pose_chain import LOST_VARIANCE
from depth_ros.odometry.two_view import gric, two_view

CAMERA, COUNT = Camera(640, 400, 400.0, 410.0, 310.0, 205.0), 150


def pixels(seed, prev_T_curr, outliers=0.2, plane=False, noise_px=0.35):
    rng = np.random.default_rng(seed)
    before = rng.uniform((20, 20), (620, 380), (COUNT, 2))
    rays = bearings(before, CAMERA)
    inv = rays @ (0.02, 0.15, 0.12) if plane else 1 / rng.uniform(3, 40, COUNT)
    after = observe(move(inverse(prev_T_curr), rays, inv), inv, CAMERA)[:, :2]
    wrong = int(outliers * COUNT)
    after[:wrong] += rng.normal(0, 15, (wrong, 2))
    return before + rng.normal(0, noise_px, before.shape), after + rng.normal(
        0, noise_px, after.shape
    )


def degrees(found, truth):
    """Of the rotation, and between the directions."""
    turned = np.degrees(np.linalg.norm(so3_log(found.prev_T_curr[:3, :3].T @ truth[:3, :3])))
    way = truth[:3, 3] / max(np.linalg.norm(truth[:3, 3]), 1e-12)
    return turned, np.degrees(np.arccos(np.clip(way @ found.prev_T_curr[:3, 3], -1, 1)))


@pytest.mark.parametrize("twist", [[0.05, -0.02, 0.6, 0.01, 0.03, -0.005], [0.3, 0, 0, 0, 0.02, 0]])
def test_a_motion_with_parallax_has_a_direction_of_length_one(twist):
    truth = se3_exp(twist)
    for seed in range(5):
        found = two_view(*pixels(seed, truth), CAMERA)
        turned, off = degrees(found, truth)
        assert found.model == "epipolar" and turned < 0.3 and off < 4
        assert np.linalg.norm(found.prev_T_curr[:3, 3]) == pytest.approx(1)
        assert found.inlier[:30].mean() < 0.3 < 0.9 < found.inlier[30:].mean()


@pytest.mark.parametrize(
    "twist", [[0, 0, 0, 0.01, 0.05, 0], [0, 0, 0, 0, 0, 0], [0.005, 0, 0, 0, 0, 0.01]]
)
def test_a_turn_or_hardly_any_motion_is_a_rotation(twist):
    """5 mm before things 3 m away and more: less than a pixel, no direction can be had."""
    truth = se3_exp(twist)
    for seed in range(5):
        found = two_view(*pixels(seed, truth), CAMERA)
        assert found.model == "rotation" and degrees(found, truth)[0] < 0.1
        assert (np.diag(found.covariance)[:3] == LOST_VARIANCE).all()
        assert not found.prev_T_curr[:3, 3].any()


def test_the_covariance_of_the_rotation_covers_its_error():
    truth, values = se3_exp([0.3, 0, 0.1, 0, 0.02, 0]), []
    for seed in range(20):
        found = two_view(*pixels(seed, truth), CAMERA)
        error = so3_log(found.prev_T_curr[:3, :3].T @ truth[:3, :3])
        values.append(error @ np.linalg.solve(found.covariance[3:, 3:], error) / 3)
    assert (
        0.2 < np.mean(values) < 1.8
    )  # 95 % of the mean of 20 chi-squares of 3 lie within 0.66 and 1.4


def test_before_one_plane_two_motions_look_alike_and_the_covariance_says_so():
    truth = se3_exp([0.05, 0, 0.5, 0, 0.02, 0])
    for seed in range(5):
        found = two_view(*pixels(seed, truth, plane=True), CAMERA)
        error = so3_log(found.prev_T_curr[:3, :3].T @ truth[:3, :3])
        assert (
            error @ np.linalg.solve(found.covariance[3:, 3:], error) < 16.3 * 2
        )  # 99.9 % of a chi-square of 3, twice
        known = two_view(*pixels(seed, truth, plane=True), CAMERA, truth[:3, :3])
        assert degrees(known, truth)[0] < 0.5  # a gyroscope tells them apart


def test_noise_is_no_motion():
    rng = np.random.default_rng(0)
    answer = two_view(rng.uniform(0, 400, (60, 2)), rng.uniform(0, 400, (60, 2)), CAMERA)
    assert isinstance(answer, str) and "agree" in answer
    assert two_view(np.zeros((5, 2)), np.zeros((5, 2)), CAMERA) == "5 points followed, 12 needed"


def test_gric_prefers_the_simple_until_it_does_not_fit():
    fits, does_not = np.full(100, 1.0), np.full(100, 9.0)
    assert gric(fits, 2, 3) < gric(fits, 3, 5) < gric(does_not, 2, 3)

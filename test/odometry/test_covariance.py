import numpy as np
import pytest

from depth_ros.core.axes import body_R_optical
from depth_ros.core.lie import inverse, se3_exp, se3_log, so3_log
from depth_ros.odometry import EgoMotion
from depth_ros.odometry.covariance import adjoint, blended, last_step
from depth_ros.odometry.error_sources import Influence
from depth_ros.odometry.inverse_depth import bearings, move, observe
from depth_ros.odometry.relative_pose import estimate_step
from depth_ros.odometry.residuals import Pairs
from depth_ros.odometry.tracking import follow, unsharpness

from . import test_bundle_adjustment, test_relative_pose
from .billboards import boards, frame


def judged(xi, covariance):
    return xi @ np.linalg.solve(covariance, xi)


@pytest.mark.parametrize("noise", [1.0, 1.7, "heavy"])
def test_influences_are_true_whatever_the_noise(noise):
    """60 draws: the mean of a chi-square of 6 is within 0.9; the model's own is wrong for two of
    three.
    """
    nees = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        exact = test_relative_pose.points(rng, 80, test_relative_pose.STEP, noise=0.0)
        size = (
            rng.standard_t(3, (2, 80, 3)) if noise == "heavy" else rng.normal(0, noise, (2, 80, 3))
        )
        before, after = (
            one + drawn * test_relative_pose.SIGMA for one, drawn in zip(exact, size, strict=True)
        )
        step = test_relative_pose.solve(before, after, prediction=test_relative_pose.STEP)
        _, moved = step.pull.left_out(np.arange(80))
        nees.append(
            judged(se3_log(inverse(step.prev_T_curr) @ test_relative_pose.STEP), moved.T @ moved)
        )
    assert 4.5 < np.mean(nees) < 8.0


def test_what_is_common_to_two_frames_is_not_in_the_motion_between():
    """One noisy keyframe, two good frames: the sign of influences matters, else it is much
    wider.
    """
    camera, sigma, way = (
        test_relative_pose.CAMERA,
        np.full((100, 3), 0.3),
        [test_relative_pose.STEP, test_relative_pose.STEP @ test_relative_pose.STEP],
    )
    sigma[:, 2] = 0.004
    nees, without = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        pixels = rng.uniform((20, 20), (620, 380), (100, 2))
        true = np.concatenate([pixels, 1 / rng.uniform(3, 40, (100, 1))], 1)
        before, found = true + rng.normal(0, 1, true.shape) * sigma, []
        for pose in way:
            after = observe(
                move(inverse(pose), bearings(pixels, camera), true[:, 2]), true[:, 2], camera
            )
            after += rng.normal(0, 0.1, true.shape) * sigma
            found.append(estimate_step(Pairs(before, after, sigma, 0.1 * sigma, camera), [pose]))
        one, two = (Influence(*step.pull.left_out(np.arange(100))) for step in found)
        step = inverse(found[0].prev_T_curr) @ found[1].prev_T_curr
        xi = se3_log(inverse(step) @ inverse(way[0]) @ way[1])
        back = -adjoint(inverse(step))
        nees.append(judged(xi, two.plus(one.mapped(back)).covariance))
        without.append(judged(xi, two.covariance + one.mapped(back).covariance))
    assert 4.0 < np.mean(nees) < 9.0 and np.mean(without) < 0.8 * np.mean(nees)


@pytest.mark.parametrize("larger", [1, 1.5])
def test_the_last_step_of_a_window(larger):
    """60 draws: the mean of a chi-square of 6 spreads by 0.45. What the sigmas say alone is wrong
    for the larger noise, and the bare sum over landmarks for both: some 20 of them decide, and 6
    (20 - 1) / (20 - 7) = 8.8 (Hotelling)."""
    nees, bare = [], []
    for seed in range(60):
        truth, seen, start = test_bundle_adjustment.world(seed=seed)
        more = (
            np.random.default_rng(seed + 99).normal(0, 1, seen.shape) * test_bundle_adjustment.SIGMA
        )
        adjusted = test_bundle_adjustment.solve(seen + more * (larger**2 - 1) ** 0.5, start)
        model, influence = last_step(adjusted, np.arange(test_bundle_adjustment.L))
        step = inverse(adjusted.poses[-2]) @ adjusted.poses[-1]
        xi = se3_log(inverse(step) @ inverse(truth[-2]) @ truth[-1])
        independent, reshaped = blended(influence, model)
        nees.append(judged(xi, independent + reshaped.covariance))
        bare.append(judged(xi, influence.covariance))
    assert 4.8 < np.mean(nees) < 7.4 < np.mean(bare) < 10.5


def test_a_point_that_lasts_adds_up_with_its_sign():
    same, opposite = (Influence(np.array([4]), sign * np.eye(1, 6)) for sign in (1, -1))
    assert same.plus(same).covariance[0, 0] == 4.0 and same.plus(opposite).covariance[0, 0] == 0.0


def test_blending_keeps_the_size():
    model = np.diag([1.0, 2, 3, 4, 5, 6])
    values = np.random.default_rng(0).normal(0, 1, (30, 6)) * np.sqrt(np.diag(model) * 4 / 30)
    independent, influence = blended(Influence(np.arange(30), values), model)
    ratio = np.trace(np.linalg.solve(model, independent + influence.covariance)) / 6
    assert ratio == pytest.approx(np.trace(np.linalg.solve(model, values.T @ values)) / 6)


def test_few_sources_leave_no_direction_without_doubt():
    model = np.diag([1.0, 2, 3, 4, 5, 6])
    for count in (1, 3, 7):
        values = np.random.default_rng(count).normal(0, 1, (count, 6))
        independent, influence = blended(Influence(np.arange(count), values), model)
        in_model = np.linalg.eigvals(
            np.linalg.solve(model, independent + influence.covariance)
        ).real
        assert in_model.min() > 0.1 * in_model.mean()


def test_a_horizontal_edge_is_unsure_along_itself():
    grey = np.zeros((60, 60), np.uint8)
    grey[30:] = 200
    along, across = unsharpness(grey, np.array([[30.0, 30.0]]))[0]
    assert along > 10 * across


def test_a_point_whose_surroundings_change_is_less_sure():
    grey = boards(1)[1][-1][:120, :160, 0].copy()
    other = grey.copy()
    other[40:, :] = np.clip(
        other[40:, :].astype(int) + np.random.default_rng(0).integers(-40, 40, other[40:].shape),
        0,
        255,
    )
    pixels = np.array([[80.0, 20.0], [80.0, 80.0]], np.float32)
    _, _, sigma = follow(grey, other, pixels, pixels)
    assert (sigma[1] > sigma[0] + 0.02).all()


def test_a_short_way_through_flat_pictures():
    """The covariance covers the error of an easy way, and is not absurdly large: sigma below a
    tenth of the way.
    """
    step, ego, pose = (
        se3_exp([0.02, 0.0, 0.06, 0.0, 0.01, 0.003]),
        EgoMotion("geometric"),
        np.eye(4),
    )
    for i in range(4):
        estimate = ego.update(frame(boards(2), i, pose))
        pose = pose @ step
    true = np.eye(4)
    true[:3, :3] = body_R_optical
    true = true @ pose @ inverse(step)
    found = estimate.odom_T_camera
    error = np.concatenate([true[:3, 3] - found[:3, 3], so3_log(true[:3, :3] @ found[:3, :3].T)])
    assert judged(error, estimate.covariance) < 22.5  # 99.9 % of a chi-square of 6
    assert np.sqrt(np.diag(estimate.covariance)[:3].max()) < 0.1 * np.linalg.norm(true[:3, 3])

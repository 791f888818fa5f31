import numpy as np
import pytest

from depth_ros.core.camera import Camera
from depth_ros.core.lie import inverse, se3_exp, se3_log
from depth_ros.odometry.inverse_depth import bearings, move, observe
from depth_ros.odometry.relative_pose import Step, estimate_step
from depth_ros.odometry.residuals import Pairs

CAMERA = Camera(640, 400, 400.0, 410.0, 310.0, 205.0)
STEP = se3_exp([0.05, -0.02, 0.6, 0.01, 0.03, -0.005])
SIGMA = np.array([0.3, 0.3, 0.004])


def points(rng, count, prev_T_curr, noise=SIGMA):
    pixels = rng.uniform((20, 20), (620, 380), (count, 2))
    true = np.concatenate([pixels, 1 / rng.uniform(3, 40, (count, 1))], 1)
    moved = move(inverse(prev_T_curr), bearings(true[:, :2], CAMERA), true[:, 2])
    after = observe(moved, true[:, 2], CAMERA)
    return true + rng.normal(0, 1, true.shape) * noise, after + rng.normal(0, 1, true.shape) * noise


def solve(before, after, prediction=None, sigma=SIGMA):
    sigmas = np.broadcast_to(sigma, before.shape)
    pairs = Pairs(before, after, sigmas, sigmas, CAMERA)
    return estimate_step(pairs, [np.eye(4) if prediction is None else prediction])


def test_exact_points_give_the_exact_motion():
    before, after = points(np.random.default_rng(0), 100, STEP, noise=0.0)
    np.testing.assert_allclose(solve(before, after).prev_T_curr, STEP, atol=1e-6)


def test_the_covariance_is_that_of_the_error():
    """NEES over 150 draws: the mean of a chi-square of 6, within its 99 % band and the robust
    weights' few percent.
    """
    nees = []
    for seed in range(150):
        step = solve(*points(np.random.default_rng(seed), 80, STEP), prediction=STEP)
        xi = se3_log(inverse(step.prev_T_curr) @ STEP)
        nees.append(xi @ np.linalg.solve(step.covariance, xi))
    assert 5.0 < np.mean(nees) < 7.0


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_what_moves_by_itself_is_left_out(share):
    rng = np.random.default_rng(1)
    before, after = points(rng, 200, STEP)
    moving = int(200 * share)
    own = se3_exp([0.5, 0.0, -0.3, 0.0, 0.0, 0.0])
    before[:moving], after[:moving] = points(rng, moving, STEP @ own)
    step = solve(before, after, prediction=STEP @ se3_exp([0.02, 0.01, -0.05, 0.002, 0.0, 0.001]))
    assert np.linalg.norm(se3_log(inverse(step.prev_T_curr) @ STEP)[:3]) < 0.03
    assert step.inlier[:moving].mean() < 0.2 < 0.9 < step.inlier[moving:].mean()


def test_a_bad_prediction_is_searched_past():
    before, after = points(np.random.default_rng(2), 200, STEP)
    prediction = se3_exp([1.0, 1.0, -2.0, 0.3, -0.2, 0.2])
    assert (
        np.abs(se3_log(inverse(solve(before, after, prediction).prev_T_curr) @ STEP)).max() < 0.02
    )


def test_turning_on_the_spot_needs_no_depth_of_far_points():
    turn = se3_exp([0, 0, 0, 0.0, 0.05, 0.01])
    step = solve(*points(np.random.default_rng(3), 150, turn))
    xi = se3_log(step.prev_T_curr)
    np.testing.assert_allclose(xi[3:], [0, 0.05, 0.01], atol=1e-3)
    assert np.abs(xi[:3]).max() < 0.02


def test_refusals_say_why():
    before, after = points(np.random.default_rng(4), 8, STEP)
    assert solve(before, after) == "8 points followed, 12 needed"
    before, after = points(np.random.default_rng(5), 60, STEP)
    noise = np.random.default_rng(6).uniform(0, 400, after.shape)
    assert "agree" in solve(before, noise)
    before[:, 2] = after[:, 2] = 0
    sigma = np.array([0.3, 0.3, np.inf])
    assert isinstance(solve(before, after, sigma=sigma), (str, Step))
    assert (
        solve(before, after, prediction=STEP, sigma=sigma)
        == "no metric depth at the points followed"
    )


def test_in_more_noise_more_points_must_agree():
    assert isinstance(solve(*points(np.random.default_rng(0), 25, STEP), prediction=STEP), Step)
    assert "agree" in solve(
        *points(np.random.default_rng(0), 25, STEP, noise=3 * SIGMA), prediction=STEP
    )
    assert isinstance(
        solve(*points(np.random.default_rng(0), 80, STEP, noise=3 * SIGMA), prediction=STEP), Step
    )


def test_a_prior_helps_where_points_are_few_and_bad_and_hardly_where_they_are_good():
    turn = np.diag([1e2] * 3 + [1e7] * 3)  # 10 cm and 0.3 mrad, as a gyroscope has it
    noise, few, sure = np.array([3.0, 3.0, 0.04]), [], []
    for seed in range(8):
        before, after = points(np.random.default_rng(seed), 20, STEP, noise)
        sigma = np.broadcast_to(noise, before.shape)
        pairs = Pairs(before, after, sigma, sigma, CAMERA)
        found = [estimate_step(pairs, [STEP], prior).prev_T_curr for prior in (None, (STEP, turn))]
        few.append([np.linalg.norm(se3_log(inverse(T) @ STEP)[3:]) for T in found])
        before, after = points(np.random.default_rng(seed), 200, STEP)
        sigma = np.broadcast_to(SIGMA, before.shape)
        wrong = STEP @ se3_exp([0, 0, 0, 3e-4, 0, 0])
        found = [
            estimate_step(Pairs(before, after, sigma, sigma, CAMERA), [STEP], p)
            for p in (None, (wrong, turn))
        ]
        sure.append(np.abs(se3_log(inverse(found[0].prev_T_curr) @ found[1].prev_T_curr)[3:]).max())
        assert np.trace(found[1].covariance) < np.trace(found[0].covariance)
    without, with_prior = np.mean(few, axis=0)
    assert with_prior < 0.3 * without
    assert max(sure) < 3e-4


def test_points_without_depth_do_not_keep_the_answer_where_the_search_began():
    """The depth of such points follows the motion; were it held, dozens of rounds would be
    needed, to a wrong place.
    """
    before, after = points(np.random.default_rng(4), 80, STEP)
    sigma_before = np.broadcast_to(SIGMA, before.shape).copy()
    sigma_after = sigma_before.copy()
    before[::3, 2], sigma_before[::3, 2], sigma_after[:, 2] = 0.0, np.inf, np.inf
    found = [
        estimate_step(Pairs(before, after, sigma_before, sigma_after, CAMERA), [prediction])
        for prediction in (np.eye(4), STEP)
    ]
    between = se3_log(inverse(found[0].prev_T_curr) @ found[1].prev_T_curr)
    assert between @ np.linalg.solve(found[1].covariance, between) < 0.1

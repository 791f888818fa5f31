import numpy as np
import pytest

from depth_ros.core.lie import inverse, se3_exp, se3_log
from depth_ros.odometry.motion_hypotheses import log_odds
from depth_ros.odometry.relative_pose import estimate_step
from depth_ros.odometry.residuals import Pairs

from .test_relative_pose import CAMERA, SIGMA, STEP, points

OTHER = STEP @ se3_exp([0.5, 0.0, -0.3, 0.0, 0.0, 0.0])
EVERY = np.ones(200, bool)


def two_motions(share: float, predictions, seed=0, other=OTHER):
    """The step that is found where a share of 200 points moves in another way."""
    rng, count = np.random.default_rng(seed), int(200 * share)
    parts = points(rng, 200 - count, STEP), points(rng, count, other)
    before, after = (np.concatenate(both) for both in zip(*parts, strict=True))
    sigma = np.broadcast_to(SIGMA, before.shape)
    return estimate_step(Pairs(before, after, sigma, sigma, CAMERA), predictions)


def off(step, true=STEP) -> np.ndarray:
    return se3_log(inverse(step.prev_T_curr) @ true)


def judged(step) -> float:
    """NEES with three times the sigma of the points: those of the other thing pull a little."""
    return off(step) @ np.linalg.solve(9 * step.covariance + step.spread, off(step))


def test_a_clear_answer_knows_of_no_other():
    assert not two_motions(0.2, [STEP, np.eye(4)]).spread.any()


def test_what_hangs_on_the_camera_is_not_the_world():
    """It does not move in the picture, which is what standing still looks like: where the first
    search begins.
    """
    for seed in range(4):
        step = two_motions(0.4, [np.eye(4), np.eye(4)], seed, other=np.eye(4))
        assert np.linalg.norm(off(step)[:3]) < 0.03 and judged(step) < 22.5


@pytest.mark.parametrize("share", [0.5, 0.6])
def test_the_larger_part_may_be_a_lorry(share):
    """The camera goes on as before, the lorry does not: it is not believed, and not forgotten
    either.
    """
    step = two_motions(share, [STEP @ se3_exp([0.02, 0, 0.04, 0, 0.004, 0]), np.eye(4)])
    assert np.linalg.norm(off(step)[:3]) < 0.06 and judged(step) < 22.5
    apart = np.linalg.norm(off(step, OTHER)[:3])
    known = np.sqrt(np.trace(step.spread[:3, :3]))
    assert 0.001 * apart < known < 0.3 * apart
    along = off(step, OTHER)[:3] / apart
    assert along @ step.spread[:3, :3] @ along > 0.99 * known**2


def test_where_nothing_decides_the_covariance_holds_either_way():
    found = [two_motions(0.5, [np.eye(4), np.eye(4)], seed) for seed in range(8)]
    assert max(judged(step) for step in found) < 22.5
    for step in found:
        apart = np.linalg.norm(off(step)[:3] - off(step, OTHER)[:3])
        assert np.sqrt(np.trace(step.spread[:3, :3])) > 0.3 * apart


def test_odds_turn_round():
    one, other = two_motions(0.0, [STEP]), two_motions(0.0, [STEP], other=OTHER, seed=0)
    predictions = [STEP, np.eye(4)]
    assert log_odds(one, one, EVERY, predictions) == 0
    assert log_odds(one, other, EVERY, predictions) == pytest.approx(
        -log_odds(other, one, EVERY, predictions)
    )

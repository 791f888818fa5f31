"""Figures of motion between views: known twists, and what does not look at them."""

import math

import numpy as np
import pytest

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from depth_ros.core.lie import inverse, se3_exp
from train.data.view import View
from train.evaluate.pose import (
    constant_motion,
    evaluate_pose,
    network_motion,
    pose_table,
    zero_motion,
)

CAMERA = Camera(96, 56, 80.0, 84.0, 44.25, 30.5)
STEP = se3_exp([0.3, 0.0, 0.4, 0.0, 0.1, 0.0])


class Track(list):
    """Views in a row."""

    def neighbour(self, index, offset):
        return index + offset if 0 <= index + offset < len(self) else None


def track(steps, start=None):
    poses = [np.eye(4) if start is None else start]
    for step in steps:
        poses.append(poses[-1] @ step)
    return Track(
        View(np.zeros((56, 96, 3), np.uint8), CAMERA, world_T_camera=pose) for pose in poses
    )


@pytest.fixture
def frames():
    return track([STEP, STEP], start=se3_exp([1.0, 2.0, 3.0, 0.5, -0.4, 0.3]))


def test_truth_is_without_error_and_its_inverse_is_not(frames):
    right = evaluate_pose(
        lambda first, second: inverse(first.world_T_camera) @ second.world_T_camera, frames
    )
    assert right == {
        "rotation_deg": pytest.approx(0, abs=1e-6),
        "direction_deg": pytest.approx(0, abs=1e-6),
        "translation_m": pytest.approx(0, abs=1e-9),
        "pairs": 2,
    }
    wrong = evaluate_pose(
        lambda first, second: inverse(second.world_T_camera) @ first.world_T_camera, frames
    )
    assert (
        wrong["rotation_deg"] == pytest.approx(math.degrees(0.2)) and wrong["direction_deg"] > 170
    )


def test_zero_motion_has_no_direction(frames):
    figures = evaluate_pose(zero_motion, frames)
    assert figures["rotation_deg"] == pytest.approx(math.degrees(0.1))
    assert math.isnan(figures["direction_deg"])
    assert figures["translation_m"] == pytest.approx(np.linalg.norm(STEP[:3, 3]))
    assert (
        pose_table({"zero": figures}).splitlines()[2]
        == f"| zero | {math.degrees(0.1):.3f} | - | 0.500 |"
    )


def test_constant_motion_is_the_mean_of_the_training_set(frames):
    training = track([se3_exp([0.6, 0, 0.8, 0, 0.2, 0]), np.eye(4)])
    assert evaluate_pose(constant_motion(training), frames)["translation_m"] == pytest.approx(
        0, abs=1e-9
    )


def test_standing_still_is_judged_by_rotation_only():
    turn = se3_exp([0, 0, 0, 0, 0.1, 0])
    figures = evaluate_pose(lambda first, second: STEP, track([turn]))
    assert math.isnan(figures["direction_deg"]) and figures["rotation_deg"] == pytest.approx(
        0, abs=1e-6
    )


def test_unknown_poses_are_left_out(frames):
    blind = Track([View(np.zeros((56, 96, 3), np.uint8), CAMERA)] * 3)
    assert evaluate_pose(zero_motion, Track([*blind, *frames]))["pairs"] == 2
    for call in (lambda: evaluate_pose(zero_motion, blind), lambda: constant_motion(blind)):
        with pytest.raises(InputError, match="known poses"):
            call()


def test_network_answers_for_the_canonical_camera(frames):
    pytest.importorskip("torch")
    shapes = []

    def run(first, second):
        shapes.append(first.shape)
        return np.array([0.02, 0, 0, 0, 0, 0.5])

    # 56 x 96 at four times the pixels is 128 x 192 (multiples of 32): fx 160 of a canonical 320
    # halves z, doubles turns
    predicted = network_motion(run, 4 * 56 * 96, focal_px=320.0)(frames[0], frames[1])
    assert shapes == [(3, 128, 192)] and predicted[2, 3] == pytest.approx(0.25)
    assert math.atan2(predicted[2, 1], predicted[1, 1]) == pytest.approx(0.04, rel=1e-5)

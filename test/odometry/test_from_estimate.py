"""What odometry is fed of the estimates of depth, and of what is known besides."""

import numpy as np
import pytest

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.lie import se3_exp
from depth_ros.core.types import Estimate
from depth_ros.estimator.scale import CameraHeightScale, OdometryScale
from depth_ros.odometry import EstimateConverter, OdometryInputs
from depth_ros.odometry.from_estimate import chained

CAMERA = Camera(16, 12, 20.0, 21.0, 7.5, 6.25)
RIG = StereoRig(CAMERA, 0.2, 1.5)
STEP_NS = 100_000_000
STEPS = [se3_exp([0.1 * i, 0.2, 1.0, 0.02, -0.03 * i, 0.01]) for i in range(1, 5)]
LEFT, RIGHT = np.full((2, 12, 16, 3), 9, np.uint8)
DEPTH = np.full((12, 16), 2.0, np.float32)


def mono_estimate(i, depth=DEPTH, **changes):
    """The estimate number i of one camera, with the pose network's step from the one before."""
    values = {
        "scale": "camera height" if depth is not None else "none",
        "prev_T_curr": STEPS[i % 4],
        "prev_stamp_ns": (i - 1) * STEP_NS,
        **changes,
    }
    return Estimate(i * STEP_NS, "front", None, LEFT, depth, None, camera=CAMERA, **values)


def test_a_pair_arrives_with_its_rig_and_its_depth():
    sigma_m = np.full((12, 16), 0.1, np.float32)
    estimate = Estimate(5, "left", RIG, LEFT, DEPTH, None, sigma_m, right=RIGHT)
    frame, imu = EstimateConverter().convert(estimate)
    assert (frame.stamp_ns, frame.camera) == (5, CAMERA)
    assert (frame.baseline_m, frame.doffs_px, frame.scale) == (0.2, RIG.doffs_px, "stereo baseline")
    assert frame.image is LEFT and frame.right is RIGHT
    assert frame.depth is DEPTH and frame.sigma_m is sigma_m
    assert imu == [] and frame.network_motion is None


def test_a_pair_needs_neither_wheels_nor_height():
    def never(start_ns, end_ns):
        raise AssertionError("asked")

    converter = EstimateConverter(OdometryInputs(travelled_m=never, camera_height_m=1.2))
    for stamp_ns in (0, STEP_NS):
        frame, _ = converter.convert(
            Estimate(stamp_ns, "left", RIG, LEFT, DEPTH, None, right=RIGHT)
        )
        assert (frame.travelled_m, frame.camera_height_m) == (None, None)


def test_one_camera_has_the_distance_between_the_frames_that_were_converted():
    scale = OdometryScale()
    for i in range(5):
        scale.add_position(i * STEP_NS, np.array([0.3 * i, 0.4 * i, 0.0]))
    converter = EstimateConverter(OdometryInputs.from_scale(scale))
    first, _ = converter.convert(mono_estimate(0, None))
    second, _ = converter.convert(mono_estimate(1, None))
    fourth, _ = converter.convert(mono_estimate(3, None))
    assert first.travelled_m is None and first.camera_height_m is None
    assert second.travelled_m == pytest.approx(0.5)
    assert fourth.travelled_m == pytest.approx(1.0)


def test_a_height_over_the_ground_arrives():
    inputs = OdometryInputs.from_scale(CameraHeightScale(1.2))
    frame, _ = EstimateConverter(inputs).convert(mono_estimate(0, None))
    assert (frame.camera_height_m, frame.travelled_m) == (1.2, None)


def test_relative_steps_are_no_metres():
    converter = EstimateConverter()
    for i in range(3):
        estimate = mono_estimate(i, None)
        converter.remember(estimate)
        frame, _ = converter.convert(estimate)
        assert (frame.network_motion, frame.scale, frame.depth) == (None, "", None)


def test_steps_over_dropped_frames_are_chained():
    converter = EstimateConverter()
    estimates = [mono_estimate(i) for i in range(4)]
    for estimate in estimates:
        converter.remember(estimate)
    first, _ = converter.convert(estimates[0])
    last, _ = converter.convert(estimates[3])
    assert first.network_motion is None
    np.testing.assert_allclose(last.network_motion, STEPS[1] @ STEPS[2] @ STEPS[3])
    assert last.scale == "camera height"


def test_a_step_from_a_frame_that_was_not_converted_is_not_taken():
    """The network saw a frame that odometry never did: its step begins elsewhere."""
    converter = EstimateConverter()
    for i in (0, 2):
        converter.remember(mono_estimate(i))
    converter.convert(mono_estimate(0))
    frame, _ = converter.convert(mono_estimate(2))
    assert frame.network_motion is None


def test_after_a_reset_nothing_leads_to_the_frame_before():
    converter = EstimateConverter(OdometryInputs(travelled_m=lambda start_ns, end_ns: 0.5))
    converter.convert(mono_estimate(0))
    converter.reset()
    converter.remember(mono_estimate(1))
    frame, _ = converter.convert(mono_estimate(1))
    assert (frame.network_motion, frame.travelled_m) == (None, None)


def test_the_imu_is_asked_for_the_camera_of_the_frame():
    asked = []

    def imu(stamp_ns, frame_id):
        asked.append((stamp_ns, frame_id))
        return ("reading",)

    _, readings = EstimateConverter(OdometryInputs(imu=imu)).convert(mono_estimate(3))
    assert (readings, asked) == (["reading"], [(3 * STEP_NS, "front")])


def test_chained_needs_every_link():
    links = [(10, 20, STEPS[0]), (20, 30, STEPS[1]), (30, 40, STEPS[2])]
    np.testing.assert_allclose(chained(links, 20, 40), STEPS[1] @ STEPS[2])
    np.testing.assert_allclose(chained(links, 30, 40), STEPS[2])
    assert chained(links[::2], 10, 40) is None
    assert (
        chained(links, 15, 40) is None
        and chained(links, None, 40) is None
        and chained([], 10, 20) is None
    )
    looped = [*links, (5, 10, STEPS[3]), (10, 20, STEPS[3])]  # a bag that began anew
    np.testing.assert_allclose(chained(looped, 5, 20), STEPS[3] @ STEPS[3])

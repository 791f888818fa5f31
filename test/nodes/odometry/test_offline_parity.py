"""An evaluation feeds odometry what the robot feeds it: the same estimates give the same poses."""

import time

import numpy as np
import pytest
from odometry.billboards import BASELINE_M, CAMERA, boards, frame, ground
from odometry.test_inertial_filter import pose_at, readings

from depth_ros.core.camera import StereoRig
from depth_ros.core.lie import inverse, se3_exp
from depth_ros.core.types import Estimate
from depth_ros.estimator.scale import CameraHeightScale, OdometryScale
from depth_ros.evaluation.odometry_runner import Follower
from depth_ros.nodes.odometry.worker import MotionWorker
from depth_ros.odometry import EgoMotion, OdometryInputs

PERIOD_NS = 100_000_000
STEP = se3_exp([0.03, 0.0, 0.08, 0.0, 0.006, 0.002])
NO_STEP = {"prev_T_curr": None, "prev_stamp_ns": None}


def straight(count, step=STEP):
    """world_T_camera of a camera that goes on with one step."""
    return [np.linalg.matrix_power(step, i) for i in range(count)]


def estimates_of(poses, scene, is_stereo, has_depth, with_network):
    """What an estimator with true depth says about a camera in a scene of billboards."""
    estimates = []
    scale = "network" if has_depth else "none"
    if is_stereo:
        scale = "stereo baseline"
    for i, pose in enumerate(poses):
        seen = frame(scene, i, pose, right=is_stereo)
        network = NO_STEP
        if with_network and i > 0:
            step = inverse(poses[i - 1]) @ pose
            network = {"prev_T_curr": step, "prev_stamp_ns": 1 + (i - 1) * PERIOD_NS}
        estimates.append(
            Estimate(
                seen.stamp_ns,
                "camera",
                StereoRig(CAMERA, BASELINE_M) if is_stereo else None,
                seen.image,
                seen.depth if has_depth else None,
                None,
                camera=CAMERA,
                scale=scale,
                right=seen.right,
                **network,
            )
        )
    return estimates


def offline(estimates, method, inputs):
    follower = Follower(method, inputs)
    for estimate in estimates:
        follower.update(estimate)
    return np.stack(follower.track.odom_T_camera), follower.track.scale


def by_the_node(estimates, method, inputs):
    """The same through the node's worker and its thread; no frame is put before the last is
    answered, so that none is dropped.
    """
    found = []
    worker = MotionWorker(EgoMotion(method), lambda motion, frame_id: found.append(motion), inputs)
    worker.start()
    for i, estimate in enumerate(estimates):
        worker.put(estimate)
        end = time.monotonic() + 20
        while len(found) <= i and time.monotonic() < end:
            time.sleep(0.001)
        assert len(found) == i + 1, worker.fault_text
    worker.stop()
    assert worker.dropped == 0 and worker.faults == 0
    return np.stack([motion.odom_T_camera for motion in found]), found[-1].scale


def wheels(poses):
    scale = OdometryScale()
    for i, pose in enumerate(poses):
        scale.add_position(1 + i * PERIOD_NS, pose[:3, 3])
    return OdometryInputs.from_scale(scale)


def stereo():
    return estimates_of(straight(6), boards(), True, True, False), "geometric", OdometryInputs()


def pose_network():
    estimates = estimates_of(straight(6), boards(), False, True, True)
    del estimates[3]  # refused: the step into the next one begins at a frame that nobody saw
    return estimates, "network", OdometryInputs()


def one_camera_and_wheels():
    poses = straight(22)
    return estimates_of(poses, boards(), False, False, False), "hybrid", wheels(poses)


def one_camera_over_the_ground():
    scene = [*boards(), ground(0.9)]
    poses = straight(22, se3_exp([0.04, 0.0, 0.09, 0, 0.004, 0]))
    inputs = OdometryInputs.from_scale(CameraHeightScale(0.9))
    return estimates_of(poses, scene, False, False, False), "hybrid", inputs


def stereo_and_imu():
    poses = [inverse(pose_at(0.0)) @ pose_at(0.1 * i) for i in range(8)]
    samples = readings(0.8)
    inputs = OdometryInputs(
        imu=lambda stamp_ns, frame_id: [s for s in samples if s.stamp_ns <= stamp_ns]
    )
    return estimates_of(poses, boards(), True, True, False), "hybrid", inputs


CASES = {
    "stereo": (stereo, "stereo baseline"),
    "pose network": (pose_network, "network"),
    "wheels": (one_camera_and_wheels, "odometry"),
    "camera height": (one_camera_over_the_ground, "camera height"),
    "imu": (stereo_and_imu, "stereo baseline"),
}


@pytest.mark.parametrize("name", CASES)
def test_offline_and_in_the_node_the_poses_are_the_same(name):
    make, scale = CASES[name]
    estimates, method, inputs = make()
    poses, offline_scale = offline(estimates, method, inputs)
    node_poses, node_scale = by_the_node(estimates, method, inputs)
    np.testing.assert_allclose(poses, node_poses, rtol=0, atol=1e-6)
    assert np.linalg.norm(poses[-1][:3, 3]) > 0.15, "it moved"
    assert (offline_scale, node_scale) == (scale, scale)

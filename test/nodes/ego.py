"""An ego-motion whose answers a test chooses."""

import numpy as np

from depth_ros.core.axes import body_R_optical
from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.types import Estimate
from depth_ros.odometry import EgoEstimate

STEP_NS = 100_000_000


def start_pose():
    """Where ego-motion begins: body axes at the first camera."""
    pose = np.eye(4)
    pose[:3, :3] = body_R_optical
    return pose


class Ego:
    """Goes 1 m ahead each frame at 10 m/s; covariance 0.01 on the diagonal, 1e6 while lost."""

    def __init__(self):
        self.frames, self.imu = [], []
        self.state, self.reason = "tracking", ""
        self.restarts, self.resets = 0, 0
        self.wait = lambda: None
        self.reset()

    def reset(self, odom_T_camera=None):
        self.resets += 1
        self.pose, self.is_first = start_pose() if odom_T_camera is None else odom_T_camera, True

    def set_pose(self, odom_T_camera, covariance):
        self.pose, self.covariance = odom_T_camera, covariance

    def update(self, frame, imu=()):
        self.wait()
        self.frames.append(frame)
        self.imu.append(list(imu))
        if not self.is_first and self.state == "tracking":
            step = np.eye(4)
            step[2, 3] = 1.0
            self.pose = self.pose @ step
        self.is_first = False
        twist = np.array([0, 0, 10.0, 0, 0.5, 0])
        variance = 1e6 if self.state == "lost" else 0.01
        return EgoEstimate(
            frame.stamp_ns,
            None,
            None,
            np.eye(6),
            self.pose,
            variance * np.eye(6),
            twist,
            0.04 * np.eye(6),
            self.state,
            self.reason,
            scale=frame.scale,
            inliers=77,
            restarts=self.restarts,
        )


def stereo_estimate(stamp_ns, frame_id="camera_optical", **changes):
    """What the estimator says about a pair."""
    rig = StereoRig(Camera(16, 12, 20.0, 21.0, 7.5, 6.25), 0.2)
    left, right = np.full((2, 12, 16, 3), 9, np.uint8)
    values = {
        "depth": np.full((12, 16), 2.0, np.float32),
        "disparity": None,
        "right": right,
        **changes,
    }
    return Estimate(stamp_ns, frame_id, rig, left, **values)

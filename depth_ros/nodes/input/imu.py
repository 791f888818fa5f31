"""An IMU's samples in the axes of the camera, taken when a frame asks for them."""

from __future__ import annotations

from collections import deque

import numpy as np
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Imu

from depth_ros.nodes.fast_path.event_callbacks import NO_SUBSCRIPTION_EVENTS
from depth_ros.nodes.fast_path.polled_subscription import Gate, take_all
from depth_ros.nodes.qos import overridable
from depth_ros.odometry import ImuSample
from depth_ros.odometry.inertial_filter import FORCE
from depth_ros.recordings.decode import stamp_to_ns

from .camera_info import MessageError, read_message
from .extrinsics import Extrinsics

_DEPTH = 1000  # samples that wait for the next frame
# Ego-motion compares a frame with a keyframe, which may be some frames old.
_WINDOW_NS = 1_000_000_000


class ImuInput:
    """Samples of parameters.imu_topic. They do not wake the executor (see Gate): a frame fetches
    them.

    Rotated by camera_T_imu: its lever arm, some centimetres, is left out.

    Attributes:
        state: for the user: "used", or why not.
        received: messages.
        unreadable: messages that are no Imu.
    """

    def __init__(self, node, topic: str, extrinsics: Extrinsics):
        self._node = node
        self._extrinsics = extrinsics
        self._waiting: deque[tuple[int, str, np.ndarray, np.ndarray]] = deque(maxlen=_DEPTH)
        self._window: deque[ImuSample] = deque()  # what was returned last
        self.received = 0
        self.unreadable = 0
        self.state = "nothing received"
        self._subscription = node.create_subscription(
            Imu,
            topic,
            lambda msg: None,
            QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT),
            raw=True,
            callback_group=Gate(),
            event_callbacks=NO_SUBSCRIPTION_EVENTS,
            qos_overriding_options=overridable(),
        )

    def take(self, stamp_ns: int, camera_frame: str) -> list[ImuSample]:
        """Take the samples of the second before a frame's stamp.

        Args:
            stamp_ns: of the frame, nanoseconds.
            camera_frame: its frame_id.

        Returns:
            The samples in the axes of the camera; none while the pose of the IMU is unknown.
        """
        for raw in take_all(self._subscription):
            try:
                self._add(read_message(raw, Imu))
            except MessageError as error:
                self.unreadable += 1
                self.state = f"unused: {error}"
        ready = []
        while self._waiting and self._waiting[0][0] <= stamp_ns:
            ready.append(self._waiting.popleft())
        if ready:
            self._rotate(ready, camera_frame)
        while self._window and not stamp_ns - _WINDOW_NS <= self._window[0].stamp_ns <= stamp_ns:
            self._window.popleft()
        return list(self._window)

    def destroy(self) -> None:
        """Stop listening."""
        self._node.destroy_subscription(self._subscription)

    def _rotate(self, ready, camera_frame: str) -> None:
        """Add readings in the axes of the camera to the window; empty it where they are not
        known.
        """
        imu_frame = ready[-1][1]
        camera_T_imu = self._extrinsics.camera_T_imu(camera_frame, imu_frame)
        if camera_T_imu is None:
            self.state = (
                f"unused: no transform from {imu_frame or 'its nameless frame'} to {camera_frame}"
            )
            self._window.clear()
            return
        force = float(np.median([np.linalg.norm(accel) for *_, accel in ready]))
        self.state = "used"
        if not FORCE[0] < force < FORCE[1]:
            self.state = (
                f"used for turns only: it reads {force:.1f} m/s^2, expected about 9.8 (another "
                "unit, or no accelerometer?)"
            )
        camera_R_imu = camera_T_imu[:3, :3]
        for stamp_ns, _, gyro, accel in ready:
            rate = tuple(camera_R_imu @ gyro)
            specific_force = tuple(camera_R_imu @ accel)
            self._window.append(ImuSample(stamp_ns, rate, specific_force))

    def _add(self, msg: Imu) -> None:
        """Keep one reading; a time that goes back starts anew, what is not measured (covariance
        -1) is not taken.
        """
        self.received += 1
        stamp_ns = stamp_to_ns(msg.header.stamp)
        if self._waiting and stamp_ns == self._waiting[-1][0]:
            return
        if self._waiting and stamp_ns < self._waiting[-1][0]:
            self._waiting.clear()
        if msg.angular_velocity_covariance[0] == -1 or msg.linear_acceleration_covariance[0] == -1:
            self.state = "unused: it measures no angular velocity or no acceleration"
            return
        rate = msg.angular_velocity
        force = msg.linear_acceleration
        values = np.array([[rate.x, rate.y, rate.z], [force.x, force.y, force.z]])
        if np.isfinite(values).all():
            self._waiting.append((stamp_ns, msg.header.frame_id, *values))

"""Ego-motion in a thread of its own, beside the next inference and never in its way. No ROS."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from depth_ros.core.types import Estimate
from depth_ros.nodes.mailbox import Mailbox
from depth_ros.odometry import EgoEstimate, EgoMotion, EstimateConverter, OdometryInputs

_STOP_S = 5.0


class MotionWorker:
    """Answers estimates of depth in order; of those that wait while it works the newest wins, the
    others are counted.

    publish: called with (EgoEstimate, frame_id) in the thread. inputs: what is known besides the
    estimates, None: nothing. Counts: frames, dropped, faults (what should never happen, with its
    text), resets.
    """

    def __init__(
        self,
        ego: EgoMotion,
        publish: Callable[[EgoEstimate, str], None],
        inputs: OdometryInputs | None = None,
    ):
        self._ego = ego
        self._publish = publish
        self._converter = EstimateConverter(inputs)
        self._lock = threading.Lock()  # of ego, and of what was said about it
        self._mailbox = None
        self._thread = None
        self.latest: EgoEstimate | None = None
        self.frames = 0
        self.dropped = 0
        self.faults = 0
        self.resets = 0
        self.fault_text = ""

    def start(self) -> None:
        """Begin anew, at the origin."""
        self._ego.reset()
        self._converter.reset()
        self.latest = None
        self._mailbox = Mailbox()
        self._thread = threading.Thread(
            target=self._work, args=(self._mailbox,), name="motion", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Finish the frame at work, forget the one that waits."""
        if self._mailbox is not None:
            self.dropped += self._mailbox.close() is not None
            self._thread.join(_STOP_S)
            self._mailbox = None
            self._thread = None

    def put(self, estimate: Estimate) -> None:
        """Leave an estimate; called by one thread, never waits."""
        self._converter.remember(estimate)
        if self._mailbox is not None:
            self.dropped += self._mailbox.put(estimate) is not None

    def reset(self) -> None:
        """Begin anew at the origin; afterwards nothing of before is published any more."""
        with self._lock:
            self._ego.reset()
            self.latest = None
            self.resets += 1

    def set_pose(self, odom_T_camera: np.ndarray, covariance: np.ndarray) -> None:
        """Say where the camera is: (4, 4), and how surely: (6, 6), axes of odom."""
        with self._lock:
            self._ego.set_pose(odom_T_camera, covariance)

    def _work(self, mailbox: Mailbox) -> None:
        """Answer until the mailbox closes; whatever one frame does, the next one is answered."""
        while (estimate := mailbox.take()) is not None:
            try:
                self._answer(estimate)
            except Exception as error:  # noqa: BLE001 - no picture may end the thread
                self.faults += 1
                self.fault_text = f"{type(error).__name__}: {error}"

    def _answer(self, estimate: Estimate) -> None:
        """One frame to one estimate of motion."""
        with self._lock:
            frame, imu = self._converter.convert(estimate)
            motion = self._ego.update(frame, imu)
            self.frames += 1
            self.latest = motion
            self._publish(motion, estimate.frame_id)

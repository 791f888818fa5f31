"""Ego-motion in a thread of its own, beside the next inference and never in its way. No ROS."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from depth_ros.core.types import Estimate
from depth_ros.nodes.mailbox import Mailbox
from depth_ros.odometry import EgoEstimate, EgoFrame, EgoMotion, ImuSample

_STEPS = 64  # of the pose network that are remembered, to bridge frames that were dropped
_STOP_S = 5.0


class MotionWorker:
    """Answers estimates of depth in order; of those that wait while it works the newest wins, the
    others are counted.

    publish: called with (EgoEstimate, frame_id) in the thread. take_imu: called with (stamp_ns,
    frame_id), gives the IMU's samples of the second before this stamp. travelled_m: called with
    (start_ns, end_ns), gives the metres that wheels measured in between, None unknown.
    camera_height_m: over the ground, None unknown; both for one camera. Counts: frames, dropped,
    faults (what should never happen, with its text), resets.
    """

    def __init__(
        self,
        ego: EgoMotion,
        publish: Callable[[EgoEstimate, str], None],
        take_imu: Callable[[int, str], Iterable[ImuSample]] = lambda stamp_ns, frame_id: (),
        travelled_m: Callable[[int, int], float | None] = lambda start_ns, end_ns: None,
        camera_height_m: float | None = None,
    ):
        self._ego, self._publish, self._take_imu = ego, publish, take_imu
        self._travelled_m, self._camera_height_m = travelled_m, camera_height_m
        self._lock = threading.Lock()  # of ego, and of what was said about it
        self._steps: deque[tuple[int, int, np.ndarray]] = deque(maxlen=_STEPS)
        self._mailbox = self._thread = None
        self._last_ns: int | None = None
        self.latest: EgoEstimate | None = None
        self.frames = self.dropped = self.faults = self.resets = 0
        self.fault_text = ""

    def start(self) -> None:
        """Begin anew, at the origin."""
        self._ego.reset()
        self._last_ns = self.latest = None
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
            self._mailbox = self._thread = None

    def put(self, estimate: Estimate) -> None:
        """Leave an estimate; called by one thread, never waits."""
        if (
            estimate.prev_T_curr is not None and estimate.depth is not None
        ):  # else it is not in metres
            self._steps.append((estimate.prev_stamp_ns, estimate.stamp_ns, estimate.prev_T_curr))
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
                self.faults, self.fault_text = self.faults + 1, f"{type(error).__name__}: {error}"

    def _answer(self, estimate: Estimate) -> None:
        """One frame to one estimate of motion."""
        with self._lock:
            last_ns, self._last_ns = self._last_ns, estimate.stamp_ns
            frame = ego_frame(estimate, chained(list(self._steps), last_ns, estimate.stamp_ns))
            if not frame.is_stereo:
                path_m = None if last_ns is None else self._travelled_m(last_ns, estimate.stamp_ns)
                frame = replace(frame, travelled_m=path_m, camera_height_m=self._camera_height_m)
            motion = self._ego.update(
                frame, list(self._take_imu(estimate.stamp_ns, estimate.frame_id))
            )
            self.frames += 1
            self.latest = motion
            self._publish(motion, estimate.frame_id)


def ego_frame(estimate: Estimate, network_motion: np.ndarray | None) -> EgoFrame:
    """Make what ego-motion takes of what is known about a frame."""
    stereo = {}
    if estimate.rig is not None and estimate.right is not None:
        stereo = {
            "right": estimate.right,
            "baseline_m": estimate.rig.baseline_m,
            "doffs_px": estimate.rig.doffs_px,
        }
    return EgoFrame(
        estimate.stamp_ns,
        estimate.left,
        estimate.camera,
        depth=estimate.depth,
        sigma_m=estimate.sigma_m,
        network_motion=network_motion,
        scale="" if estimate.depth is None else estimate.scale,
        **stereo,
    )


def chained(
    steps: list[tuple[int, int, np.ndarray]], start_ns: int | None, end_ns: int
) -> np.ndarray | None:
    """Chain steps (prev_stamp_ns, stamp_ns, prev_T_curr) to the motion from end to start: (4, 4),
    None with a hole.

    >>> step = np.eye(4)
    >>> step[2, 3] = 1.0
    >>> chained([(10, 20, step), (20, 30, step)], 10, 30)[2, 3].item()
    2.0
    >>> chained([(10, 20, step)], 10, 30) is None
    True
    """
    start_T_end, here_ns = np.eye(4), end_ns
    for prev_ns, stamp_ns, prev_T_curr in reversed(steps):
        if stamp_ns == here_ns and prev_ns < stamp_ns:
            start_T_end, here_ns = prev_T_curr @ start_T_end, prev_ns
            if here_ns == start_ns:
                return start_T_end
    return None

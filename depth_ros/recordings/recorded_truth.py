"""What a recording holds about its frames: true depth, recorded depth, true poses."""

from __future__ import annotations

import numpy as np

from depth_ros.core.camera import Calibration
from depth_ros.core.errors import DepthRosError
from depth_ros.core.types import Frame

from .ground_truth import DepthByStamp, TruthPoses, unwarp_depth
from .reader import BagReader, messages
from .requested_topics import Topics
from .sample import Sample
from .static_frames import TF_STATIC, StaticFrames

_NO_TURN = 1e-6  # entries of R
_TURNED = "recorded depth is of the raw view, which R turns against the rectified one: not used."


class RecordedTruth:
    """Joins each frame of a recording with what is known about it, by stamp.

    Args:
        reader: Of the recording; open as long as samples are made.
        topics: That are read.
        tolerance_ns: By how much the stamps of an image and of recorded depth may differ.

    Attributes:
        notes: What was assumed, or could not be used, one sentence each.
    """

    def __init__(self, reader: BagReader, topics: Topics, tolerance_ns: int = 0):
        self.notes: list[str] = []
        self._reader = reader
        self._odometry = topics.truth_odometry
        self._truth = DepthByStamp(reader, topics.truth_depth)
        self._recorded = DepthByStamp(reader, topics.depth, tolerance_ns)
        self._poses: TruthPoses | None = None

    def sample(self, name: str, frame: Frame) -> Sample:
        """Return the sample of a frame."""
        if self._poses is None:
            self._poses = self._read_poses(frame.frame_id)
        shape = frame.left.shape[:2]
        raw = frame.calibrations[0] if frame.calibrations else None
        return Sample(
            name,
            frame,
            truth_depth=self._in_view(self._truth.at(frame.stamp_ns, shape), raw),
            world_T_camera=self._poses.at(frame.stamp_ns, raw),
            recorded_depth=self._in_view(self._recorded.at(frame.stamp_ns, shape), raw),
        )

    def _in_view(self, depth: np.ndarray | None, raw: Calibration | None) -> np.ndarray | None:
        """Depth of a raw image as the rectified one sees it; None where R turns the camera,
        which changes depth.
        """
        if depth is None or raw is None:
            return depth
        if not np.allclose(np.reshape(raw.R, (3, 3)), np.eye(3), atol=_NO_TURN):
            if _TURNED not in self.notes:
                self.notes.append(_TURNED)
            return None
        try:
            return unwarp_depth(depth, raw)
        except DepthRosError:  # the frame itself is refused for it, with the reason
            return None

    def _read_poses(self, camera_frame: str) -> TruthPoses:
        """The true poses, of the frame that the images have."""
        if self._odometry is None:
            return TruthPoses(())
        frames = StaticFrames(messages(self._reader, TF_STATIC))
        poses = TruthPoses(messages(self._reader, self._odometry), frames, camera_frame)
        self.notes += poses.notes
        return poses

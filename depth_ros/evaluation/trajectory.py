"""Judge an estimated trajectory against the true one: ATE and RPE, KITTI's segments, the
covariance; export both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from depth_ros.core.lie import inverse, matrix_to_quat
from depth_ros.core.trajectory import (
    CHI2_95_OF_6,
    absolute_trajectory_error,
    end_drift,
    nees,
    path_m,
    relative_pose_error,
    segment_lengths,
    segment_metrics,
)
from depth_ros.recordings.output import write_bytes

TRAJECTORY_KEYS = (
    "method",
    "scale",
    "ate_m",
    "rpe_trans_m",
    "rpe_rot_deg",
    "t_err_pct",
    "r_err_deg_per_100m",
    "segments_m",
    "segments",
    "end_drift_m",
    "end_drift_pct",
    "end_drift_deg",
    "path_m",
    "truth_path_m",
    "nees",
    "nees_covered_pct",
    "lost",
    "gaps",
    "geometry_ms",
)
_FEWEST = 3  # poses that can be judged


@dataclass
class Track:
    """The way of a camera, frame by frame: what was estimated, and what is true where that is
    known.

    stamps_ns (N); odom_T_camera (N) of (4, 4); truth (N) of (4, 4) world_T_camera or None; steps
    (N): prev_T_curr or None; step_covariance (N) of (6, 6); states (N). method, scale: names.
    geometry_ms (N): its CPU time.
    """

    method: str = ""
    scale: str = "none"
    stamps_ns: list[int] = field(default_factory=list)
    odom_T_camera: list[np.ndarray] = field(default_factory=list)
    truth: list[np.ndarray | None] = field(default_factory=list)
    steps: list[np.ndarray | None] = field(default_factory=list)
    step_covariance: list[np.ndarray] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    geometry_ms: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.stamps_ns)

    @property
    def judged(self) -> np.ndarray:
        """Indices of the frames whose true pose is known."""
        return np.array([i for i, pose in enumerate(self.truth) if pose is not None], int)

    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        """Truth and estimate (M, 4, 4) of the frames that can be judged, each in its own world."""
        chosen = self.judged
        truth, pred = ([poses[i] for i in chosen] for poses in (self.truth, self.odom_T_camera))
        return np.reshape(truth, (-1, 4, 4)), np.reshape(pred, (-1, 4, 4))


def judge_track(track: Track) -> dict:
    """Return the figures of TRAJECTORY_KEYS that can be had; without truth only path_m, lost, gaps
    and the times.

    ate_m: rmse of positions after an SE(3) alignment of all of them (no scale); rpe_*: rmse from
    frame to frame. t_err_pct, r_err_deg_per_100m: KITTI's, over segments_m. end_drift_*: of the
    last pose when the first ones agree. nees: mean over the steps divided by 6 (1 is right, above 1
    too sure), nees_covered_pct: steps within the 95 % bound. lost: frames; gaps: how often it
    became lost.
    """
    lost = np.array([state == "lost" for state in track.states], bool)
    result = {"method": track.method, "scale": track.scale, "lost": int(lost.sum())}
    result["gaps"] = int((lost[1:] & ~lost[:-1]).sum())
    if track.geometry_ms:
        result["geometry_ms"] = float(np.median(track.geometry_ms))
    if len(track):
        result["path_m"] = path_m(np.stack(track.odom_T_camera))
    truth, pred = track.pair()
    if len(truth) < _FEWEST:
        return result
    length_m = path_m(truth)
    lengths, every = segment_lengths(length_m)
    segments = segment_metrics(truth, pred, lengths, every)
    result |= {
        key: segments[key] for key in ("t_err_pct", "r_err_deg_per_100m", "segments_m", "segments")
    }
    drift_m, drift_deg = end_drift(truth, pred)
    result |= {"truth_path_m": length_m, "end_drift_m": drift_m, "end_drift_deg": drift_deg}
    if lengths:
        result["end_drift_pct"] = 100 * drift_m / length_m
    result["ate_m"] = absolute_trajectory_error(truth, pred)
    result["rpe_trans_m"], result["rpe_rot_deg"] = relative_pose_error(truth, pred)
    return {**result, **_consistency(track)}


def tum_lines(stamps_ns, poses) -> str:
    """Write poses as lines of the TUM format: seconds, x y z, quaternion x y z w.

    >>> tum_lines([1_500_000_000], [np.eye(4)])
    '1.500000000 0.000000000 0.000000000 0.000000000 0.000000000 0.000000000 0.000000000
    1.000000000\\n'
    """
    lines = []
    for stamp_ns, pose in zip(stamps_ns, poses):
        numbers = [*np.asarray(pose)[:3, 3], *matrix_to_quat(pose[:3, :3])]
        stamp = f"{stamp_ns // 10**9}.{stamp_ns % 10**9:09d}"
        lines.append(" ".join([stamp, *(f"{number:.9f}" for number in numbers)]))
    return "".join(line + "\n" for line in lines)


def kitti_lines(poses) -> str:
    """Write poses as lines of the KITTI format, twelve numbers each, relative to the first pose."""
    first = inverse(np.asarray(poses[0])) if len(poses) else None
    rows = ((first @ pose)[:3].ravel() for pose in poses)
    return "".join(" ".join(f"{number:.9e}" for number in row) + "\n" for row in rows)


def write_track(track: Track, folder: str | Path) -> list[Path]:
    """Write trajectory.tum, trajectory.kitti.txt and, of the frames with a true pose, truth.tum and
    truth.kitti.txt.

    KITTI's format has no stamps; so with truth the estimate has the same frames there. Raises
    InputError where the folder cannot be written.
    """
    chosen = track.judged if len(track.judged) else np.arange(len(track))
    estimate = [track.odom_T_camera[i] for i in chosen]
    contents = {
        "trajectory.tum": tum_lines(track.stamps_ns, track.odom_T_camera),
        "trajectory.kitti.txt": kitti_lines(estimate),
    }
    if len(track.judged):
        truth = [track.truth[i] for i in chosen]
        contents["truth.tum"] = tum_lines([track.stamps_ns[i] for i in chosen], truth)
        contents["truth.kitti.txt"] = kitti_lines(truth)
    return [write_bytes(Path(folder) / name, text.encode()) for name, text in contents.items()]


def _consistency(track: Track) -> dict:
    """NEES of the steps between neighbouring frames with truth."""
    values = []
    for i in range(1, len(track)):
        before, after, step = track.truth[i - 1], track.truth[i], track.steps[i]
        if (
            before is not None
            and after is not None
            and step is not None
            and track.states[i] == "tracking"
        ):
            values.append(nees(step, inverse(before) @ after, track.step_covariance[i]))
    values = [value for value in values if np.isfinite(value)]
    if not values:
        return {}
    covered = 100 * np.mean(np.array(values) < CHI2_95_OF_6)
    return {"nees": float(np.mean(values) / 6), "nees_covered_pct": float(covered)}

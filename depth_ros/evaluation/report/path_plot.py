"""The way from above: estimated and true, with the places where the camera was lost."""

from __future__ import annotations

import io

import numpy as np

from depth_ros.core.trajectory import in_frame_of_first
from depth_ros.evaluation.trajectory import Track

from .plots import canvas


def plot_path(track: Track, others: dict[str, Track] | None = None) -> bytes:
    """Draw a PNG of the way seen from above, north being where the camera looked first; equal
    scales, metres.

    The first true pose is laid on the estimate of the same frame: what drifts apart is the drift.
    others: by model.
    """
    figure, axes = canvas(4.4)
    poses, judged = np.stack(track.odom_T_camera), track.judged
    if len(judged):
        truth = in_frame_of_first(np.stack([track.truth[i] for i in judged]), poses[judged[0]])
        axes.plot(*from_above(truth), color="0.6", linewidth=3, label="true")
    axes.plot(*from_above(poses), color="tab:blue", linewidth=1.2, label="estimated")
    for i, (name, other) in enumerate((others or {}).items(), start=1):
        axes.plot(*from_above(np.stack(other.odom_T_camera)), f"C{i}--", linewidth=1, label=name)
    lost = np.array([state == "lost" for state in track.states], bool)
    if lost.any():
        axes.plot(*from_above(poses[lost]), "rx", label="lost")
    axes.plot(*from_above(poses[:1]), "ko", markersize=4, label="start")
    axes.set(xlabel="right, m", ylabel="ahead, m", aspect="equal")
    axes.set_adjustable("datalim")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def plot_drift(track: Track) -> bytes:
    """Draw a PNG of how far the pose is off along the true way, after the first true pose is
    laid on the estimate.
    """
    figure, axes = canvas()
    judged = track.judged
    poses = np.stack([track.odom_T_camera[i] for i in judged])
    truth = in_frame_of_first(np.stack([track.truth[i] for i in judged]), poses[0])
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(truth[:, :3, 3], axis=0), axis=1))])
    axes.plot(way, np.linalg.norm(poses[:, :3, 3] - truth[:, :3, 3], axis=1), color="tab:blue")
    axes.set(xlabel="true way, m", ylabel="off by, m", ylim=(0, None))
    axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def from_above(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give (right, ahead) of poses (N, 4, 4) in odom, whose x is ahead and y left (REP 103).

    >>> pose = np.eye(4)
    >>> pose[:3, 3] = 5.0, -2.0, 1.0
    >>> [float(values[0]) for values in from_above(pose[None])]
    [2.0, 5.0]
    """
    return -poses[:, 1, 3], poses[:, 0, 3]

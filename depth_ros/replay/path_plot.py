"""The way from above: estimated and true, with the places where the camera was lost."""

from __future__ import annotations

import io

import numpy as np

from ..core.trajectory import in_frame_of_first
from .trajectory import Track


def plot_path(track: Track) -> bytes:
    """Draw a PNG of the way seen from above, north being where the camera looked first; equal scales, metres.

    The first true pose is laid on the estimate of the same frame: what drifts apart is the drift.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    poses, judged = np.stack(track.odom_T_camera), track.judged
    if len(judged):
        truth = in_frame_of_first(np.stack([track.truth[i] for i in judged]), poses[judged[0]])
        axes.plot(*from_above(truth), color="0.6", linewidth=3, label="true")
    axes.plot(*from_above(poses), color="tab:blue", linewidth=1.2, label="estimated")
    lost = np.array([state == "lost" for state in track.states], bool)
    if lost.any():
        axes.plot(*from_above(poses[lost]), "rx", label="lost")
    axes.plot(*from_above(poses[:1]), "ko", markersize=4, label="start")
    axes.set(xlabel="right, m", ylabel="ahead, m", aspect="equal")
    axes.set_adjustable("datalim")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
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

"""Judge the motion that a pose network sees between two pictures, beside not looking at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from depth_ros.core.errors import InputError
from depth_ros.core.lie import inverse, se3_exp, se3_log
from depth_ros.core.metrics import mean_metrics, rotation_error_deg, translation_direction_error_deg
from train.data.view import Frames, View
from train.evaluate.depth import fitted_size

PredictMotion = Callable[
    [View, View], np.ndarray
]  # earlier, later view -> first_T_second (4, 4), metres
COLUMNS = ("rotation_deg", "direction_deg", "translation_m")
_STILL_M = 1e-3  # a shorter true motion has no direction to speak of


def evaluate_pose(predict: PredictMotion, frames: Frames, most: int = 0) -> dict:
    """Judge a predictor on neighbours in time whose poses are known, each pair counting alike.

    most: pairs to judge, evenly spread, 0 = all. Returns the means: rotation_deg, angle of the
    rotation that is left; direction_deg, angle between the translations (NaN where nothing moves,
    and left out of the mean); translation_m, length of the difference; and "pairs". Raises
    InputError where no pair has poses.
    """
    rows = []
    for first, second, truth in _pairs(frames, most):
        pred = predict(first, second)
        moves = np.linalg.norm(truth[:3, 3]) > _STILL_M
        rows.append(
            {
                "rotation_deg": rotation_error_deg(pred, truth),
                "direction_deg": translation_direction_error_deg(pred, truth)
                if moves
                else float("nan"),
                "translation_m": float(np.linalg.norm(pred[:3, 3] - truth[:3, 3])),
            }
        )
    if not rows:
        raise InputError("expected neighbours in time with known poses, got none")
    return {**mean_metrics(rows), "pairs": len(rows)}


def zero_motion(first: View, second: View) -> np.ndarray:
    """Predict that the camera stands still."""
    return np.eye(4)


def constant_motion(frames: Frames, most: int = 500) -> PredictMotion:
    """Predict the mean motion (of the twists, core.lie.se3_log) between neighbours of frames, a
    training set.
    """
    twists = [se3_log(truth) for _, _, truth in _pairs(frames, most)]
    if not twists:
        raise InputError("expected neighbours in time with known poses, got none")
    mean = se3_exp(np.mean(twists, axis=0))
    return lambda first, second: mean


def network_motion(run, pixels: int, focal_px: float = 0.0, divisor: int = 32) -> PredictMotion:
    """Make a predictor of a pose network.

    run: two pictures (3, h, w) float32 RGB in [0, 1], earlier and later, -> (6,) canonical rotation
    vector and translation of first_T_second. pixels: of its input, the aspect is kept to the
    nearest multiple of divisor. focal_px: see train.warp.canonical_pose_to_metric.
    """
    import torch

    from train.warp import canonical_pose_to_metric, pose_to_matrix

    def predict(first: View, second: View) -> np.ndarray:
        height, width = fitted_size(*first.image.shape[:2], pixels, divisor)
        pose = run(*(_tensor(view.image, height, width) for view in (first, second)))
        fx = first.camera.resized(height, width).fx
        pose = canonical_pose_to_metric(
            torch.from_numpy(np.asarray(pose, np.float32))[None], fx, focal_px
        )
        return pose_to_matrix(pose)[0].double().numpy()

    return predict


def pose_table(rows: dict[str, dict], columns: tuple[str, ...] = COLUMNS) -> str:
    """Make a Markdown table of what evaluate_pose gives, a line for each name."""
    lines = ["| model | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for name, figures in rows.items():
        cells = [
            "-" if np.isnan(figures[column]) else f"{figures[column]:.3f}" for column in columns
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _pairs(frames: Frames, most: int) -> Iterator[tuple[View, View, np.ndarray]]:
    """Yield (first, second, first_T_second) of neighbours with known poses; most is of
    candidates, evenly spread.
    """
    firsts = [i for i in range(len(frames)) if frames.neighbour(i, 1) is not None]
    if most and len(firsts) > most:
        firsts = [firsts[int(k)] for k in np.linspace(0, len(firsts) - 1, most)]
    for i in firsts:
        first = frames[i]
        second = frames[frames.neighbour(i, 1)]
        poses = (first.world_T_camera, second.world_T_camera)
        if all(pose is not None and np.isfinite(pose).all() for pose in poses):
            yield first, second, inverse(poses[0]) @ poses[1]


def _tensor(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8 to (3, height, width) float32 in [0, 1]."""
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small.transpose(2, 0, 1), np.float32) / np.float32(255)

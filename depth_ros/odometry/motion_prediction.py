"""Where the camera may have moved, before looking: motion predictions, the likeliest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.core.lie import se3_exp, se3_log

_FORESIGHT_STEPS = 4.0  # beyond so many steps nobody goes on as before


@dataclass(frozen=True, eq=False)
class Prediction:
    """Constant velocity: the last pose in the keyframe, key_T_last (4, 4), the last step (4, 4),
    and how many such steps have passed since.
    """

    key_T_last: np.ndarray
    step: np.ndarray
    steps_since: float


def predicted_motions(
    prediction: Prediction,
    network_motion: np.ndarray | None = None,
    rotation: np.ndarray | None = None,
    inertial: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Return the motions since the keyframe to begin the search with.

    Args:
        prediction: constant velocity.
        network_motion: last_T_curr (4, 4) by a pose network, metres, or None.
        rotation: key_R_curr (3, 3) that gyroscopes measured, or None: it replaces the rotation of
            every prediction.
        inertial: key_T_curr (4, 4) by an IMU, metres, or None.

    Returns:
        key_T_curr, (4, 4) each: the IMU's, the network's, constant velocity, standing still; those
        that are not known are left out.

    >>> ahead = np.eye(4)
    >>> ahead[2, 3] = 0.5
    >>> [T[2, 3].item() for T in predicted_motions(Prediction(np.eye(4), ahead, 2.0))]
    [1.0, 0.0]
    """
    key_T_last = prediction.key_T_last
    steps = min(prediction.steps_since, _FORESIGHT_STEPS)
    motions = [key_T_last @ se3_exp(steps * se3_log(prediction.step)), key_T_last.copy()]
    if network_motion is not None:
        motions.insert(0, key_T_last @ network_motion)
    if inertial is not None:
        motions.insert(0, np.array(inertial, np.float64))
    if rotation is not None:
        for motion in motions:
            motion[:3, :3] = rotation
    return motions

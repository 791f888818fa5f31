"""Where the camera may have gone, before looking: the likeliest first."""

from __future__ import annotations

import numpy as np

from depth_ros.core.lie import se3_exp, se3_log

_FORESIGHT_STEPS = 4.0  # beyond so many steps nobody goes on as before


def guesses(prediction, network_motion, rotation, inertial=None) -> list[np.ndarray]:
    """Give key_T_curr (4, 4) to begin with: the network's, constant velocity, standing still.

    prediction: (key_T_last (4, 4), the last step (4, 4), steps since). network_motion: last_T_curr,
    or None. inertial: key_T_curr (4, 4) by an IMU, or None; the likeliest of all. rotation:
    key_R_curr (3, 3) that gyroscopes measured, or None: it then replaces that of every guess.
    """
    key_T_last, step, steps = prediction
    found = [key_T_last @ se3_exp(min(steps, _FORESIGHT_STEPS) * se3_log(step)), key_T_last]
    if network_motion is not None:
        found.insert(0, key_T_last @ network_motion)
    if inertial is not None:
        found.insert(0, inertial)
    if rotation is not None:
        for pose in found:
            pose[:3, :3] = rotation
    return [np.array(pose, np.float64) for pose in found]

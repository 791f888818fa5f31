"""Optical and body axes, REP 103.

          x         y       z
body      forward   left    up
optical   right     down    forward
"""

from __future__ import annotations

import numpy as np

# optical x = -body y, optical y = -body z, optical z = body x
optical_R_body = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
optical_R_body.setflags(write=False)
body_R_optical = optical_R_body.T


def optical_pose_to_body(odom_T_optical: np.ndarray) -> np.ndarray:
    """Turn the pose of an optical frame into that of the body-axes frame at the same place.

    odom_T_optical: (4, 4), odom in any axes. Returns odom_T_body, (4, 4) float64.

    >>> optical_pose_to_body(np.eye(4))[:3, 0].tolist()
    [0.0, 0.0, 1.0]
    """
    odom_T_body = np.array(odom_T_optical, np.float64)
    odom_T_body[:3, :3] = odom_T_body[:3, :3] @ optical_R_body
    return odom_T_body

"""Optical and body axes, REP 103; and poses and twists, with covariance, carried from one frame of
a body to another.

          x         y       z
body      forward   left    up
optical   right     down    forward
"""

from __future__ import annotations

import numpy as np

from .lie import hat

# optical x = -body y, optical y = -body z, optical z = body x
optical_R_body = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
optical_R_body.setflags(write=False)
body_R_optical = optical_R_body.T


def optical_pose_to_body(odom_T_optical: np.ndarray) -> np.ndarray:
    """Convert the pose of an optical frame to that of the body-axes frame at the same place.

    Args:
        odom_T_optical: (4, 4), odom in any axes.

    Returns:
        odom_T_body, (4, 4) float64.

    >>> optical_pose_to_body(np.eye(4))[:3, 0].tolist()
    [0.0, 0.0, 1.0]
    """
    odom_T_body = np.array(odom_T_optical, np.float64)
    odom_T_body[:3, :3] = odom_T_body[:3, :3] @ optical_R_body
    return odom_T_body


def carry_pose(
    odom_T_a: np.ndarray, covariance: np.ndarray, a_T_b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Convert the pose of frame a, with its covariance, to that of frame b, which is fixed to a.

    The error of the rotation moves b by its lever arm l = odom_R_a a_t_b: dp_b = dp_a - l x dtheta.

    Args:
        odom_T_a: (4, 4).
        covariance: (6, 6) of odom_T_a as in ROS, axes of odom: m^2 of its position, then rad^2 of
            the rotation vector that would correct it from the left.
        a_T_b: (4, 4), taken as exact.

    Returns:
        (odom_T_b (4, 4), covariance (6, 6) in the same convention).

    >>> lever = np.eye(4)
    >>> lever[0, 3] = 2.0
    >>> carry_pose(np.eye(4), np.diag([0, 0, 0, 0, 0, 0.01]), lever)[1][1].tolist()
    [0.0, 0.04, 0.0, 0.0, 0.0, 0.02]
    """
    J = np.eye(6)
    J[:3, 3:] = -hat(odom_T_a[:3, :3] @ a_T_b[:3, 3])
    return odom_T_a @ a_T_b, J @ covariance @ J.T


def turn_covariance(covariance: np.ndarray, b_R_a: np.ndarray) -> np.ndarray:
    """Rotate the covariance of two vectors into other axes.

    Args:
        covariance: (6, 6), axes a.
        b_R_a: (3, 3).

    Returns:
        (6, 6), axes b.

    >>> turn_covariance(np.diag([1.0, 2, 3, 4, 5, 6]), body_R_optical).diagonal().tolist()
    [3.0, 1.0, 2.0, 6.0, 4.0, 5.0]
    """
    J = np.kron(np.eye(2), b_R_a)
    return J @ covariance @ J.T


def carry_twist(
    twist: np.ndarray, covariance: np.ndarray, b_T_a: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Convert the twist of frame a, with its covariance, to that of frame b of the same rigid body.

    w_b = b_R_a w_a, v_b = b_R_a v_a + b_t_a x w_b: the adjoint of b_T_a.

    Args:
        twist: (6,) m/s then rad/s, axes of a.
        covariance: (6, 6) of it.
        b_T_a: (4, 4), taken as exact.

    Returns:
        (twist (6,), covariance (6, 6)), axes of b.

    >>> ahead = np.eye(4)
    >>> ahead[0, 3] = 2.0
    >>> carry_twist(np.array([1.0, 0, 0, 0, 0, 0.5]), np.eye(6), ahead)[0].tolist()
    [1.0, -1.0, 0.0, 0.0, 0.0, 0.5]
    """
    J = np.kron(np.eye(2), b_T_a[:3, :3])
    J[:3, 3:] = hat(b_T_a[:3, 3]) @ b_T_a[:3, :3]
    return J @ twist, J @ covariance @ J.T

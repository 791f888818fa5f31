"""SO(3) and SE(3): exp, log, inverse and quaternions.

Twists are (translation, rotation): (vx vy vz wx wy wz).
"""

from __future__ import annotations

import numpy as np

_SMALL = 1e-8  # radians; below, the first terms of the series are exact in float64


def hat(vector: np.ndarray) -> np.ndarray:
    """Return the (3, 3) matrix with hat(a) @ b = a x b.

    >>> (hat([1.0, 2.0, 3.0]) @ [0.0, 0.0, 1.0]).tolist()
    [2.0, -1.0, 0.0]
    """
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def so3_exp(rotvec: np.ndarray) -> np.ndarray:
    """Return the (3, 3) rotation of a rotation vector in radians, by Rodrigues' formula.

    >>> so3_exp([0.0, 0.0, np.pi / 2]).round(12)[0].tolist()
    [0.0, -1.0, 0.0]
    """
    rotvec = np.asarray(rotvec, np.float64)
    a, b, _ = _coefficients(float(np.linalg.norm(rotvec)))
    W = hat(rotvec)
    return np.eye(3) + a * W + b * (W @ W)


def so3_log(R: np.ndarray) -> np.ndarray:
    """Return the rotation vector (3,) of a (3, 3) rotation, radians, of length 0 to pi.

    By way of the quaternion, which is stable at every angle.

    >>> so3_log(so3_exp([0.1, -0.2, 0.3])).round(12).tolist()
    [0.1, -0.2, 0.3]
    """
    quat_xyzw = matrix_to_quat(R)
    sine = float(np.linalg.norm(quat_xyzw[:3]))
    if sine < _SMALL:
        return 2 * quat_xyzw[:3]
    return 2 * np.arctan2(sine, quat_xyzw[3]) / sine * quat_xyzw[:3]


def se3_exp(twist: np.ndarray) -> np.ndarray:
    """Return the (4, 4) transform of a twist (6,): metres, then radians.

    >>> se3_exp([1.0, 2.0, 3.0, 0.0, 0.0, 0.0])[:3, 3].tolist()
    [1.0, 2.0, 3.0]
    """
    twist = np.asarray(twist, np.float64)
    T = np.eye(4)
    T[:3, :3] = so3_exp(twist[3:])
    T[:3, 3] = _left_jacobian(twist[3:]) @ twist[:3]
    return T


def se3_log(T: np.ndarray) -> np.ndarray:
    """Return the twist (6,) of a (4, 4) transform, the inverse of se3_exp.

    >>> se3_log(se3_exp([1.0, 2.0, 3.0, 0.1, -0.2, 0.3])).round(12).tolist()
    [1.0, 2.0, 3.0, 0.1, -0.2, 0.3]
    """
    rotvec = so3_log(T[:3, :3])
    return np.concatenate([np.linalg.solve(_left_jacobian(rotvec), T[:3, 3]), rotvec])


def inverse(a_T_b: np.ndarray) -> np.ndarray:
    """Return b_T_a of the (4, 4) a_T_b.

    >>> inverse(se3_exp([1.0, 2.0, 3.0, 0.0, 0.0, 0.0]))[:3, 3].tolist()
    [-1.0, -2.0, -3.0]
    """
    b_T_a = np.eye(4)
    b_T_a[:3, :3] = a_T_b[:3, :3].T
    b_T_a[:3, 3] = -(a_T_b[:3, :3].T @ a_T_b[:3, 3])
    return b_T_a


def renormalised(R: np.ndarray) -> np.ndarray:
    """Return the rotations (..., 3, 3) nearest to matrices that are rotations but for rounding:
    Newton's step to them, R (3 I - R^T R) / 2.

    >>> R = renormalised((1 + 1e-6) * np.eye(3))
    >>> bool(np.abs(R @ R.T - np.eye(3)).max() < 1e-11)
    True
    """
    return R @ (1.5 * np.eye(3) - 0.5 * np.swapaxes(R, -1, -2) @ R)


def quat_to_matrix(quat_xyzw: np.ndarray) -> np.ndarray:
    """Return the (3, 3) rotation of a quaternion (x, y, z, w), which need not be of unit length.

    >>> quat_to_matrix([0.0, 0.0, 1.0, 1.0]).round(12)[0].tolist()
    [0.0, -1.0, 0.0]
    """
    quat_xyzw = np.asarray(quat_xyzw, np.float64)
    x, y, z, w = quat_xyzw / np.linalg.norm(quat_xyzw)
    W = hat(np.array([x, y, z]))
    return np.eye(3) + 2 * w * W + 2 * (W @ W)


def pose_to_matrix(pose: np.ndarray) -> np.ndarray:
    """Return the transform of a position and a quaternion, in the order of TUM files.

    Args:
        pose: (7,) x y z, then a quaternion x y z w, which need not be of unit length.

    Returns:
        (4, 4) float64, in the unit of the position.

    >>> pose_to_matrix([1.0, 2.0, 3.0, 0.0, 0.0, 1.0, 1.0]).round(12)[:3].tolist()
    [[0.0, -1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 2.0], [0.0, 0.0, 1.0, 3.0]]
    """
    T = np.eye(4)
    T[:3, :3] = quat_to_matrix(pose[3:])
    T[:3, 3] = pose[:3]
    return T


def matrix_to_quat(R: np.ndarray) -> np.ndarray:
    """Return the quaternion (x, y, z, w), w >= 0, of a (3, 3) rotation.

    From its largest component (Shepperd 1978).

    >>> matrix_to_quat(np.diag([1.0, -1.0, -1.0])).tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    R = np.asarray(R, np.float64)
    # The columns of 4 q q^T: the longest is the best conditioned.
    products = np.empty((4, 4))
    products[:3, :3] = R + R.T + (1 - np.trace(R)) * np.eye(3)
    products[3, :3] = products[:3, 3] = (R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1])
    products[3, 3] = 1 + np.trace(R)
    quat_xyzw = products[np.argmax(np.diag(products))]
    quat_xyzw = quat_xyzw / np.linalg.norm(quat_xyzw)
    if quat_xyzw[3] < 0:
        return -quat_xyzw
    return quat_xyzw


def _left_jacobian(rotvec: np.ndarray) -> np.ndarray:
    """The matrix that carries the translation of a twist to that of its transform."""
    _, b, c = _coefficients(float(np.linalg.norm(rotvec)))
    W = hat(rotvec)
    return np.eye(3) + b * W + c * (W @ W)


def _coefficients(angle: float) -> tuple[float, float, float]:
    """sin(a)/a, (1 - cos a)/a^2 and (a - sin a)/a^3, without cancellation near zero."""
    if angle < _SMALL:
        return 1.0, 0.5, 1 / 6
    a = np.sin(angle) / angle
    # 2 sin^2(a/2) is 1 - cos(a) without its cancellation
    b = 2 * (np.sin(angle / 2) / angle) ** 2
    if angle > 0.1:
        return a, b, (angle - np.sin(angle)) / angle**3
    # The Taylor series, where a - sin(a) cancels
    a2 = angle * angle
    return a, b, 1 / 6 - a2 / 120 + a2 * a2 / 5040 - a2**3 / 362880

"""Metrics of a trajectory: ATE and RPE, KITTI's segments, drift at the end, and whether sigma is
true.
"""

from __future__ import annotations

import numpy as np

from .errors import InputError
from .lie import inverse, se3_log, so3_log

KITTI_LENGTHS_M = (100, 200, 300, 400, 500, 600, 700, 800)
CHI2_95_OF_6 = 12.592  # a NEES of six dimensions stays below it in 95 % of the cases


def path_m(poses: np.ndarray) -> float:
    """Measure the length of a path.

    Args:
        poses: (N, 4, 4) world_T_camera, metres.

    Returns:
        The sum of the distances between neighbouring positions, metres.

    >>> poses = np.stack([np.eye(4)] * 3)
    >>> poses[1:, 2, 3] = 1.0, 3.0
    >>> path_m(poses)
    3.0
    """
    return float(np.linalg.norm(np.diff(_poses(poses)[:, :3, 3], axis=0), axis=1).sum())


def segment_lengths(length_m: float) -> tuple[tuple[int, ...], int]:
    """Choose segment lengths for a path: KITTI's 100 to 800 m, or a tenth or a hundredth of that.

    Args:
        length_m: Of the path.

    Returns:
        (the lengths in metres that fit into the path, frames between the starts): KITTI starts at
        every tenth frame, a short clip at every one. No length where the path is shorter than 1 m:
        a segment would measure noise.

    >>> segment_lengths(60.0)
    ((10, 20, 30, 40, 50), 1)
    """
    for unit_m in (100, 10, 1):
        if length_m > unit_m:
            lengths_m = tuple(unit_m * k for k in range(1, 9) if unit_m * k < length_m)
            return lengths_m, 10 if unit_m == 100 else 1
    return (), 1


def segment_metrics(
    truth: np.ndarray, pred: np.ndarray, lengths_m=KITTI_LENGTHS_M, every: int = 10
) -> dict:
    """Measure drift over segments of given lengths as KITTI does (Geiger et al., CVPR 2012;
    devkit_odometry).

    A segment starts at each `every`-th frame and ends at the first frame beyond its length along
    the ground truth. Its error is (pred_first^-1 pred_last)^-1 truth_first^-1 truth_last:
    translation over length, angle over length.

    Args:
        truth: (N, 4, 4) world_T_camera, ground truth, metres.
        pred: (N, 4, 4) of the same frames, in its own world.
        lengths_m: Of the segments.
        every: Frames between their starts.

    Returns:
        t_err_pct, r_err_deg_per_100m (means over all segments), segments_m (the lengths that were
        reached), segments (count), by_length {length: (t_err_pct, r_err_deg_per_100m)}; NaN where
        no segment fits.

    Raises:
        InputError: For shapes that differ, lengths or `every` that are not above 0.

    >>> truth = np.stack([np.eye(4)] * 13)
    >>> truth[:, 2, 3] = np.arange(13)
    >>> longer = truth.copy()
    >>> longer[:, 2, 3] *= 1.02  # 10 m end at the first frame beyond, after 11 m
    >>> round(segment_metrics(truth, longer, (10,), every=1)["t_err_pct"], 6)
    2.2
    """
    truth, pred = _same(truth, pred)
    if every < 1 or not all(length > 0 for length in lengths_m):
        raise InputError(
            f"expected lengths and a stride above 0, got {tuple(lengths_m)} m and {every}"
        )
    errors = _segment_errors(truth, pred, lengths_m, every)
    by_length = {}
    for length, of_length in errors.items():
        by_length[length] = tuple(np.mean(of_length, axis=0).tolist())
    every_one = [error for of_length in errors.values() for error in of_length]
    mean = np.mean(every_one, axis=0) if every_one else np.full(2, np.nan)
    return {
        "t_err_pct": float(mean[0]),
        "r_err_deg_per_100m": float(mean[1]),
        "segments_m": list(by_length),
        "segments": len(every_one),
        "by_length": by_length,
    }


def align_rigid(truth: np.ndarray, pred: np.ndarray) -> np.ndarray:
    """Align an estimated trajectory with the true one: the rotation and translation, without scale,
    that bring all positions closest in the least squares sense (Umeyama 1991, eq. 38 to 42, c = 1).

    Args:
        truth: (N, 4, 4) world_T_camera, metres.
        pred: (N, 4, 4) of the same frames, in a world of its own.

    Returns:
        truth_T_pred (4, 4) float64. Where the positions of one of them lie on a point or a line the
        rotation is not determined by them: then it makes the first poses agree.

    Raises:
        InputError: for shapes that differ.

    >>> pred = np.stack([np.eye(4)] * 4)
    >>> pred[1:, :3, 3] = np.eye(3)
    >>> turned = np.array([[0.0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]])
    >>> bool(np.allclose(align_rigid(turned @ pred, pred), turned))
    True
    """
    truth, pred = _same(truth, pred)
    target = truth[:, :3, 3]
    source = pred[:, :3, 3]
    # covariance of both clouds about their centres: Sigma = U diag(d) V^T
    covariance = (target - target.mean(0)).T @ (source - source.mean(0)) / len(target)
    U, d, Vt = np.linalg.svd(covariance)
    if d[1] <= np.finfo(np.float64).eps:
        return truth[0] @ inverse(pred[0])
    # R = U S V^T, where S turns a reflection into the nearest rotation
    S = np.diag([1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt))])
    truth_T_pred = np.eye(4)
    truth_T_pred[:3, :3] = U @ S @ Vt
    truth_T_pred[:3, 3] = target.mean(0) - truth_T_pred[:3, :3] @ source.mean(0)
    return truth_T_pred


def absolute_trajectory_error(truth: np.ndarray, pred: np.ndarray) -> float:
    """Measure the ATE: the rmse of positions, metres, after align_rigid (Sturm et al., IROS 2012).

    Args:
        truth: (N, 4, 4) world_T_camera, metres.
        pred: (N, 4, 4) of the same frames, in a world of its own.

    Raises:
        InputError: for shapes that differ.
    """
    truth, pred = _same(truth, pred)
    aligned = align_rigid(truth, pred) @ pred
    return _rmse(np.linalg.norm(aligned[:, :3, 3] - truth[:, :3, 3], axis=1))


def relative_pose_error(truth: np.ndarray, pred: np.ndarray) -> tuple[float, float]:
    """Measure the RPE: the rmse of the motions from frame to frame (Sturm et al., IROS 2012).

    The error of a step is (truth_i^-1 truth_j)^-1 (pred_i^-1 pred_j), j = i + 1.

    Args:
        truth: (N, 4, 4) world_T_camera, metres, N >= 2.
        pred: (N, 4, 4) of the same frames, in a world of its own.

    Returns:
        (translation in metres, rotation in degrees).

    Raises:
        InputError: for shapes that differ, or a single pose.

    >>> truth = np.stack([np.eye(4)] * 3)
    >>> longer = truth.copy()
    >>> longer[:, 2, 3] = 0.0, 0.1, 0.2
    >>> relative_pose_error(truth, longer)
    (0.1, 0.0)
    """
    truth, pred = _same(truth, pred)
    if len(truth) < 2:
        raise InputError("expected two poses or more, got 1: there is no step between them")
    metres = []
    degrees = []
    for i in range(len(truth) - 1):
        true_step = inverse(truth[i]) @ truth[i + 1]
        error = inverse(true_step) @ inverse(pred[i]) @ pred[i + 1]
        metres.append(np.linalg.norm(error[:3, 3]))
        degrees.append(np.degrees(np.linalg.norm(so3_log(error[:3, :3]))))
    return _rmse(metres), _rmse(degrees)


def end_drift(truth: np.ndarray, pred: np.ndarray) -> tuple[float, float]:
    """Measure the error of the last pose when the first poses agree.

    Args:
        truth: As in segment_metrics.
        pred: As in segment_metrics.

    Returns:
        (metres, degrees).

    Raises:
        InputError: For shapes that differ.
    """
    truth, pred = _same(truth, pred)
    error = inverse(inverse(truth[0]) @ truth[-1]) @ inverse(pred[0]) @ pred[-1]
    angle_deg = np.degrees(np.linalg.norm(so3_log(error[:3, :3])))
    return float(np.linalg.norm(error[:3, 3])), float(angle_deg)


def nees(pred: np.ndarray, truth: np.ndarray, covariance: np.ndarray) -> float:
    """Compute the normalised estimation error squared (NEES) of one transform.

    xi^T covariance^-1 xi with truth = pred exp(xi) (Bar-Shalom et al. 2001, sec. 5.4). Its mean is
    6 where the covariance is true, and it is above CHI2_95_OF_6 in 5 % of the cases.

    Args:
        pred: (4, 4).
        truth: (4, 4), ground truth.
        covariance: (6, 6) of xi: translation m^2, rotation rad^2, axes of the moved frame.

    Returns:
        NaN for a covariance that cannot be inverted.

    >>> off = np.eye(4)
    >>> off[0, 3] = 0.2
    >>> round(nees(np.eye(4), off, 0.01 * np.eye(6)), 9)
    4.0
    """
    xi = se3_log(inverse(pred) @ truth)
    try:
        return float(xi @ np.linalg.solve(covariance, xi))
    except np.linalg.LinAlgError:
        return float("nan")


def in_frame_of_first(truth: np.ndarray, odom_T_first: np.ndarray) -> np.ndarray:
    """Express poses (N, 4, 4) in another world, in which the first one is odom_T_first (4, 4)."""
    return odom_T_first @ inverse(truth[0]) @ truth


def _segment_errors(truth, pred, lengths_m, every: int) -> dict[int, list]:
    """The errors of all segments by their length, of the lengths that were reached."""
    steps_m = np.linalg.norm(np.diff(truth[:, :3, 3], axis=0), axis=1)
    travelled_m = np.concatenate([[0.0], np.cumsum(steps_m)])
    errors = {}
    for length in lengths_m:
        of_length = []
        for first in range(0, len(truth), every):
            # The first frame beyond the length, if there is one
            last = int(np.searchsorted(travelled_m, travelled_m[first] + length, side="right"))
            if last < len(truth):
                of_length.append(_segment_error(truth, pred, first, last, length))
        if of_length:
            errors[length] = of_length
    return errors


def _segment_error(truth, pred, first: int, last: int, length: float) -> tuple[float, float]:
    """Percent and degrees per 100 m of one segment."""
    error = inverse(inverse(pred[first]) @ pred[last]) @ inverse(truth[first]) @ truth[last]
    angle = np.degrees(np.linalg.norm(so3_log(error[:3, :3])))
    return float(100 * np.linalg.norm(error[:3, 3]) / length), float(100 * angle / length)


def _rmse(errors) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.mean(np.square(errors))))


def _poses(poses) -> np.ndarray:
    poses = np.asarray(poses, np.float64)
    if poses.ndim != 3 or poses.shape[1:] != (4, 4) or not len(poses):
        raise InputError(f"expected poses (N, 4, 4), got {poses.shape}")
    return poses


def _same(truth, pred) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 poses of one number."""
    truth = _poses(truth)
    pred = _poses(pred)
    if len(truth) != len(pred):
        raise InputError(f"expected as many poses as truth has, got {len(pred)} and {len(truth)}")
    return truth, pred

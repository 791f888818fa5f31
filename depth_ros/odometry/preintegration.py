"""What an IMU measured between two instants, independent of where it was and how fast
(preintegration).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from depth_ros.core.lie import hat, so3_exp, so3_log

from .types import ImuSample

_MOST_APART_NS = 100_000_000  # a longer hole in the readings is not bridged
# Noise densities of a cheap IMU, larger on purpose, and shares of what is measured: axes and stamps
# are never exact.
_GYRO = 2e-3  # rad/s in one second
_ACCEL = 2e-2  # m/s^2 in one second
_GYRO_SHARE = 0.01
_ACCEL_SHARE = 0.005


@dataclass(frozen=True, eq=False)
class Preintegrated:
    """What was integrated over a time, in the axes of its start.

    Attributes:
        span_s: seconds.
        start_R_end: (3, 3).
        velocity: (3,) m/s gained without gravity.
        displacement: (3,) m gained without gravity and without the first velocity.
        covariance: (9, 9) of rotation (right perturbation, rad), velocity and displacement.
    """

    span_s: float
    start_R_end: np.ndarray
    velocity: np.ndarray
    displacement: np.ndarray
    covariance: np.ndarray


def preintegrate(
    samples: Sequence[ImuSample],
    start_ns: int | None,
    end_ns: int,
    gyro_bias: np.ndarray | None = None,
) -> Preintegrated | None:
    """Integrate the readings of an IMU.

    Each reading holds until the next (Forster et al. 2017, eq. 33 to 35); the covariance is
    propagated with it (A.7 to A.9), and shares of the whole are added for what axes and stamps are
    off.

    Args:
        samples: in any order.
        start_ns: stamp at which to begin, None: not known.
        end_ns: stamp at which to end.
        gyro_bias: (3,) rad/s, taken off; None = 0.

    Returns:
        None where the readings do not cover the time (a hole above 0.1 s).

    >>> fall = [ImuSample(i * 10_000_000, (0.0, 0.0, 0.0), (0.0, 0.0, 2.0)) for i in range(12)]
    >>> preintegrate(fall, 0, 100_000_000).displacement.round(6).tolist()
    [0.0, 0.0, 0.01]
    """
    parts = _parts(samples, start_ns, end_ns)
    if parts is None:
        return None
    bias = np.zeros(3) if gyro_bias is None else gyro_bias
    R = np.eye(3)
    v = np.zeros(3)
    p = np.zeros(3)
    C = np.zeros((9, 9))
    span_s = 0.0
    for sample, dt in parts:
        accel = np.asarray(sample.accel)
        turn = so3_exp((np.asarray(sample.gyro) - bias) * dt)
        force = R @ accel
        # the covariance first: its transition is about the state at the start of the part
        by_rotation = -R @ hat(accel)
        A = np.eye(9)
        A[:3, :3] = turn.T
        A[3:6, :3] = by_rotation * dt
        A[6:, :3] = by_rotation * (dt * dt / 2)
        A[6:, 3:6] = dt * np.eye(3)
        C = A @ C @ A.T
        C[range(3), range(3)] += _GYRO**2 * dt
        C[range(3, 6), range(3, 6)] += _ACCEL**2 * dt
        # then displacement, velocity and rotation
        p = p + v * dt + force * (dt * dt / 2)
        v = v + force * dt
        R = R @ turn
        span_s += dt
    # what axes and stamps are off grows with the whole
    C[range(3), range(3)] += (_GYRO_SHARE * np.linalg.norm(so3_log(R))) ** 2
    C[range(3, 6), range(3, 6)] += (_ACCEL_SHARE * np.linalg.norm(v)) ** 2
    C[range(6, 9), range(6, 9)] += (_ACCEL_SHARE * np.linalg.norm(p)) ** 2
    return Preintegrated(span_s, R, v, p, C)


def rotation_since(
    samples: Sequence[ImuSample],
    start_ns: int | None,
    end_ns: int,
    gyro_bias: np.ndarray | None = None,
) -> np.ndarray | None:
    """Integrate the gyroscope alone.

    Args:
        samples: in any order.
        start_ns: stamp at which to begin, None: not known.
        end_ns: stamp at which to end.
        gyro_bias: (3,) rad/s, taken off; None = 0.

    Returns:
        start_R_end (3, 3); None where the readings do not cover the time.

    >>> turning = [ImuSample(i * 10_000_000, (0.0, 1.0, 0.0), (0.0, -9.8, 0.0)) for i in range(12)]
    >>> so3_log(rotation_since(turning, 0, 100_000_000)).round(6).tolist()
    [0.0, 0.1, 0.0]
    """
    parts = _parts(samples, start_ns, end_ns)
    if parts is None:
        return None
    bias = np.zeros(3) if gyro_bias is None else gyro_bias
    R = np.eye(3)
    for sample, dt in parts:
        R = R @ so3_exp((np.asarray(sample.gyro) - bias) * dt)
    return R


def rotation_variance(start_R_end: np.ndarray, span_s: float) -> float:
    """Return the variance, rad^2 about each axis, of what rotation_since integrated over so many
    seconds.
    """
    return _GYRO**2 * span_s + (_GYRO_SHARE * float(np.linalg.norm(so3_log(start_R_end)))) ** 2


def _parts(samples, start_ns, end_ns) -> list[tuple[ImuSample, float]] | None:
    """Readings and the seconds for which each of them holds; None with a hole."""
    if start_ns is None or not samples or end_ns <= start_ns:
        return None
    ordered = sorted(samples, key=lambda sample: sample.stamp_ns)
    # the one that holds at the start is the first that counts
    before = sum(sample.stamp_ns <= start_ns for sample in ordered)
    ordered = ordered[max(before - 1, 0) :]
    if not ordered:
        return None
    stamps = [sample.stamp_ns for sample in ordered]
    if stamps[0] > start_ns + _MOST_APART_NS or stamps[-1] < end_ns - _MOST_APART_NS:
        return None
    parts = []
    now = start_ns
    for sample, until in zip(ordered, [*stamps[1:], end_ns], strict=True):
        until = min(until, end_ns)
        if until <= now:
            continue
        if until - max(now, sample.stamp_ns) > _MOST_APART_NS:
            return None
        parts.append((sample, (until - now) / 1e9))
        now = until
    return parts

"""The rotation that gyroscopes measured between two instants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.lie import so3_exp
from .frame import ImuSample

_MOST_APART_NS = 100_000_000  # a longer hole in the readings says nothing


def rotation_since(samples: Sequence[ImuSample], start_ns: int | None, end_ns: int) -> np.ndarray | None:
    """Integrate the gyroscope from start_ns to end_ns: start_R_end (3, 3), or None where the readings do not cover it.

    Each reading holds until the next (Forster et al. 2017, eq. 26, rotation only; its bias is taken to be removed).

    >>> turning = [ImuSample(i * 10_000_000, (0.0, 1.0, 0.0), (0.0, -9.8, 0.0)) for i in range(12)]
    >>> from depth_ros.core.lie import so3_log
    >>> so3_log(rotation_since(turning, 0, 100_000_000)).round(6).tolist()
    [0.0, 0.1, 0.0]
    """
    if start_ns is None or not samples:
        return None
    R, now = np.eye(3), start_ns
    ordered = sorted(samples, key=lambda sample: sample.stamp_ns)
    stamps = [sample.stamp_ns for sample in ordered]
    if stamps[0] > start_ns + _MOST_APART_NS or stamps[-1] < end_ns - _MOST_APART_NS:
        return None
    for sample, until in zip(ordered, [*stamps[1:], end_ns], strict=True):
        until = min(until, end_ns)
        if until <= now:
            continue
        if until - max(now, sample.stamp_ns) > _MOST_APART_NS:
            return None
        R = R @ so3_exp(np.asarray(sample.gyro) * (until - now) / 1e9)
        now = until
    return R

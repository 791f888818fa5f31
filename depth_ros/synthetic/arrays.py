"""Plumbing between NumPy and torch for the procedural world."""

from __future__ import annotations

import array_api_compat
import numpy as np


def device_kw(like) -> dict:
    """Keyword arguments that make an array on the device of `like`."""
    return {"device": array_api_compat.device(like)}


def kw(like) -> dict:
    """Keyword arguments that make an array with the dtype and on the device of `like`."""
    return {"dtype": like.dtype, **device_kw(like)}


def numpy(x) -> np.ndarray:
    """Return the array as NumPy, copied from the device where it must be."""
    if isinstance(x, np.ndarray):
        return x
    return x.cpu().numpy()


def nonzero(x, xp):
    """Replace what is too small to divide by with 1e-9."""
    return xp.where(xp.abs(x) < 1e-9, 1e-9, x)


def unit(x, xp):
    """Scale rows (P,3) to length one; rows of zeros stay zero."""
    return x / xp.sqrt(xp.clip(dot(x, x), 1e-12, None))[:, None]


def dot(a, b):
    """Inner products (P,) of rows; column by column, which NumPy does several times faster than
    sum(axis=1).
    """
    total = a[:, 0] * b[:, 0]
    for k in range(1, a.shape[1]):
        total = total + a[:, k] * b[:, k]
    return total

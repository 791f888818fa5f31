"""16-bit images that do not fill 16 bits: which values are used, and a scale to 8 bits that is
stable in time.
"""

from __future__ import annotations

import math
from collections import deque
from functools import lru_cache

import numpy as np

from .errors import ImageError

FULL = (0, 65535)
_SAMPLES = 10_000  # pixels of an image that say what its range is
_OUTLIERS_PCT = 0.1  # pixels that are stuck or glare, on either side
_LEAST_BITS = 8
_NARROW = 8  # a range narrower than this part of its bits keeps under 32 of 256 levels
_MARGIN = 0.125  # of a narrow range, on either side
_MEMORY = 30  # frames, about a second, whose values a range must hold
_SHRINK = 4  # it is narrowed only where so many times narrower would do: no flicker between two


def used_range(*arrays: np.ndarray) -> tuple[int, int]:
    """The values that 16-bit images use, without the outermost 0.1 % on either side.

    Args:
        arrays: (H, W) or (H, W, C) uint16; a fourth channel is opacity and does not count.

    Returns:
        (lowest, highest) over all of them.

    >>> used_range(np.full((8, 8), 700, np.uint16), np.full((8, 8, 4), 30, np.uint16))
    (30, 700)
    """
    ranges = []
    for array in arrays:
        colours = array if array.ndim == 2 else array[..., :3]
        levels = (_OUTLIERS_PCT, 100 - _OUTLIERS_PCT)
        step = max(1, math.isqrt(colours.shape[0] * colours.shape[1] // _SAMPLES))
        ranges.append(np.percentile(colours[::step, ::step], levels, method="nearest"))
    return int(min(low for low, _ in ranges)), int(max(high for _, high in ranges))


def fitting_range(low: int, high: int) -> tuple[int, int]:
    """The values that should become 0 and 255, for images that use low to high.

    All of the fewest bits that hold them, since a camera that converts to 10, 12 or 14 bits uses
    those; where the values crowd into a small part of that (thermal images), a range around them.

    >>> fitting_range(3, 1001), fitting_range(20000, 24080)
    ((0, 1023), (19490, 24590))
    """
    bits = max(int(high).bit_length(), _LEAST_BITS)
    span = high - low
    if span * _NARROW >= 1 << bits or bits == _LEAST_BITS:
        return 0, (1 << bits) - 1
    spare = max(round(span * _MARGIN), (256 - span) // 2)  # 256 values need no stretching
    low, high = low - spare, high + spare
    return max(0, low), min(FULL[1], high)


def to_eight_bits(array: np.ndarray, grey_range: tuple[int, int] = FULL) -> np.ndarray:
    """Scale 16-bit values so that a range becomes 0 to 255; what lies outside is clipped.

    Args:
        array: uint16, any shape.
        grey_range: (low, high) that become 0 and 255.

    Returns:
        uint8 of the same shape.

    >>> to_eight_bits(np.array([0, 512, 1023, 4000], np.uint16), (0, 1023)).tolist()
    [0, 128, 255, 255]
    """
    low, high = grey_range
    bits = (high + 1).bit_length() - 1
    if low == 0 and high + 1 == 1 << bits and bits >= _LEAST_BITS:
        return np.minimum(array >> (bits - 8), 255).astype(np.uint8)
    return _table(low, high)[array]


def describe_range(low: int, high: int) -> str:
    """Say what 16-bit images use; "" where they fill their 16 bits.

    >>> describe_range(2, 1000)
    'the 16-bit images use 10 bits: values 2 to 1000'
    """
    if fitting_range(low, high) == FULL:
        return ""
    bits = max(int(high).bit_length(), _LEAST_BITS)
    return f"the 16-bit images use {bits} bits: values {low} to {high}"


class GreyRange:
    """The range that a camera's 16-bit images are scaled by, the same for both sides and from frame
    to frame.

    It grows at once where values would be clipped, holds what came in the last 30 frames, and is
    narrowed only where a quarter of it would do: pictures do not flicker.

    Args:
        bits: the bits that are used, from the lowest; 0: found out from the images.

    Attributes:
        current: (low, high), FULL until the first 16-bit image.
        changes: how often it was set.

    Raises ImageError for bits that are neither 0 nor 8 to 16.
    """

    def __init__(self, bits: int = 0):
        if bits and not _LEAST_BITS <= bits <= 16:
            raise ImageError(f"expected 8 to 16 bits, or 0 for those that are found, got {bits}")
        self._fixed = (0, (1 << bits) - 1) if bits else None
        self._seen: deque[tuple[int, int]] = deque(maxlen=_MEMORY)
        self.current = FULL
        self.changes = 0

    def update(self, *arrays: np.ndarray) -> tuple[int, int]:
        """Take the images of one instant in; returns the range to scale them by. uint16, see
        used_range.
        """
        low, high = used_range(*arrays)
        self._seen.append((low, high))
        wanted = self._fixed or self._wanted(low, high)
        if wanted != self.current or not self.changes:
            self.current = wanted
            self.changes += 1
        return self.current

    def words(self) -> str:
        """Say what is used and how it is scaled; "" before the first 16-bit image, and where
        nothing is to say.
        """
        if not self._seen:
            return ""
        low, high = min(low for low, _ in self._seen), max(high for _, high in self._seen)
        found = describe_range(low, high)
        if self._fixed and high > self._fixed[1]:
            return (
                f"16-bit values reach {high}, grey_bits holds {self._fixed[1]}: what is above "
                "is clipped"
            )
        return f"{found}, scaled from {self.current[0]} to {self.current[1]}" if found else ""

    def _wanted(self, low: int, high: int) -> tuple[int, int]:
        """The range for these values: the one in force, as long as it does."""
        seen = fitting_range(min(low for low, _ in self._seen), max(high for _, high in self._seen))
        if not self.changes:
            return seen
        start, end = self.current
        if low < start or high > end:
            return seen
        is_settled = len(self._seen) == _MEMORY
        is_wide = (end - start + 1) >= _SHRINK * (seen[1] - seen[0] + 1)
        return seen if is_settled and is_wide else self.current


@lru_cache(maxsize=4)
def _table(low: int, high: int) -> np.ndarray:
    """What each of the 65536 values becomes."""
    values = (np.arange(65536, dtype=np.float32) - low) * (255.0 / max(high - low, 1))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)

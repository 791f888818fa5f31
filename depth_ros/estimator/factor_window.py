"""The consensus of repeated measurements of a factor to metres."""

from __future__ import annotations

from collections import deque

import numpy as np

LEAST_FACTORS = 5  # fewer decide nothing
_WINDOW = 31
_MAX_SPREAD = 0.25  # median deviation of the factors from their median, relative


class FactorWindow:
    """The last 31 measurements of a factor to metres, with their consensus.

    >>> window = FactorWindow()
    >>> for factor in (2.0, 2.1, 9.0, 1.9, 2.0):
    ...     window.add(factor)
    >>> window.is_enough, window.median, round(window.spread, 3)
    (True, 2.0, 0.05)
    """

    def __init__(self):
        self._factors: deque[float] = deque(maxlen=_WINDOW)

    def __len__(self) -> int:
        return len(self._factors)

    def add(self, factor: float) -> None:
        """Add a measurement; the oldest of more than 31 is forgotten."""
        self._factors.append(factor)

    def rescale(self, by: float) -> None:
        """Divide every factor: the unit that they convert from is now what `by` units were."""
        self._factors = deque((factor / by for factor in self._factors), _WINDOW)

    @property
    def is_enough(self) -> bool:
        """True from 5 measurements on."""
        return len(self._factors) >= LEAST_FACTORS

    @property
    def median(self) -> float:
        """The median of the factors."""
        return float(np.median(self._factors))

    @property
    def spread(self) -> float:
        """The median deviation from the median, relative."""
        return relative_spread(np.asarray(self._factors))

    @property
    def disagreement(self) -> str:
        """What is wrong with the factors; "" where they agree to a quarter."""
        spread = self.spread
        if agrees(spread):
            return ""
        return f"the measurements disagree by {100 * spread:.0f} %"


def relative_spread(factors: np.ndarray) -> float:
    """Return the median deviation of factors (N,) from their median, relative to it.

    >>> round(relative_spread(np.array([1.0, 2.0, 2.2])), 3)
    0.1
    """
    return float(np.median(np.abs(factors / np.median(factors) - 1)))


def agrees(spread: float) -> bool:
    """Return whether factors of this relative spread measure one thing."""
    return spread <= _MAX_SPREAD


class MedianFactor:
    """The median of a FactorWindow; unknown while factors are too few or disagree.

    >>> median = MedianFactor()
    >>> [median.add(factor) for factor in (2.0, 2.1, 9.0, 1.9, 2.0)]
    [None, None, None, None, 2.0]
    """

    def __init__(self):
        self._window = FactorWindow()
        self.reason = ""

    def add(self, factor: float | None, refusal: str = "") -> float | None:
        """Add a factor, or the reason why there is none; return the median, or None with reason."""
        if factor is not None:
            self._window.add(factor)
        if not self._window.is_enough:
            self.reason = f"{len(self._window)} of {LEAST_FACTORS} measurements so far"
            if refusal:
                self.reason += f"; {refusal}"
            return None
        self.reason = self._window.disagreement
        return None if self.reason else self._window.median

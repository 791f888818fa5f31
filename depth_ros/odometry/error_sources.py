"""Which source of error moves an estimate by how much: covariances that know what two estimates
have in common.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Influence:
    """How far each source of error moved a pose.

    Their covariance, the sum of squares, is the cluster-robust one (Liang and Zeger 1986), and the
    infinitesimal jackknife's (Jaeckel 1972): it needs no assumption about the noise, nor that what
    is measured of one source at different times is independent.

    Attributes:
        sources: (N,) int64, ascending: what is independent of one another (a point in the world,
            with all that was ever measured of it).
        values: (N, 6) metres, radians.
    """

    sources: np.ndarray
    values: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """The (6, 6) sum of squares.

        >>> float(Influence(np.array([3]), np.eye(1, 6) * 2).covariance[0, 0])
        4.0
        """
        return self.values.T @ self.values

    def mapped(self, matrix: np.ndarray) -> Influence:
        """Return what the sources do to matrix (6, 6) @ the error."""
        return Influence(self.sources, self.values @ np.asarray(matrix).T)

    def plus(self, other: Influence) -> Influence:
        """Return what the sources do to the sum of both errors: common ones add up with their sign.

        >>> a = Influence(np.array([1, 2]), np.ones((2, 6)))
        >>> b = Influence(np.array([2, 5]), -np.ones((2, 6)))
        >>> both = a.plus(b)
        >>> both.sources.tolist(), both.values[:, 0].tolist()
        ([1, 2, 5], [1.0, 0.0, -1.0])
        """
        sources = np.union1d(self.sources, other.sources)
        values = np.zeros((len(sources), 6))
        for one in (self, other):
            values[np.searchsorted(sources, one.sources)] += one.values
        return Influence(sources, values)

    def split(self, alive: np.ndarray) -> tuple[Influence, Influence]:
        """Return what of it comes from the sources in alive (M,), and the rest."""
        mask = np.isin(self.sources, alive)
        kept = Influence(self.sources[mask], self.values[mask])
        return kept, Influence(self.sources[~mask], self.values[~mask])


def no_influence() -> Influence:
    """Return the influence of no source."""
    return Influence(np.zeros(0, np.int64), np.zeros((0, 6)))

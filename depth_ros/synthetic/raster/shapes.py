"""A stock of ready meshes: making them costs more than placing them, and stretching makes each look
new.
"""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.raster.objects import MAKERS, Body


class Stock:
    """Things of every kind, made once.

    Args:
        seed: of the random numbers.
        count: how many of each kind.
    """

    def __init__(self, seed: int, count: int = 24):
        rng = np.random.default_rng((seed, 0x5704))
        self._things = {
            kind: [maker(rng) for _ in range(count)] for kind, (maker, _) in MAKERS.items()
        }

    def draw(self, rng: np.random.Generator, kind: str) -> list[Body]:
        """Draw a thing of a kind."""
        things = self._things[kind]
        return things[rng.integers(len(things))]

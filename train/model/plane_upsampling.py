"""Convex upsampling with planes: each pixel chooses among its four nearest slanted cells and given
candidates.

As in Teed & Deng 2020, RAFT, but with a plane for each cell in the place of a constant, four
neighbours in the place of nine, and other estimates beside them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from train.model.propagation import mix, neighbourhood, to_weights

PLANES = 4
# Indices into a 3 x 3 neighbourhood for the quadrants top left, top right, bottom left, bottom
# right of a cell: the cell itself, the nearest above or below, the nearest to the left or right,
# the nearest diagonal one.
_NEAREST = ((4, 4, 4, 4), (1, 1, 7, 7), (3, 5, 3, 5), (0, 2, 6, 8))


class PlaneUpsampling:
    """From one disparity a cell to one a pixel; cells are squares of cell_px pixels, 2 or 4.

    Channels of a cell's pixels are ordered (place within the quadrant, quadrant), as two pixel
    shuffles put them. Disparities and positions are in quarters of a cell.
    """

    def __init__(self, cell_px: int):
        self.cell_px = cell_px
        self.pixels = cell_px**2
        self.samples = cell_px // 2  # pixels of a quadrant, along each side

    def choose(
        self,
        moved: Tensor,
        slopes: Tensor,
        offsets: Tensor,
        candidates: list[Tensor],
        logits: Tensor,
    ) -> Tensor:
        """Mix planes and candidates for each pixel.

        Args:
            moved: (B,1,h,w) disparity at the top left pixel of each cell.
            slopes: (B,2,h,w) disparity per column and per row.
            offsets: (B,4,h,w), one for each quadrant, added to its planes.
            candidates: each (B,pixels,h,w).
            logits: (B,(4 + candidates) pixels,h,w), see to_weights.

        Returns:
            (B,1,h cell_px,w cell_px).
        """
        fields = [neighbourhood(x, 1) for x in (moved, slopes[:, :1], slopes[:, 1:])]
        offsets = self.per_pixel(offsets)
        u, v = self._positions(moved)
        options = []
        for nearest in _NEAREST:
            # From where the neighbour's disparity is to the pixel.
            du = u - 4 * self._per_quadrant([i % 3 - 1 for i in nearest], moved)
            dv = v - 4 * self._per_quadrant([i // 3 - 1 for i in nearest], moved)
            value, along_u, along_v = (
                self.per_pixel(torch.cat([x[i] for i in nearest], 1)) for x in fields
            )
            options.append(value + along_u * du + along_v * dv + offsets)
        options += candidates
        return self.to_image(mix(options, to_weights(logits).split(self.pixels, 1)))

    def per_pixel(self, quadrants: Tensor) -> Tensor:
        """(B,4,h,w), one for each quadrant -> (B,pixels,h,w)."""
        return quadrants.repeat(1, self.samples**2, 1, 1)

    def to_image(self, x: Tensor) -> Tensor:
        """(B,pixels,h,w) -> (B,1,h cell_px,w cell_px)."""
        for _ in range(self.samples):
            x = F.pixel_shuffle(x, 2)
        return x

    def of_image(self, x: Tensor) -> Tensor:
        """(B,1,h cell_px,w cell_px) -> (B,pixels,h,w)."""
        for _ in range(self.samples):
            x = F.pixel_unshuffle(x, 2)
        return x

    def _positions(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Columns and rows of each pixel from its cell's top left one, each (1,pixels,1,1)."""
        side = torch.arange(self.cell_px, dtype=like.dtype, device=like.device) * (4 / self.cell_px)
        rows, columns = torch.meshgrid(side, side, indexing="ij")
        places = self.of_image(torch.stack([columns, rows])[:, None])
        return places[:1], places[1:]

    def _per_quadrant(self, values: list[int], like: Tensor) -> Tensor:
        """Four numbers, one for each quadrant, (1,pixels,1,1)."""
        row = torch.tensor(values, dtype=like.dtype, device=like.device).view(1, 4, 1, 1)
        return self.per_pixel(row)

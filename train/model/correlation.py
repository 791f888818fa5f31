"""What moved where between two pictures: features of each, compared at every small displacement.

A network over stacked pictures must first invent matching before it can learn motion from it. Here matching is given:
the correlation volume of FlowNetC (Dosovitskiy et al. 2015, "FlowNet", section 3, eq. 1, for single pixels), and the
flow it shows.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.core.errors import InputError

REACH = 4  # cells: displacements of up to 16 px in each direction
STRIDE = 4
_FEATURES = 32
_WIDTHS = (64, 96, 128)  # strides 8, 16, 32


class CorrelationEncoder(nn.Module):
    """Two pictures (B,3,H,W) in [0,1] to one map (B,128,H/32,W/32) of how the second differs from the first.

    H and W are multiples of 32; anything else is an InputError.
    """

    channels = _WIDTHS

    def __init__(self):
        super().__init__()
        self.eye = nn.Sequential(_conv(3, 16, 2), _conv(16, 32, 2), nn.Conv2d(32, _FEATURES, 3, padding=1))
        inputs = (2 * REACH + 1) ** 2 + 2 + 2 + _FEATURES
        sizes = (_WIDTHS[0], *_WIDTHS)
        self.look = nn.Sequential(_conv(inputs, sizes[0]), *(_conv(a, b, 2) for a, b in zip(sizes, sizes[1:])))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        if not torch.jit.is_tracing() and (first.shape != second.shape or any(n % 32 for n in first.shape[2:])):
            raise InputError(f"expected two pictures of one size, multiples of 32, got {first.shape}, {second.shape}")
        # Without the mean of the picture taken away, everything is like everything and nothing is learned.
        here, there = (x - x.mean((2, 3), keepdim=True) for x in (self.eye(first - 0.5), self.eye(second - 0.5)))
        volume = correlation(here, there)
        return self.look(torch.cat([volume, flow(volume), places(volume), here], 1))


def flow(volume: Tensor, sharpness: float = 30.0) -> Tensor:
    """Give the displacement (B,2,h,w) in cells, (u, v), at which each cell of a correlation volume matches best.

    The mean of all displacements, weighted by exp(sharpness * cosine): differentiable, finer than a cell.
    """
    side = math.isqrt(volume.shape[1])
    steps = torch.arange(side, device=volume.device, dtype=volume.dtype) - side // 2
    weights = torch.softmax(sharpness * volume, 1)
    u, v = (weights * x.view(1, -1, 1, 1) for x in (steps.repeat(side), steps.repeat_interleave(side)))
    return torch.cat([u.sum(1, keepdim=True), v.sum(1, keepdim=True)], 1)


def places(like: Tensor) -> Tensor:
    """Give (B,2,h,w): each cell's centre, (u, v) in the picture from -1 to 1; motion looks different everywhere."""
    ones = torch.ones_like(like[:, :1])
    return torch.cat([2 * (ones.cumsum(axis) - 0.5) / like.shape[axis] - 1 for axis in (3, 2)], 1)


def correlation(here: Tensor, there: Tensor, reach: int = REACH) -> Tensor:
    """Cosine of features `here` with those of `there`, displaced by up to `reach` cells each way.

    here, there (B,C,h,w). Returns (B,(2 reach + 1)^2,h,w): displacements row by row from (-reach, -reach), u fastest;
    what is displaced out of the picture meets zeros.
    """
    here, there = (x / x.square().sum(1, keepdim=True).add(1e-6).sqrt() for x in (here, there))
    height, width = here.shape[2:]
    padded = F.pad(there, (reach,) * 4)
    steps = range(2 * reach + 1)
    return torch.cat(
        [(here * padded[:, :, v : v + height, u : u + width]).sum(1, keepdim=True) for v in steps for u in steps], 1
    )


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.GroupNorm(8, outputs), nn.ReLU(inplace=True))

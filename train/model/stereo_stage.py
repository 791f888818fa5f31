"""One stage of a stereo network: it refines a disparity that classical matching found.

A stage gets the answer of semi-global matching as an input and learns to aggregate, to fill and to
sharpen it: learned features compared around the match (train.model.local_costs), a U-Net, disparity
moved over the image by learned affinities (train.model.propagation), and a choice for each pixel
among its four nearest slanted planes, the match and the estimate of a coarser stage
(train.model.plane_upsampling). Where a pixel is hidden from the right camera follows from the
disparities alone and is an input.

The form follows the clock of a CPU and the range of half precision: ReLU convolutions carry nearly
all of the work; column indices, exponentials and disparities are few and stay in float.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.model.local_costs import local_costs, local_costs_subpixel, occlusion_margin
from train.model.plane_upsampling import PLANES, PlaneUpsampling
from train.model.propagation import DECISIVENESS, propagate

_MATCHED = tuple(range(-4, 5))  # columns compared around the match, cells
_COARSE = (-1, 0, 1)  # the same around the coarser estimate
_SUBPIXEL = (-0.5, 0.0, 0.5)  # the same around the stage's own disparity, half cells
_LOG_SIGMA = (-4.0, 5.0)  # 0.02 to 148 quarter cells
_SCALE = 32.0  # disparities enter convolutions divided by this
_STEEPEST = 2.0  # quarter cells of disparity per quarter cell of image


@dataclass(frozen=True)
class StageSize:
    """Form of one stage.

    Attributes:
        cell_px: side of the square of image pixels that one cell of the trunk answers for, 2 or 4.
        widths: channels of the trunk at each octave, finest first.
        dilations: steps of the propagation, in cells.
        residual: residual blocks for each coarser octave.
        tail: channels of the layers that choose.
        follows: whether the estimate of a coarser stage is an input.
    """

    cell_px: int
    widths: tuple[int, ...] = (32, 48, 64, 96)
    dilations: tuple[int, ...] = (8, 4, 2, 1)
    residual: int = 0
    tail: int = 32
    follows: bool = False


@dataclass(frozen=True)
class StageOutput:
    """What a stage answers, and what it passed through.

    Attributes:
        guess: (B,1,H/cell_px,W/cell_px) disparity in px before propagation, at the top left pixel
        of each cell. moved: the same after propagation. disparity: (B,1,H,W) px. log_sigma:
        (B,1,H,W), natural logarithm of one standard deviation of disparity in px.
    """

    guess: Tensor
    moved: Tensor
    disparity: Tensor
    log_sigma: Tensor


@dataclass(frozen=True)
class _Features:
    """Features of both images: of cells and of half cells, to see with and to compare."""

    look: Tensor
    cells: tuple[Tensor, Tensor]
    half_cells: tuple[Tensor, Tensor]


class RefinementStage(nn.Module):
    """Refine a matched disparity; see the module.

    Inside, disparities are in quarters of a cell, so that a stage of any cell_px computes in the
    same numbers.
    """

    def __init__(self, size: StageSize):
        super().__init__()
        self.size = size
        self.upsampling = PlaneUpsampling(size.cell_px)
        self.unit_px = size.cell_px / 4
        widths = size.widths
        width = widths[0]
        pixels = self.upsampling.pixels
        self.half_features = conv_norm_relu(3, 8, stride=self.upsampling.samples)
        self.half_match = nn.Conv2d(8, 4, 1)
        self.features = nn.Sequential(conv_norm_relu(8, 16, stride=2), conv_norm_relu(16, 16))
        self.match = nn.Conv2d(16, 8, 1)
        extra = 8 if size.follows else 2
        self.entry = conv_norm_relu(16 + len(_MATCHED) + 4 + 8 + extra, width)
        steps = list(zip(widths, widths[1:]))
        self.down = nn.ModuleList(_down(fine, coarse, size.residual) for fine, coarse in steps)
        self.up = nn.ModuleList(conv_norm_relu(fine + coarse, fine) for fine, coarse in steps)
        self.guess = nn.Conv2d(width, 1, 3, padding=1)
        self.trust = nn.Conv2d(width, 1, 3, padding=1) if size.follows else None
        self.affinity = nn.Conv2d(width, 9 * len(size.dilations), 1)
        self.refine = conv_norm_relu(width + 2, width)
        tail_inputs = width + 2 + 4 + 3 * pixels + 4 * len(_SUBPIXEL)
        self.tail = nn.Sequential(
            conv_norm_relu(tail_inputs, size.tail), conv_norm_relu(size.tail, size.tail)
        )
        self.options = PLANES + (2 if size.follows else 1)  # the match, and the coarser estimate
        self.choice = nn.Conv2d(width, (PLANES + 1) * pixels, 1)
        self.slant = nn.Conv2d(size.tail, self.options * pixels + 2 + 4, 1)
        self.spread = nn.Conv2d(size.tail, pixels, 1)
        self._start_from_the_match()

    def _start_from_the_match(self) -> None:
        """Make an untrained stage return nearly what it is given: training starts near the error
        of the match.
        """
        layers = [self.guess, self.affinity, self.choice, self.slant, self.spread]
        if self.trust is not None:
            layers.append(self.trust)
        for layer in layers:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        pixels = self.upsampling.pixels
        with torch.no_grad():
            self.affinity.bias.view(-1, 9)[:, 4] = 6.0 / DECISIVENESS  # stay
            self.choice.bias[PLANES * pixels :] = 2.5 / DECISIVENESS  # the matched value
            if self.trust is not None:
                self.trust.bias.fill_(-3.0)
                self.slant.bias[(PLANES + 1) * pixels : self.options * pixels] = -0.6

    def forward(
        self, left: Tensor, right: Tensor, prior: Tensor, coarse: Tensor | None = None
    ) -> StageOutput:
        """Refine a matched disparity.

        Args:
            left: (B,3,H,W) RGB in [0,1], sides multiples of 32. right: the same. prior:
            (B,2,H/s,W/s) with s = cell_px / 2: disparity in px of the image, holes filled, and 1
            where it was
                matched, 0 where filled.
            coarse: (B,1,H,W) disparity in px, the estimate of a coarser stage; None where the stage
            follows none.
        """
        given = F.pixel_unshuffle(prior[:, :1] / self.unit_px, 2)
        start = given[:, :1]  # the top left of each 2 x 2: a mean would invent surfaces between two
        features = self._features(left, right)
        known = self._around_the_match(features, prior, given)
        candidates = [self.upsampling.per_pixel(given)]
        at_cells = None
        if coarse is None:
            known.append(occlusion_margin(start / 4))
        else:
            coarse = coarse / self.unit_px
            candidates.append(self.upsampling.of_image(coarse))
            at_cells = coarse[..., :: self.size.cell_px, :: self.size.cell_px]
            known += self._around_the_coarse(features, at_cells, start, known[1])

        # A disparity for each cell, then moved along surfaces over the image.
        x = self._unet(self.entry(torch.cat(known, 1)))
        guess = start + 8 * self.guess(x)
        if at_cells is not None:
            guess = guess + torch.sigmoid(self.trust(x)) * (at_cells - guess)
        moved = propagate(guess, self.affinity(x), self.size.dilations)

        # A choice for each pixel, seen at the resolution of the image.
        x = self.refine(torch.cat([x, moved / _SCALE, (moved - start) / _SCALE], 1))
        y = self.tail(torch.cat(self._around_the_answer(x, moved, given, left, features), 1))
        disparity = self._choose(moved, candidates, self.choice(x), self.slant(y))
        log_sigma = F.pixel_shuffle(self.spread(y), self.size.cell_px).clamp(*_LOG_SIGMA)
        return StageOutput(
            guess * self.unit_px,
            moved * self.unit_px,
            disparity * self.unit_px,
            log_sigma + math.log(self.unit_px),
        )

    def _features(self, left: Tensor, right: Tensor) -> _Features:
        """Features of both images by the same layers."""
        half_left = self.half_features(left)
        half_right = self.half_features(right)
        look = self.features(half_left)
        cells = self.match(look), self.match(self.features(half_right))
        return _Features(look, cells, (self.half_match(half_left), self.half_match(half_right)))

    def _around_the_match(self, features: _Features, prior: Tensor, given: Tensor) -> list[Tensor]:
        """What is known of each cell: its look, how well shifts around the match explain it, and
        the match.
        """
        costs = local_costs(*features.cells, given[:, :1] / 4, _MATCHED)
        fine = local_costs(*features.half_cells, prior[:, :1] / (2 * self.unit_px), (0,))
        matched = F.pixel_unshuffle(prior[:, 1:], 2)
        return [features.look, costs, F.pixel_unshuffle(fine, 2), given / _SCALE, matched]

    def _around_the_coarse(
        self, features: _Features, coarse: Tensor, start: Tensor, costs: Tensor
    ) -> list[Tensor]:
        """How well the coarser estimate explains each cell, against the match, and what it
        hides.
        """
        own = local_costs(*features.cells, coarse / 4, _COARSE)
        apart = (coarse - start) / 16
        better = costs[:, 4:5] - own[:, 1:2]
        return [
            own,
            apart.clamp(-2, 2),
            (8 * apart).clamp(-1, 1),
            better,
            occlusion_margin(coarse / 4),
        ]

    def _around_the_answer(self, x, moved, given, left, features: _Features) -> list[Tensor]:
        """What the choice is made by: the trunk, the disparity, the image's pixels and costs of
        half columns.
        """
        finer = F.interpolate(moved / 2, scale_factor=2, mode="nearest")
        costs = local_costs_subpixel(*features.half_cells, finer, _SUBPIXEL)
        return [
            x,
            moved / _SCALE,
            (moved - given[:, :1]) / 8,
            ((given - moved) / 8).clamp(-2, 2),
            F.pixel_unshuffle(left - 0.5, self.size.cell_px),
            2 * F.pixel_unshuffle(costs, 2),
        ]

    def _choose(
        self, moved: Tensor, candidates: list[Tensor], choice: Tensor, slant: Tensor
    ) -> Tensor:
        """Choose among planes and candidates by what the trunk and the tail say, (B,1,H,W)
        quarter cells.
        """
        pixels = self.upsampling.pixels
        logits, slopes, offsets = slant.split((self.options * pixels, 2, 4), 1)
        of_both = (PLANES + 1) * pixels  # the trunk knows no coarser estimate
        logits = torch.cat([choice + logits[:, :of_both], logits[:, of_both:]], 1)
        slopes = _STEEPEST * torch.tanh(slopes)
        offsets = 2 * torch.tanh(offsets)
        return self.upsampling.choose(moved, slopes, offsets, candidates, logits)

    def _unet(self, x: Tensor) -> Tensor:
        """The trunk (B,widths[0],h,w), with a view of what lies far around."""
        skips = []
        for block in self.down:
            skips.append(x)
            x = block(x)
        for block, skip in zip(reversed(self.up), reversed(skips)):
            x = F.interpolate(x, size=skip.shape[2:], mode="nearest")
            x = block(torch.cat([skip, x], 1))
        return x

    @torch.no_grad()
    def scale_spread(self, slope: float, offset: float) -> None:
        """Make log_sigma slope times what it is, plus offset; see
        train.export.sigma_calibration.
        """
        self.spread.weight.mul_(slope)
        self.spread.bias.mul_(slope).add_(offset + (slope - 1) * math.log(self.unit_px))


class Residual(nn.Module):
    """Two convolutions beside the identity (He et al. 2016), which they start as."""

    def __init__(self, width: int):
        super().__init__()
        self.first = conv_norm_relu(width, width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )
        nn.init.zeros_(self.second[1].weight)

    def forward(self, x: Tensor) -> Tensor:
        """Refine features (B,width,h,w)."""
        return F.relu(x + self.second(self.first(x)))


def conv_norm_relu(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution, batch norm and ReLU."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _down(inputs: int, outputs: int, residual: int) -> nn.Sequential:
    """The next coarser octave."""
    blocks = [Residual(outputs) for _ in range(residual)]
    return nn.Sequential(
        conv_norm_relu(inputs, outputs, stride=2), conv_norm_relu(outputs, outputs), *blocks
    )

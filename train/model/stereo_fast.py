"""The fast stereo network: it refines a match made at half resolution, and works at a quarter of
it.

Like train.model.stereo.StereoNet it gets the answer of semi-global matching as an input and learns
to aggregate and fill: local cost volumes of learned features, a U-Net, and disparity moved over the
image by learned affinities (Cheng et al. 2018, "Depth Estimation via Affinity Learned with
Convolutional Spatial Propagation", eq. 1). Each pixel then chooses between its four nearest
quarter-resolution values and the match (convex upsampling of Teed & Deng 2020, RAFT, with four
neighbours instead of nine). Its form follows the clock of a CPU: ReLU, which ONNX Runtime fuses and
int8 likes; gathers of whole feature vectors; sums of slices instead of reductions over channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DIVISOR = 32
_COARSE = tuple(range(-4, 5))  # disparities compared around the match, quarter-resolution pixels
_FINE = (0,)  # the same, half-resolution pixels
_DILATIONS = (8, 4, 2, 1)
_DECISIVENESS = 5.0  # see train.model.stereo
_LARGEST_LOGIT = 30.0
_LOG_SIGMA = (-4.0, 5.0)  # 0.02 to 148 px
_SCALE_PX = 32.0  # disparities enter the network divided by this
# Indices into a 3 x 3 neighbourhood for the quadrants top left, top right, bottom left, bottom
# right of a cell: the cell itself, the nearest above or below, the nearest to the left or right,
# the nearest diagonal one.
_NEAREST = ((4, 4, 4, 4), (1, 1, 7, 7), (3, 5, 3, 5), (0, 2, 6, 8))


class FastStereoNet(nn.Module):
    """Refine a disparity matched at half resolution.

    forward(left, right, prior): left, right (B,3,H,W) RGB in [0,1]; prior (B,2,H/2,W/2): disparity
    in px of the full resolution with its holes filled, and 1 where it was answered, 0 where filled.
    H and W are multiples of 32. Returns disparity (B,1,H,W) px and log_sigma (B,1,H,W), the
    logarithm of one standard deviation in px.
    """

    def __init__(self, width: int = 32):
        super().__init__()
        w, sizes = width, (width, width * 3 // 2, 2 * width, 3 * width)
        self.half_features, self.half_match = _conv(3, 8, stride=2), nn.Conv2d(8, 4, 1)
        self.features, self.match = (
            nn.Sequential(_conv(8, 16, stride=2), _conv(16, 16)),
            nn.Conv2d(16, 8, 1),
        )
        self.entry = _conv(16 + len(_COARSE) + 4 * len(_FINE) + 8, w)
        self.down = nn.ModuleList(
            nn.Sequential(_conv(a, b, stride=2), _conv(b, b)) for a, b in zip(sizes, sizes[1:])
        )
        self.up = nn.ModuleList(_conv(a + b, a) for a, b in zip(sizes, sizes[1:]))
        self.guess = nn.Conv2d(w, 1, 3, padding=1)
        self.affinity = nn.Conv2d(w, 9 * len(_DILATIONS), 1)
        self.refine = _conv(w + 2, w)
        self.choice = nn.Conv2d(
            w, 5 * 16, 1
        )  # four neighbours and the match, for each of 4 x 4 pixels
        self.spread = nn.Conv2d(w, 16, 1)
        self._start_from_the_match()

    def _start_from_the_match(self):
        """Untrained, the network hardly changes its prior: training starts near the error of the
        match.
        """
        for layer in (self.guess, self.affinity, self.choice, self.spread):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.affinity.bias.view(-1, 9)[:, 4] = 2.0 / _DECISIVENESS  # stay
            self.choice.bias[64:] = 2.5 / _DECISIVENESS  # the matched value

    @torch.no_grad()
    def scale_spread(self, slope: float, offset: float) -> None:
        """Make log_sigma slope times what it is, plus offset; see
        train.export.sigma_calibration.
        """
        self.spread.weight.mul_(slope)
        self.spread.bias.mul_(slope).add_(offset)

    def forward(self, left: Tensor, right: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        return self.stages(left, right, prior)[1:]

    def stages(
        self, left: Tensor, right: Tensor, prior: Tensor
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """As forward, with the quarter-resolution disparities (B,1,H/4,W/4) px guessed and
        moved, in front.
        """
        given = F.pixel_unshuffle(prior, 2)
        start = given[:, :1]  # the top left of each 2 x 2: a mean would invent surfaces between two
        x = self.entry(
            torch.cat(
                [
                    *self._compare(left, right, prior[:, :1], start),
                    given[:, :4] / _SCALE_PX,
                    given[:, 4:],
                ],
                1,
            )
        )
        x = self._unet(x)
        guess = disparity = start + 8 * self.guess(x)
        weights = _weights(self.affinity(x)).split(1, 1)
        for number, dilation in enumerate(_DILATIONS):
            disparity = mix(_neighbours(disparity, dilation), weights[9 * number : 9 * number + 9])
        x = self.refine(torch.cat([x, disparity / _SCALE_PX, (disparity - start) / _SCALE_PX], 1))
        final = upsample(disparity, given[:, :4], self.choice(x))
        return [guess, disparity], final, F.pixel_shuffle(self.spread(x).clamp(*_LOG_SIGMA), 4)

    def _compare(self, left: Tensor, right: Tensor, prior: Tensor, start: Tensor) -> list[Tensor]:
        """Features of the left image and its costs around the match, all at quarter resolution."""
        half_here, half_there = self.half_features(left), self.half_features(right)
        here, there = self.features(half_here), self.features(half_there)
        coarse = local_costs(self.match(here), self.match(there), start / 4, _COARSE)
        fine = local_costs(
            self.half_match(half_here), self.half_match(half_there), prior / 2, _FINE
        )
        return [here, coarse, F.pixel_unshuffle(fine, 2)]

    def _unet(self, x: Tensor) -> Tensor:
        skips = []
        for block in self.down:
            skips.append(x)
            x = block(x)
        for block, skip in zip(reversed(self.up), reversed(skips)):
            x = block(torch.cat([skip, F.interpolate(x, scale_factor=2, mode="nearest")], 1))
        return x


def local_costs(here: Tensor, there: Tensor, shift: Tensor, offsets: tuple[int, ...]) -> Tensor:
    """Compare left features with right ones around a disparity, at whole columns.

    here, there (B,C,h,w); shift (B,1,h,w) px of them, rounded here. Returns (B,len(offsets),h,w):
    mean absolute difference at shift + offset, borders repeated.
    """
    batch, channels, height, width = here.shape
    steps = {"device": here.device, "dtype": here.dtype}
    column = torch.arange(width, **steps).view(1, 1, width) - torch.round(shift[:, 0])
    row = torch.arange(batch * height, **steps).view(batch, height, 1) * width
    here, there = (x.permute(0, 2, 3, 1).reshape(-1, channels) for x in (here, there))
    mean = torch.full(
        (channels, 1), 1 / channels, **steps
    )  # a product: ONNX Runtime is slow at means of few channels
    costs = []
    for offset in offsets:
        index = (row + (column - offset).clamp(0, width - 1)).long().view(-1)
        costs.append(((there[index] - here).abs() @ mean).view(batch, 1, height, width))
    return torch.cat(costs, 1)


def upsample(quarter: Tensor, matched: Tensor, logits: Tensor) -> Tensor:
    """Mix the four nearest quarter-resolution values and the matched one into each full-resolution
    pixel.

    quarter (B,1,h,w) px; matched (B,4,h,w) px, the half-resolution prior unshuffled; logits
    (B,80,h,w): for each of the five choices, for each place in a 2 x 2 quadrant, the four
    quadrants. Returns (B,1,4h,4w).
    """
    around = _neighbours(quarter, 1)
    options = [torch.cat([around[i] for i in nearest], 1) for nearest in _NEAREST] + [matched]
    mixed = mix([option.repeat(1, 4, 1, 1) for option in options], _weights(logits).split(16, 1))
    return F.pixel_shuffle(F.pixel_shuffle(mixed, 2), 2)


def mix(options: list[Tensor], weights: tuple[Tensor, ...]) -> Tensor:
    """Give the mean of the options by weights above 0."""
    total = sum(weight * option for option, weight in zip(options, weights, strict=True))
    return total / sum(weights)


def _weights(logits: Tensor) -> Tensor:
    """Turn logits into weights; bounded, since a softmax without its maximum taken off is five
    passes cheaper.
    """
    return (_DECISIVENESS * logits).clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT).exp()


def _neighbours(x: Tensor, dilation: int) -> list[Tensor]:
    """(B,1,h,w) -> nine of it, borders repeated."""
    height, width = x.shape[2:]
    padded = F.pad(x, (dilation,) * 4, mode="replicate")
    steps = (0, dilation, 2 * dilation)
    return [padded[:, :, v : v + height, u : u + width] for v in steps for u in steps]


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )

"""A stereo network that starts from classical matching and learns what that cannot: to aggregate
and fill.

Semi-global matching answers textured, visible surfaces to a fraction of a pixel, and fails in
holes, shadows of foreground objects, flat walls and along depth edges. The network gets its answer
as an input, measures a local cost volume around it with learned features, and moves disparity over
the image by learned affinities (Cheng et al. 2018, "Depth Estimation via Affinity Learned with
Convolutional Spatial Propagation", eq. 1, with dilations 16 to 1), corrects it once more against a
second volume, and upsamples convexly (Teed & Deng 2020, RAFT).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DIVISOR = 32
OFFSETS_PX = tuple(
    range(-3, 4)
)  # the local volume's disparities around the current one, half-resolution pixels
_DILATIONS = (16, 8, 4, 2, 1)
# Logits of a choice between disparities are multiplied by this. Soft weights mix foreground with
# background, which is right nowhere: on held-out procedural pairs a trained net gave 17.0 % bad2
# with 1, 16.5 with 3, 16.4 with 10.
_DECISIVENESS = 5.0
_LOG_SIGMA = (-4.0, 5.0)  # 0.02 to 148 px
_SCALE_PX = 32.0  # disparities enter the network divided by this


class StereoNet(nn.Module):
    """Refine a matched disparity.

    forward(left, right, prior): left, right (B,3,H,W) RGB in [0,1]; prior (B,2,H,W): disparity in
    px with its holes filled, and 1 where it was answered, 0 where filled. H and W are multiples of
    32. Returns disparity (B,1,H,W) px and log_sigma (B,1,H,W), the logarithm of one standard
    deviation in px.
    """

    def __init__(self, width: int = 16):
        super().__init__()
        w = width
        self.features = nn.Sequential(_conv(3, 8, stride=2), _conv(8, 8), nn.Conv2d(8, 8, 1))
        self.entry = _conv(12 + 8 + 8 + len(OFFSETS_PX), w)
        sizes = (w, 2 * w, 3 * w, 4 * w, 4 * w)
        self.down = nn.ModuleList(
            nn.Sequential(_conv(a, b, stride=2), _conv(b, b)) for a, b in zip(sizes, sizes[1:])
        )
        self.up = nn.ModuleList(_conv(a + b, a) for a, b in zip(sizes, sizes[1:]))
        self.guess = nn.Conv2d(w, 1, 3, padding=1)
        self.affinity = nn.Conv2d(w, 9 * len(_DILATIONS), 1)
        self.refine = nn.Sequential(_conv(w + len(OFFSETS_PX) + 2, w), _conv(w, w))
        self.head = nn.Conv2d(
            w, 1 + 40 + 4, 3, padding=1
        )  # step, 10 weights and a log sigma for each of 2 x 2 pixels
        self._start_from_the_match()

    def _start_from_the_match(self):
        """Untrained, the network hardly changes its prior: training starts near the error of the
        match.
        """
        for layer in (self.guess, self.affinity, self.head):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.affinity.bias.view(-1, 9)[:, 4] = 2.0 / _DECISIVENESS  # stay
            self.head.bias[1 + 36 : 1 + 40] = 2.5 / _DECISIVENESS  # the matched value

    def forward(self, left: Tensor, right: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        return self.stages(left, right, prior)[1:]

    def stages(
        self, left: Tensor, right: Tensor, prior: Tensor
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """As forward, with the half-resolution disparities (B,1,H/2,W/2) px guessed and moved,
        in front.
        """
        here, there = self.features(left - 0.5), self.features(right - 0.5)
        given = F.pixel_unshuffle(prior, 2)
        start = given[:, :1]  # the top left of each 2 x 2: a mean would invent surfaces between two
        known = F.pixel_unshuffle(left - 0.5, 2), given[:, :4] / _SCALE_PX, given[:, 4:]
        x = self.entry(torch.cat([*known, here, local_volume(here, there, start)], 1))
        x = self._unet(x)
        guess = disparity = start + 8 * self.guess(x)
        affinity = self.affinity(x).chunk(len(_DILATIONS), 1)
        for weights, dilation in zip(affinity, _DILATIONS):
            disparity = propagate(disparity, weights, dilation)
        change = torch.cat([disparity, disparity - start], 1) / _SCALE_PX
        x = x + self.refine(torch.cat([x, local_volume(here, there, disparity), change], 1))
        step, weights, log_sigma = self.head(x).split((1, 40, 4), 1)
        final = upsample(disparity + step, prior[:, :1], weights)
        return [guess, disparity], final, F.pixel_shuffle(log_sigma.clamp(*_LOG_SIGMA), 2)

    def _unet(self, x: Tensor) -> Tensor:
        skips = []
        for block in self.down:
            skips.append(x)
            x = block(x)
        for block, skip in zip(reversed(self.up), reversed(skips)):
            x = block(torch.cat([skip, F.interpolate(x, scale_factor=2, mode="nearest")], 1))
        return x


def local_volume(here: Tensor, there: Tensor, disparity: Tensor) -> Tensor:
    """Compare left features with right ones around a disparity.

    here, there: (B,C,h,w) features at half resolution; disparity (B,1,h,w) in full-resolution px.
    Returns (B,K,h,w): mean absolute difference at disparity/2 + OFFSETS_PX, linear between columns,
    borders repeated.
    """
    batch, channels, height, width = here.shape
    shift = (disparity / 2).detach()
    whole = torch.floor(shift)
    column = torch.arange(width, device=here.device, dtype=here.dtype).view(1, 1, 1, width) - whole
    taps = []
    for offset in range(OFFSETS_PX[0], OFFSETS_PX[-1] + 2):
        index = (column - offset).clamp(0, width - 1).long().expand(batch, channels, height, width)
        taps.append(torch.gather(there, 3, index))
    part = shift - whole
    costs = [
        (here - (a + (b - a) * part)).abs().mean(1, keepdim=True) for a, b in zip(taps, taps[1:])
    ]
    return torch.cat(costs, 1)


def propagate(x: Tensor, logits: Tensor, dilation: int) -> Tensor:
    """Replace x (B,1,h,w) by a convex mix of its 3 x 3 neighbours `dilation` apart; logits
    (B,9,h,w).
    """
    return _choose(_neighbours(x, dilation), logits)


def upsample(half: Tensor, prior: Tensor, logits: Tensor) -> Tensor:
    """Mix 3 x 3 half-resolution values and the matched one into each full-resolution pixel.

    half (B,1,h,w) px; prior (B,1,2h,2w) px; logits (B,40,h,w): 10 weights for each of 2 x 2.
    Returns (B,1,2h,2w).
    """
    batch, _, height, width = half.shape
    options = _neighbours(half, 1).unsqueeze(2).expand(batch, 9, 4, height, width)
    options = torch.cat([options, F.pixel_unshuffle(prior, 2).unsqueeze(1)], 1)
    chosen = _choose(options, logits.view(batch, 10, 4, height, width))
    return F.pixel_shuffle(chosen.squeeze(1), 2)


def _choose(options: Tensor, logits: Tensor) -> Tensor:
    """Mix options over axis 1 by the softmax of the logits, spelt out: ONNX Runtime's own is
    slow on that axis.
    """
    weights = (_DECISIVENESS * (logits - logits.amax(1, keepdim=True))).exp()
    return (weights * options).sum(1, keepdim=True) / weights.sum(1, keepdim=True)


def _neighbours(x: Tensor, dilation: int) -> Tensor:
    """(B,1,h,w) -> (B,9,h,w), borders repeated."""
    height, width = x.shape[2:]
    padded = F.pad(x, (dilation,) * 4, mode="replicate")
    steps = (0, dilation, 2 * dilation)
    return torch.cat([padded[:, :, v : v + height, u : u + width] for v in steps for u in steps], 1)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.1, inplace=True),
    )

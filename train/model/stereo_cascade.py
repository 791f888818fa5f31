"""Stereo networks that refine a classical match: one stage is fast, two stages from coarse to fine
are accurate.

A stage gets the answer of semi-global matching as an input and learns to aggregate, to fill and to
sharpen it: learned features compared around the match, a U-Net, disparity moved over the image by
learned affinities (Cheng et al. 2018, "Depth Estimation via Affinity Learned with Convolutional
Spatial Propagation", eq. 1), and a choice for each pixel among its four nearest slanted planes, the
match and, in the second stage, the answer of the first (convex upsampling of Teed & Deng 2020,
RAFT, with planes and candidates instead of nine constants). The second stage works an octave finer;
the coarse answer as its input is what keeps it right where the finer match is ambiguous. Where a
pixel is hidden from the right camera follows from the disparities alone (see occlusion_margin) and
is an input. The form follows the clock of a CPU and the range of half precision: ReLU convolutions
carry nearly all of the work; column indices, exponentials and disparities are few and stay in
float.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DIVISOR = 32
_MATCHED = tuple(range(-4, 5))  # columns compared around the match, cells
_ANSWERED = (-1, 0, 1)  # the same around the coarser answer
_SUBPIXEL = (-0.5, 0.0, 0.5)  # the same around the stage's own disparity, half cells
_DECISIVENESS = 5.0  # a softmax this sharp chooses; a softer one blurs depth edges
_LARGEST_LOGIT = 30.0
_LOG_SIGMA = (-4.0, 5.0)  # 0.02 to 148 quarter cells
_SCALE = 32.0  # disparities enter convolutions divided by this
_OCCLUDER_REACH = 7  # an occluder is looked for within 2 ** 7 cells
# Indices into a 3 x 3 neighbourhood for the quadrants top left, top right, bottom left, bottom
# right of a cell: the cell itself, the nearest above or below, the nearest to the left or right,
# the nearest diagonal one.
_NEAREST = ((4, 4, 4, 4), (1, 1, 7, 7), (3, 5, 3, 5), (0, 2, 6, 8))


@dataclass(frozen=True)
class StageSize:
    """Form of one stage.

    cell_px: side of the square of image pixels that one cell of the trunk answers for, 2 or 4.
    widths: channels of the trunk at each octave, finest first. dilations: of the propagation, in
    cells. residual: residual blocks per coarser octave. tail: channels that choose. follows:
    whether a coarser answer is an input.
    """

    cell_px: int
    widths: tuple[int, ...] = (32, 48, 64, 96)
    dilations: tuple[int, ...] = (8, 4, 2, 1)
    residual: int = 0
    tail: int = 32
    follows: bool = False


FAST = StageSize(cell_px=4, residual=1, tail=32)
FINE = StageSize(
    cell_px=2,
    widths=(32, 48, 64, 96, 128),
    dilations=(32, 16, 8, 4, 2, 1),
    residual=1,
    follows=True,
)


@dataclass(frozen=True)
class StageOutput:
    """Disparities (B,1,H,W) px that a stage passes through, at its own resolutions.

    guess, moved: (B,1,H/cell_px,W/cell_px), before and after propagation. disparity, log_sigma:
    (B,1,H,W), the answer and the natural logarithm of its standard deviation in px.
    """

    guess: Tensor
    moved: Tensor
    disparity: Tensor
    log_sigma: Tensor


class RefinementStage(nn.Module):
    """Refine a matched disparity; see the module.

    Inside, disparities are in quarters of a cell, so that a stage of any cell_px computes in the
    same numbers.
    """

    def __init__(self, size: StageSize):
        super().__init__()
        self.size = size
        self.samples = size.cell_px // 2  # answers per sample of the match, along each side
        widths = size.widths
        width = widths[0]
        self.half_features = _conv(3, 8, stride=self.samples)
        self.half_match = nn.Conv2d(8, 4, 1)
        self.features = nn.Sequential(_conv(8, 16, stride=2), _conv(16, 16))
        self.match = nn.Conv2d(16, 8, 1)
        extra = 8 if size.follows else 2
        self.entry = _conv(16 + len(_MATCHED) + 4 + 8 + extra, width)
        self.down = nn.ModuleList(
            nn.Sequential(
                _conv(a, b, stride=2), _conv(b, b), *(_Residual(b) for _ in range(size.residual))
            )
            for a, b in zip(widths, widths[1:])
        )
        self.up = nn.ModuleList(_conv(a + b, a) for a, b in zip(widths, widths[1:]))
        self.guess = nn.Conv2d(width, 1, 3, padding=1)
        self.trust = nn.Conv2d(width, 1, 3, padding=1) if size.follows else None
        self.affinity = nn.Conv2d(width, 9 * len(size.dilations), 1)
        self.refine = _conv(width + 2, width)
        tail_inputs = width + 2 + 4 + 3 * size.cell_px**2 + 4 * len(_SUBPIXEL)
        self.tail = nn.Sequential(_conv(tail_inputs, size.tail), _conv(size.tail, size.tail))
        self.options = 6 if size.follows else 5  # four planes, the match, the coarser answer
        per_cell = size.cell_px**2
        self.choice = nn.Conv2d(width, 5 * per_cell, 1)
        self.slant = nn.Conv2d(size.tail, self.options * per_cell + 2 + 4, 1)
        self.spread = nn.Conv2d(size.tail, per_cell, 1)
        self._start_from_the_match()

    def _start_from_the_match(self) -> None:
        """Untrained, a stage hardly changes what it is given: training starts near the error of
        the match.
        """
        layers = [self.guess, self.affinity, self.choice, self.slant, self.spread]
        if self.trust is not None:
            layers.append(self.trust)
        for layer in layers:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        per_cell = self.size.cell_px**2
        with torch.no_grad():
            self.affinity.bias.view(-1, 9)[:, 4] = 6.0 / _DECISIVENESS  # stay
            self.choice.bias[4 * per_cell :] = 2.5 / _DECISIVENESS  # the matched value
            if self.trust is not None:
                self.trust.bias.fill_(-3.0)
                self.slant.bias[5 * per_cell : 6 * per_cell] = -0.6

    def forward(
        self, left: Tensor, right: Tensor, prior: Tensor, answer: Tensor | None = None
    ) -> StageOutput:
        """Refine `prior` (B,2,H/s,W/s), s = cell_px / 2: disparity in px of the image, filled, and
        1 where answered.

        left, right: (B,3,H,W) RGB in [0,1], sides multiples of 32. answer: (B,1,H,W) px, of the
        coarser stage.
        """
        unit_px = self.size.cell_px / 4
        given = F.pixel_unshuffle(prior[:, :1] / unit_px, 2)
        answered = F.pixel_unshuffle(prior[:, 1:], 2)
        start = given[:, :1]  # the top left of each 2 x 2: a mean would invent surfaces between two
        half_here, half_there = self.half_features(left), self.half_features(right)
        here, there = self.features(half_here), self.features(half_there)
        match_here, match_there = self.match(here), self.match(there)
        half_match_here, half_match_there = self.half_match(half_here), self.half_match(half_there)

        # What is known of each cell: its look, how well shifts around the match explain it, the
        # match, who hides it.
        costs = local_costs(match_here, match_there, start / 4, _MATCHED)
        fine = local_costs(half_match_here, half_match_there, prior[:, :1] / (2 * unit_px), (0,))
        known = [here, costs, F.pixel_unshuffle(fine, 2), given / _SCALE, answered]
        coarse = None
        if answer is None:
            known.append(occlusion_margin(start / 4))
        else:
            samples = F.pixel_unshuffle(answer / unit_px, self.size.cell_px)
            coarse = samples[:, :1]
            own = local_costs(match_here, match_there, coarse / 4, _ANSWERED)
            apart = (coarse - start) / 16
            known += [
                own,
                apart.clamp(-2, 2),
                (8 * apart).clamp(-1, 1),
                costs[:, 4:5] - own[:, 1:2],
            ]
            known.append(occlusion_margin(coarse / 4))

        # A disparity for each cell, then moved along surfaces over the image.
        x = self._unet(self.entry(torch.cat(known, 1)))
        guess = start + 8 * self.guess(x)
        if coarse is not None:
            trust = torch.sigmoid(self.trust(x))
            guess = guess + trust * (coarse - guess)
        moved = self._propagate(guess, self.affinity(x))
        x = self.refine(torch.cat([x, moved / _SCALE, (moved - start) / _SCALE], 1))

        # A choice for each pixel, seen at the resolution of the image.
        subpixel = F.interpolate(moved / 2, scale_factor=2, mode="nearest")
        subpixel = local_costs_subpixel(half_match_here, half_match_there, subpixel, _SUBPIXEL)
        seen = [
            x,
            moved / _SCALE,
            (moved - start) / 8,
            ((given - moved) / 8).clamp(-2, 2),
            F.pixel_unshuffle(left - 0.5, self.size.cell_px),
            F.pixel_unshuffle(subpixel, 2) * 2,
        ]
        y = self.tail(torch.cat(seen, 1))
        candidates = [self._spread_samples(given)]
        if coarse is not None:
            candidates.append(self._by_quadrant(samples))
        disparity = self._choose(moved, candidates, self.choice(x), self.slant(y))
        log_sigma = self._pixels(self.spread(y)).clamp(*_LOG_SIGMA)
        return StageOutput(
            guess * unit_px,
            moved * unit_px,
            disparity * unit_px,
            log_sigma + torch.log(torch.tensor(unit_px)),
        )

    def _unet(self, x: Tensor) -> Tensor:
        skips = []
        for block in self.down:
            skips.append(x)
            x = block(x)
        for block, skip in zip(reversed(self.up), reversed(skips)):
            x = F.interpolate(x, size=skip.shape[2:], mode="nearest")
            x = block(torch.cat([skip, x], 1))
        return x

    def _propagate(self, disparity: Tensor, affinity: Tensor) -> Tensor:
        """Replace each value by a weighted mean of its neighbourhood, near ones last."""
        weights = _weights(affinity).split(1, 1)
        for number, dilation in enumerate(self.size.dilations):
            disparity = mix(_neighbours(disparity, dilation), weights[9 * number : 9 * number + 9])
        return disparity

    def _choose(
        self, moved: Tensor, candidates: list[Tensor], choice: Tensor, slant: Tensor
    ) -> Tensor:
        """Mix the planes of the four nearest cells and the candidates, (B,1,H,W) quarter cells."""
        per_cell = self.size.cell_px**2
        logits, slopes, offsets = slant.split((self.options * per_cell, 2, 4), 1)
        logits = torch.cat([choice + logits[:, : 5 * per_cell], logits[:, 5 * per_cell :]], 1)
        slope_u, slope_v = 2 * torch.tanh(slopes)[:, :1], 2 * torch.tanh(slopes)[:, 1:]
        offsets = (2 * torch.tanh(offsets)).repeat(1, self.samples**2, 1, 1)
        values, slopes_u, slopes_v = (_neighbours(x, 1) for x in (moved, slope_u, slope_v))
        u, v = self._positions(moved)
        planes = []
        for nearest in _NEAREST:
            # Quarter cells from where the neighbour's disparity is to the pixel.
            du = u - 4 * self._per_quadrant([i % 3 - 1 for i in nearest], moved)
            dv = v - 4 * self._per_quadrant([i // 3 - 1 for i in nearest], moved)
            value, along_u, along_v = (
                torch.cat([x[i] for i in nearest], 1).repeat(1, self.samples**2, 1, 1)
                for x in (values, slopes_u, slopes_v)
            )
            planes.append(value + along_u * du + along_v * dv + offsets)
        mixed = mix(planes + candidates, _weights(logits).split(per_cell, 1))
        return self._pixels_by_quadrant(mixed)

    # Channels of a cell's pixels are ordered (place within the quadrant, quadrant), as two pixel
    # shuffles put them.
    def _pixels_by_quadrant(self, x: Tensor) -> Tensor:
        for _ in range(self.size.cell_px // 2):
            x = F.pixel_shuffle(x, 2)
        return x

    def _by_quadrant(self, samples: Tensor) -> Tensor:
        """(B,cell_px^2,h,w) of one pixel unshuffle -> the order of _pixels_by_quadrant."""
        return (
            samples
            if self.samples == 1
            else F.pixel_unshuffle(F.pixel_unshuffle(self._pixels(samples), 2), 2)
        )

    def _pixels(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(x, self.size.cell_px)

    def _spread_samples(self, given: Tensor) -> Tensor:
        """Give each pixel of a quadrant the sample of the match in it."""
        return given.repeat(1, self.samples**2, 1, 1)

    def _positions(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Place of each pixel of a cell from its top left one, where a cell's disparity is;
        quarter cells, u and v.
        """
        step = 4 / self.size.cell_px
        side = torch.arange(self.size.cell_px, dtype=like.dtype, device=like.device) * step
        grid_v, grid_u = torch.meshgrid(side, side, indexing="ij")
        places = torch.stack([grid_u, grid_v])[None].view(
            2, 1, self.size.cell_px, self.size.cell_px
        )
        for _ in range(self.size.cell_px // 2):
            places = F.pixel_unshuffle(places, 2)
        return places[:1], places[1:]

    def _per_quadrant(self, values: list[int], like: Tensor) -> Tensor:
        row = torch.tensor(values, dtype=like.dtype, device=like.device).view(1, 4, 1, 1)
        return row.repeat(1, self.samples**2, 1, 1)

    @torch.no_grad()
    def scale_spread(self, slope: float, offset: float) -> None:
        """Make log_sigma slope times what it is, plus offset; see
        train.export.sigma_calibration.
        """
        unit = float(torch.log(torch.tensor(self.size.cell_px / 4)))
        self.spread.weight.mul_(slope)
        self.spread.bias.mul_(slope).add_(offset + (slope - 1) * unit)


class FastStereoNet(nn.Module):
    """One stage on a match at half resolution.

    forward(left, right, prior): left, right (B,3,H,W) RGB in [0,1]; prior (B,2,H/2,W/2): disparity
    in px of the full resolution with its holes filled, and 1 where it was answered, 0 where filled.
    H and W are multiples of 32. Returns disparity (B,1,H,W) px and log_sigma (B,1,H,W), the
    logarithm of one standard deviation in px.
    """

    def __init__(self, size: StageSize = FAST):
        super().__init__()
        self.stage = RefinementStage(size)

    @classmethod
    def of(cls, stage: RefinementStage) -> FastStereoNet:
        """Make the network of a stage that is trained already, such as the coarse one of a
        cascade.
        """
        net = cls(stage.size)
        net.stage.load_state_dict(stage.state_dict())
        return net.train(stage.training)

    def forward(self, left: Tensor, right: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        answer = self.stage(left, right, prior)
        return answer.disparity, answer.log_sigma

    def stages(self, left: Tensor, right: Tensor, prior: Tensor) -> list[StageOutput]:
        """As forward, with what is judged on the way."""
        return [self.stage(left, right, prior)]

    def all_stages(self) -> list[RefinementStage]:
        """The stages in the order of `stages`."""
        return [self.stage]


class CascadeStereoNet(nn.Module):
    """Two stages on a match at full resolution: the fast network on every second sample of it, then
    an octave finer.

    forward as FastStereoNet, with prior (B,2,H,W).
    """

    def __init__(self, coarse: StageSize = FAST, fine: StageSize = FINE):
        super().__init__()
        self.coarse = RefinementStage(coarse)
        self.fine = RefinementStage(fine)

    def forward(self, left: Tensor, right: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        answer = self.stages(left, right, prior)[-1]
        return answer.disparity, answer.log_sigma

    def stages(
        self, left: Tensor, right: Tensor, prior: Tensor, half_prior: Tensor | None = None
    ) -> list[StageOutput]:
        """As forward, with what is judged on the way, coarse stage first.

        half_prior: (B,2,H/2,W/2) for the coarse stage instead of samples of the prior: what
        FastStereoNet is given.
        """
        if half_prior is None:
            half_prior = prior[:, :, ::2, ::2]
        coarse = self.coarse(left, right, half_prior)
        return [coarse, self.fine(left, right, prior, coarse.disparity.detach())]

    def all_stages(self) -> list[RefinementStage]:
        """The stages in the order of `stages`."""
        return [self.coarse, self.fine]


class _Residual(nn.Module):
    """Two convolutions beside the identity (He et al. 2016), which they start as."""

    def __init__(self, width: int):
        super().__init__()
        self.first = _conv(width, width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )
        nn.init.zeros_(self.second[1].weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


def local_costs(here: Tensor, there: Tensor, shift: Tensor, offsets: tuple[int, ...]) -> Tensor:
    """Compare left features with right ones around a disparity, at whole columns.

    here, there (B,C,h,w); shift (B,1,h,w) px of them, rounded here. Returns (B,len(offsets),h,w):
    mean absolute difference at shift + offset, borders repeated.
    """
    width = here.shape[3]
    column = _columns(here) - torch.round(shift[:, 0])
    gathered = _RightFeatures(there)
    costs = [gathered.cost(here, (column - offset).clamp(0, width - 1)) for offset in offsets]
    return torch.cat(costs, 1)


def local_costs_subpixel(
    here: Tensor, there: Tensor, shift: Tensor, offsets: tuple[float, ...]
) -> Tensor:
    """As local_costs at fractions of a column: right features are interpolated linearly, with a
    slope for `shift`.
    """
    width = here.shape[3]
    gathered = _RightFeatures(there)
    costs = []
    for offset in offsets:
        column = (_columns(here) - shift[:, 0] - offset).clamp(0, width - 1)
        whole = column.detach().floor().clamp(max=width - 2)
        costs.append(gathered.cost(here, whole, column - whole))
    return torch.cat(costs, 1)


class _RightFeatures:
    """Feature vectors of the right image, gathered by row and column."""

    def __init__(self, there: Tensor):
        batch, self.channels, height, width = there.shape
        self.shape = batch, 1, height, width
        self.flat = there.permute(0, 2, 3, 1).reshape(-1, self.channels)
        row = torch.arange(batch * height, device=there.device, dtype=there.dtype)
        self.row = row.view(batch, height, 1) * width
        # A product instead of a mean: ONNX Runtime is slow at means of few channels.
        self.mean = torch.full(
            (self.channels, 1), 1 / self.channels, device=there.device, dtype=there.dtype
        )

    def cost(self, here: Tensor, column: Tensor, fraction: Tensor | None = None) -> Tensor:
        """Mean absolute difference of left features (B,C,h,w) and those at columns (B,h,w),
        (B,1,h,w).
        """
        index = (self.row + column).long().view(-1)
        found = self.flat[index]
        if fraction is not None:
            found = found + (self.flat[index + 1] - found) * fraction.reshape(-1, 1)
        wanted = here.permute(0, 2, 3, 1).reshape(-1, self.channels)
        return ((found - wanted).abs() @ self.mean).view(self.shape)


def occlusion_margin(shift: Tensor) -> Tensor:
    """How far left pixels lie hidden in the right image, from their disparities alone.

    shift (B,1,h,w): disparity in columns of itself. A pixel at column x lands at x - shift; where
    one further to the right lands at or before it, the nearer of them hides the other. Returns
    (B,2,h,w): columns by which a pixel to the right reaches past this one, 0 or more where hidden,
    and columns outside the right image, both within [-2, 2].

    >>> flat_then_near = torch.tensor(
    ...     [[[[1.0, 1.0, 1.0, 1.0, 3.0, 3.0]]]]
    ... )  # the last two hide the two before them
    >>> occlusion_margin(flat_then_near)[0, 0, 0].tolist()
    [-1.0, -1.0, 0.0, 1.0, -1.0, -2.0]
    """
    lands = _columns(shift)[None] - shift
    width = shift.shape[3]
    least = F.pad(lands, (0, 1), value=1e4)[
        ..., 1:
    ]  # of the columns strictly to the right, by doubling the reach
    for power in range(_OCCLUDER_REACH):
        reach = 2**power
        least = torch.minimum(
            least, F.pad(least, (0, reach), value=1e4)[..., reach : reach + width]
        )
    return torch.cat([lands - least, -lands], 1).clamp(-2, 2)


def mix(options: list[Tensor], weights: tuple[Tensor, ...]) -> Tensor:
    """Mean of the options by weights above 0."""
    total = sum(weight * option for option, weight in zip(options, weights, strict=True))
    return total / sum(weights)


def _weights(logits: Tensor) -> Tensor:
    """Turn logits into weights; bounded, since a softmax without its maximum taken off is five
    passes cheaper.
    """
    return (_DECISIVENESS * logits).clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT).exp()


def _columns(like: Tensor) -> Tensor:
    return torch.arange(like.shape[3], device=like.device, dtype=like.dtype).view(1, 1, -1)


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

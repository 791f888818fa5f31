"""How far an engine may be from float32, output by output: from the numerics of each precision, not
from what came out.

**Noise of the features**, relative to their size. A half has 11 bits: rounding it errs by at most
2^-12 to 2^-11, by 1.4e-4 on average. An 8-bit activation whose range is 8 times its standard
deviation moves in steps of 8/127 of that, and errs by a step / sqrt(12), 1.8 %; a weight, whose
range is 4 times, by 0.9 %: together 2 %. A float32 sum of K = 1000 terms in another order differs
by sqrt(K) 2^-24 = 2e-6. Errors of layers add in squares, so L layers make sqrt(L) times that; with
L = 64, more than any shipped network has in a row:

    fp32 2e-5,    fp16 sqrt(2 * 64) * 1.4e-4 = 1.6e-3 (input and weight),    int8 8 * 2 % = 0.16.

**What it does to an answer.** Depth is exp(ln(far / near) * sigmoid(logit)), with ln(far / near) =
6 and a slope of at most 1/4: it moves, relative to itself, by 1.5 times the noise of a logit of
size 1, so by 2.4e-3 in fp16; `mean` leaves a factor of 4 for larger logits. int8's noise is a bound
that is not reached, because depthwise layers and those at the borders of the islands are halves:
0.1. The same holds for ln sigma, whose range is 9. The whole step of one camera resizes the image
itself, and rounds some pixels to the other of two grey levels, 4e-3 of full scale: `metres` and
`sigma_m` get that on top. A disparity is a match, which comes in float32, and a mean of options
with weights exp(l), |l| up to 5 where options compete: where they agree to a pixel or two, noise *
l * 2 px = 0.016 px in fp16, 1e-3 in fp32 at ten times its noise; in int8 0.2, as only halves make
the weights. A pose is 0.01 times a mean of features over the image: 2e-3 is 0.2 of a feature, 100
times their noise in fp16, since rotations and translations of some datasets are scaled up.

**The tail.** At an edge two options lie tens of pixels apart, and a small change of weights moves
much: `p99` is ten times the mean (five in depth, which has no such options). A match that is chosen
anew is 3 px or more off (what KITTI counts as an error), at single pixels; a fault of a library
happens to rows, columns or tiles: of what is off by more than `gross`, `share` is at most 3e-4,
less than one column of an image 2000 px wide, and no row or column on its own, `line`, is off by
more than p99.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

# kept with an outcome: raise it where a number here changes, so that refusals are judged anew
TOLERANCES = "2"


@dataclass(frozen=True)
class Tolerance:
    """What an output may be off by.

    mean, p99: over the pixels of a frame. line: the largest mean over a row or a column. share: of
    the pixels that may be off by more than gross.
    """

    mean: float
    p99: float
    line: float
    gross: float
    share: float

    def plus(self, noise: float) -> Tolerance:
        """The tolerance where something else adds noise; its tail is ten times its mean here as
        well.
        """
        return replace(
            self, mean=self.mean + noise, p99=self.p99 + 10 * noise, line=self.line + 10 * noise
        )


@dataclass(frozen=True)
class Quantity:
    """What an output is: its unit, whether differences count relative to the value, and what
    each precision may do.
    """

    unit: str
    relative: bool
    by_precision: dict[str, Tolerance]


_SHARE = 3e-4  # of the pixels: half a column of 640, or of a row of 480 lines
_DISPARITY = Quantity(
    "px",
    False,
    {
        "fp32": Tolerance(mean=0.001, p99=0.01, line=0.01, gross=0.5, share=_SHARE),
        "fp16": Tolerance(mean=0.02, p99=0.2, line=0.2, gross=3.0, share=_SHARE),
        "int8": Tolerance(mean=0.2, p99=2.0, line=2.0, gross=10.0, share=_SHARE),
    },
)
_DEPTH = Quantity(
    "of the depth",
    True,
    {
        "fp32": Tolerance(mean=1e-3, p99=0.01, line=0.01, gross=0.05, share=_SHARE),
        "fp16": Tolerance(mean=0.01, p99=0.05, line=0.05, gross=0.2, share=_SHARE),
        "int8": Tolerance(mean=0.1, p99=0.5, line=0.5, gross=1.0, share=_SHARE),
    },
)
_RESIZED = 4e-3  # one grey level of 255
_METRES = Quantity(
    "of the depth",
    True,
    {name: limit.plus(_RESIZED) for name, limit in _DEPTH.by_precision.items()},
)
_LOG_SIGMA = Quantity(
    "of ln sigma",
    False,
    {
        "fp32": Tolerance(mean=1e-3, p99=0.01, line=0.01, gross=0.1, share=_SHARE),
        "fp16": Tolerance(mean=0.01, p99=0.05, line=0.05, gross=0.5, share=_SHARE),
        "int8": Tolerance(mean=0.2, p99=1.0, line=1.0, gross=3.0, share=_SHARE),
    },
)
_SIGMA_M = Quantity(
    "of ln sigma",
    False,
    {name: limit.plus(_RESIZED) for name, limit in _LOG_SIGMA.by_precision.items()},
)
_POSE = Quantity(  # six numbers, of which each may be the largest
    "rad and m",
    False,
    {
        "fp32": Tolerance(mean=1e-4, p99=5e-4, line=5e-4, gross=5e-4, share=0.0),
        "fp16": Tolerance(mean=2e-3, p99=1e-2, line=1e-2, gross=1e-2, share=0.0),
        "int8": Tolerance(mean=0.01, p99=0.05, line=0.05, gross=0.05, share=0.0),
    },
)
QUANTITIES = {
    "disparity": _DISPARITY,
    "log_sigma": _LOG_SIGMA,
    "depth": _DEPTH,
    "log_rel_sigma": _LOG_SIGMA,
    "metres": _METRES,  # of the whole step with one camera; with two it is judged as disparity
    "sigma_m": _SIGMA_M,
    "pose": _POSE,
}

"""Stereo networks that refine a classical match: one stage is fast, two stages from coarse to fine
are accurate.

The second stage works an octave finer than the first. The coarse estimate as its input is what
keeps it right where the finer match is ambiguous: resolution alone did not generalise.
"""

from __future__ import annotations

from torch import Tensor, nn

from train.model.stereo_stage import RefinementStage, StageOutput, StageSize

DIVISOR = 32
FAST = StageSize(cell_px=4, residual=1)
FINE = StageSize(
    cell_px=2,
    widths=(32, 48, 64, 96, 128),
    dilations=(32, 16, 8, 4, 2, 1),
    residual=1,
    follows=True,
)


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

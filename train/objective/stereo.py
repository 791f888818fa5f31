"""Stereo: disparity supervised by rendered worlds, from a stream of crops."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from depth_ros.core.errors import InputError
from train.data.batches import Sizes, held_out_keys
from train.data.stereo_stream import CropStream
from train.losses import stereo_loss
from train.model.stereo_cascade import CascadeStereoNet, FastStereoNet
from train.model.stereo_stage import StageOutput
from train.recipe import Recipe


class StereoObjective(nn.Module):
    """A stereo network and its loss; see train.objective.Objective.

    The cascade's coarse stage is given the match at half resolution in half of the steps, as the
    fast network is, and samples of the match at full resolution in the others: one training makes
    both networks.
    """

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.recipe = recipe
        self.net = FastStereoNet() if recipe.network.prior_scale == 2 else CascadeStereoNet()

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        stages = self.stages(batch, half=bool(torch.rand(()) < 0.5))
        truth, mask = batch["truth"], batch["mask"]
        with torch.no_grad():
            parts = {
                "bad2_pct": bad_share(stages[-1].disparity, truth, mask),
                "coarse_bad2_pct": bad_share(stages[0].disparity, truth, mask),
                "matched_bad2_pct": bad_share(batch["prior"][:, :1], truth, mask),
            }
        return stereo_loss(stages, truth, mask), parts

    def stages(self, batch: dict[str, Tensor], half: bool = True) -> list[StageOutput]:
        """What the network answers for a batch; half: its coarse stage is given the match at
        half resolution.
        """
        left, right = batch["left"], batch["right"]
        if isinstance(self.net, FastStereoNet):
            return self.net.stages(left, right, batch["half_prior"])
        return self.net.stages(left, right, batch["prior"], batch["half_prior"] if half else None)

    def samples(self, part: str, frames=None) -> Sizes:
        """Crops that a producer keeps (python -m train stream); held-out ones in the folder
        beside, PATH_held_out.
        """
        if frames is not None:
            raise InputError("task stereo: expected a folder of crops (data.path), got frames")
        folder = Path(self.recipe.data.path)
        if part == "train":
            return Sizes([CropStream(folder, seed=self.recipe.fit.seed)])
        return Sizes([CropStream(folder.with_name(folder.name + "_held_out"), ordered=True)])

    def score(self, samples: Sizes, device) -> tuple[dict[str, float], dict[str, Tensor]]:
        rows, picture = [], None
        for key in held_out_keys(samples):
            item = {name: value[None].to(device) for name, value in samples[key].items()}
            coarse, final = (
                self.stages(item, half)[i].disparity for half, i in ((True, 0), (False, -1))
            )
            maps = {
                "bad2_pct": (final, 2),
                "bad1_pct": (final, 1),
                "coarse_bad2_pct": (coarse, 2),
                "coarse_bad1_pct": (coarse, 1),
                "matched_bad2_pct": (item["prior"][:, :1], 2),
            }
            rows.append(
                [float(bad_share(x, item["truth"], item["mask"], px)) for x, px in maps.values()]
            )
            if picture is None:
                top = item["truth"].amax().clamp(min=1)
                picture = torch.cat(
                    [item["left"][0], (final[0] / top).clamp(0, 1).expand(3, -1, -1)], 1
                )
        return dict(zip(maps, torch.tensor(rows).mean(0).tolist())), {"disparity": picture}


def bad_share(disparity: Tensor, truth: Tensor, mask: Tensor, px: float = 2.0) -> Tensor:
    """Give the percentage of judged pixels whose disparity is wrong by more than `px`, a scalar."""
    wrong = ((disparity - truth).abs() > px) & mask
    return 100 * wrong.sum() / mask.sum().clamp(min=1)

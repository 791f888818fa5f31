"""What a training minimises: networks and losses as one module, by the recipe's task."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from train.recipe import Recipe


class Objective(Protocol):
    """A torch module whose parameters are trained.

    Calling it with a batch gives the loss, a scalar, and its parts by name.
    """

    def __call__(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]: ...

    def samples(self, part: str, frames=None):
        """Return the train.data.batches.Sizes of a part of the recipe's data, or of frames."""

    def score(self, samples, device) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Return figures by name, and pictures (3,H,W) in [0,1] by name, of held-out samples."""


def make_objective(recipe: Recipe) -> torch.nn.Module:
    """Make the objective of a recipe's task, with fresh weights."""
    if recipe.task == "stereo":
        from train.objective.stereo import StereoObjective

        return StereoObjective(recipe)
    if recipe.task == "pose":
        from train.objective.pose import PoseObjective

        return PoseObjective(recipe)
    from train.objective.depth import DepthObjective

    return DepthObjective(recipe)

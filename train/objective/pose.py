"""Motion alone, supervised where the recording knows it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from depth_ros.core.errors import InputError
from depth_ros.core.metrics import rotation_error_deg, translation_direction_error_deg
from train.data import read
from train.data.batches import Sizes, held_out_keys
from train.data.samples import Samples
from train.model.pose import PoseNet
from train.objective.motion import motion_loss, pair_poses
from train.recipe import Recipe
from train.warp import canonical_pose_to_metric, pose_to_matrix


class PoseObjective(nn.Module):
    """PoseNet and its error against known motion; see train.objective.Objective."""

    def __init__(self, recipe: Recipe):
        super().__init__()
        if (
            not recipe.data.offsets
            or recipe.pose.encoder == "shared"
            or recipe.pose.joint
            or recipe.pose.explain
        ):
            raise InputError(
                "task pose: expected data.offsets and a pose network of pairs, not shared, "
                "without a mask"
            )
        self.recipe = recipe
        pose = recipe.pose
        freeze = recipe.network.freeze_norm
        self.pose = PoseNet(
            pose.encoder, pose.backbone, 1, False, pose.pretrained, freeze_norm=freeze
        )

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        loss = motion_loss(self.motion(batch), batch, self.recipe)
        return loss, {"pose": loss.detach()}

    def motion(self, batch: dict[str, Tensor]) -> Tensor:
        """Return source_T_target (B,S,6), canonical."""
        return pair_poses(
            self.pose,
            batch["image_aug"],
            list(batch["sources_aug"].unbind(1)),
            self.recipe.data.offsets,
        )

    def samples(self, part: str, frames=None) -> Sizes:
        data = self.recipe.data
        training = part == "train"
        if frames is None:
            frames = read(data.reader, data.path, data.split, part)
        augment = data.augment and training
        sizes = [
            Samples(frames, *size, data.offsets, False, augment, self.recipe.fit.seed)
            for size in data.sizes
        ]
        if not sizes[0].has_poses:
            raise InputError(
                f"task pose: expected a recording with known poses, got none in {data.path}"
            )
        return Sizes(sizes)

    def score(self, samples: Sizes, device) -> tuple[dict[str, float], dict[str, Tensor]]:
        rotations = []
        directions = []
        for key in held_out_keys(samples, 64):
            batch = {name: value[None].to(device) for name, value in samples[key].items()}
            fx = batch["K"][:, 0, 0]
            focal_px = self.recipe.network.focal_px
            pose = canonical_pose_to_metric(self.motion(batch)[:, 0], fx, focal_px)
            guess = pose_to_matrix(pose)[0].cpu().numpy()
            truth = batch["source_T_target"][0, 0].cpu().numpy()
            rotations.append(rotation_error_deg(guess, truth))
            directions.append(translation_direction_error_deg(guess, truth))
        figures = {
            "rotation_deg": torch.tensor(rotations),
            "direction_deg": torch.tensor(directions),
        }
        return {name: float(value.nanmedian()) for name, value in figures.items()}, {}

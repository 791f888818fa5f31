"""Depth, and the motion that explains it: self-supervised by video and stereo, or supervised, as
the recipe says.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.data import read
from train.data.batches import Sizes
from train.data.samples import Samples
from train.losses import (
    auto_mask,
    depth_nll,
    explainability,
    left_right_consistency,
    mean_reprojection,
    minimum_reprojection,
    photometric,
    silog,
    smoothness,
)
from train.losses.masked import masked_mean
from train.model.depth import DepthNet, Prediction
from train.model.pose import PoseNet
from train.objective import score
from train.objective.motion import motion_loss, pair_poses
from train.recipe import Recipe
from train.warp import (
    canonical_pose_to_metric,
    pose_to_matrix,
    resize_intrinsics,
    warp,
    warp_disparity,
)

_TIE_NOISE = 1e-5


class DepthObjective(nn.Module):
    """DepthNet, perhaps PoseNet, and the terms of recipe.loss; see train.objective.Objective.

    What a sample must hold follows from the terms: sources or the right picture for the photometric
    ones, depth for the supervised ones.
    """

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.recipe = recipe
        net = recipe.network
        pose = recipe.pose
        self.depth = DepthNet(
            net.encoder,
            net.pretrained,
            net.left_right,
            net.log_sigma,
            net.min_depth_m,
            net.max_depth_m,
            scales=net.scales,
            freeze_norm=net.freeze_norm,
        )
        if pose.encoder == "shared":
            backbone = net.encoder
        else:
            backbone = pose.backbone
        if pose.joint:
            sources = len(recipe.data.offsets)
        else:
            sources = 1
        self.pose = None
        if pose.use:
            self.pose = PoseNet(
                pose.encoder,
                backbone,
                sources,
                pose.explain,
                pose.pretrained,
                freeze_norm=net.freeze_norm,
            )

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        weight = self.recipe.loss
        image = batch["image"]
        features = self.depth.features(batch["image_aug"])
        prediction = self.depth.decode(features)
        inv_depth = [self.metric(inv, batch) for inv in prediction.inv_depth]
        poses, masks = self.motion(batch, features)
        parts = {}
        if weight.photometric and self.recipe.network.left_right:
            parts |= self.both_views(batch, inv_depth)
        elif weight.photometric:
            parts["photometric"] = self.reprojection(batch, inv_depth, poses, masks)
        if weight.smoothness:
            parts["smoothness"] = sum(
                smoothness(inv[:, :1], _resized(image, inv)) / 2**s
                for s, inv in enumerate(inv_depth)
            )
        if weight.explain:
            parts["explain"] = sum(explainability(mask) for mask in masks) / len(masks)
        if weight.pose:
            parts["pose"] = motion_loss(poses, batch, self.recipe)
        parts |= self.supervised(batch, prediction, inv_depth)
        loss = sum(getattr(weight, name) * value for name, value in parts.items())
        return loss, {name: value.detach() for name, value in parts.items()}

    def metric(self, inv_depth: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Take canonical inverse depth to the camera of the batch: focal_px / fx (see
        Network.focal_px).
        """
        focal_px = self.recipe.network.focal_px
        if focal_px:
            return inv_depth * (focal_px / batch["K"][:, 0, 0]).view(-1, 1, 1, 1)
        return inv_depth

    def motion(self, batch: dict[str, Tensor], features: list[Tensor]):
        """Return poses (B,S,6), canonical, source_T_target, and explainability logits, finest
        first; or None, None.
        """
        if self.pose is None:
            return None, None
        shared = self.recipe.pose.encoder == "shared"
        sources = list(batch["sources_aug"].unbind(1))
        if shared:
            sources = [self.depth.features(source) for source in sources]
        if shared:
            target = features
        else:
            target = batch["image_aug"]
        if self.recipe.pose.joint:
            out = self.pose(target, sources if len(sources) > 1 else sources[0])
            poses, masks = out if self.recipe.pose.explain else (out, None)
            return (poses if poses.ndim == 3 else poses[:, None]), masks
        return pair_poses(self.pose, target, sources, self.recipe.data.offsets), None

    def reprojection(self, batch, inv_depth, poses, masks) -> Tensor:
        """Photometric error of the target seen through its sources, mean over the scales.

        Pixels outside a source's picture are compared with its border, as Godard 2019 does: a mask
        would reward pushing them out.
        """
        loss, images, transforms = self.recipe.loss, *self._sources(batch, poses)
        total = 0.0
        still = None
        for scale, inv in enumerate(inv_depth):
            target = batch["image"]
            K = batch["K"]
            views = images
            if loss.full_resolution:
                inv = F.interpolate(inv, target.shape[-2:], mode="bilinear", align_corners=False)
            else:
                ratio = inv.shape[-1] / target.shape[-1]
                K = resize_intrinsics(K, ratio, ratio)
                target = _resized(target, inv)
                views = [_resized(view, inv) for view in images]
            depth = 1 / inv[:, :1]
            seen = [warp(view, depth, pose, K)[0] for view, pose in zip(views, transforms)]
            error, _ = self._reduce(
                [photometric(view, target, loss.alpha) for view in seen], masks, scale
            )
            if loss.auto_mask and (still is None or not loss.full_resolution):
                still, _ = self._reduce(
                    [photometric(view, target, loss.alpha) for view in views], None, scale
                )
            if loss.auto_mask:
                error = error * auto_mask(error, still, _TIE_NOISE)
            total = total + error.mean()
        return total / len(inv_depth)

    def _sources(self, batch, poses):
        """Pictures of the sources and source_T_target in metres: the neighbours in time, then
        the right camera.
        """
        images = []
        transforms = []
        if poses is not None:
            fx = batch["K"][:, 0, 0]
            focal_px = self.recipe.network.focal_px
            for number, image in enumerate(batch["sources"].unbind(1)):
                images.append(image)
                transforms.append(
                    pose_to_matrix(canonical_pose_to_metric(poses[:, number], fx, focal_px))
                )
        if self.recipe.data.stereo:
            images.append(batch["right"])
            transforms.append(batch["right_T_target"])
        return images, transforms

    def _reduce(self, errors: list[Tensor], masks, scale: int):
        """One error of those of all sources, by the recipe."""
        stack = torch.cat(errors, 1)
        everywhere = torch.ones_like(stack, dtype=torch.bool)
        if self.recipe.loss.minimum:
            return minimum_reprojection(stack, everywhere)
        weight = None
        if masks is not None:
            weight = torch.sigmoid(
                F.interpolate(masks[scale], stack.shape[-2:], mode="bilinear", align_corners=False)
            )
        return mean_reprojection(stack, everywhere, weight)

    def both_views(self, batch, inv_depth) -> dict[str, Tensor]:
        """Monodepth (Godard 2017): each picture seen through the other, and the two disparities
        through each other.
        """
        left = batch["image"]
        right = batch["right"]
        alpha = self.recipe.loss.alpha
        fb = (batch["K"][:, 0, 0] * batch["baseline_m"]).view(-1, 1, 1, 1)
        error = consistency = 0.0
        for inv in inv_depth:
            full = F.interpolate(inv, left.shape[-2:], mode="bilinear", align_corners=False) * fb
            own = full[:, :1]
            other = full[:, 1:]
            error = error + photometric(warp_disparity(right, own, -1)[0], left, alpha).mean()
            error = error + photometric(warp_disparity(left, other, 1)[0], right, alpha).mean()
            consistency = consistency + left_right_consistency(own, other) / left.shape[-1]
        return {
            "photometric": error / (2 * len(inv_depth)),
            "left_right": consistency / len(inv_depth),
        }

    def supervised(self, batch, prediction: Prediction, inv_depth) -> dict[str, Tensor]:
        """The terms that ask for ground truth, at full resolution and, coarser, against the same
        truth.
        """
        weight = self.recipe.loss
        parts = {}
        if not (weight.silog or weight.log_l1 or weight.likelihood):
            return parts
        # What lies beyond the range (the sky, where the reader gives it a depth) is asked to be as
        # far as can be said.
        farthest = self.metric(
            torch.full_like(batch["K"][:, :1, :1, None], 1 / self.recipe.network.max_depth_m), batch
        )
        truth = torch.minimum(batch["depth"], 1 / farthest)
        mask = truth > 0
        depths = [
            1 / F.interpolate(inv[:, :1], truth.shape[-2:], mode="bilinear", align_corners=False)
            for inv in inv_depth
        ]
        shares = [0.5**scale for scale in range(len(depths))]
        if weight.silog:
            losses = [silog(depth, truth, mask, weight.silog_lambda) for depth in depths]
            parts["silog"] = sum(share * loss for share, loss in zip(shares, losses)) / sum(shares)
        if weight.log_l1:
            log_truth = truth.masked_fill(~mask, 1.0).log()
            losses = [masked_mean((depth.log() - log_truth).abs(), mask) for depth in depths]
            parts["log_l1"] = sum(share * loss for share, loss in zip(shares, losses)) / sum(shares)
        if weight.likelihood:
            # The spread learns from the error and leaves it alone: a doubt must not excuse a wrong
            # depth.
            parts["likelihood"] = depth_nll(depths[0].detach(), truth, prediction.log_sigma, mask)
        return parts

    def samples(self, part: str, frames=None) -> Sizes:
        data = self.recipe.data
        training = part == "train"
        if frames is None:
            frames = read(data.reader, data.path, data.split, part)
        return Sizes(
            [
                Samples(
                    frames,
                    *size,
                    data.offsets,
                    data.stereo,
                    data.augment and training,
                    self.recipe.fit.seed,
                    mirror="swap" if self.recipe.network.left_right else "sign",
                )
                for size in data.sizes
            ]
        )

    def score(self, samples: Sizes, device) -> tuple[dict[str, float], dict[str, Tensor]]:
        return score.score(self, samples, device)


def _resized(image: Tensor, like: Tensor) -> Tensor:
    """The image in the size of another map, each pixel the mean of those it covers."""
    if image.shape[-2:] == like.shape[-2:]:
        return image
    return F.interpolate(image, like.shape[-2:], mode="area")

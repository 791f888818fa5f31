"""Objectives: with the true depth and motion in the networks' place, each term is least where it
should be.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from worlds import CAMERA, MovingCamera  # noqa: E402

from train.data.samples import Samples  # noqa: E402
from train.model.depth import Prediction  # noqa: E402
from train.objective import make_objective  # noqa: E402
from train.objective.depth import DepthObjective  # noqa: E402
from train.objective.motion import motion_loss, pair_poses  # noqa: E402
from train.recipe import Recipe  # noqa: E402
from train.warp import matrix_to_pose, metric_pose_to_canonical  # noqa: E402

SIZE = (64, 96)
FOCAL = 61.0


def batch_of(offsets=(-1, 1), stereo=True):
    samples = Samples(MovingCamera(3), *SIZE, offsets, stereo, augment=False)
    batch = torch.utils.data.default_collate([samples[0]])
    batch["depth"] = batch["depth"].nan_to_num(50.0)
    return batch


def objective_of(batch, scale=1.0, pose_scale=1.0, **sections):
    """An objective whose networks answer the truth of the batch, times a factor."""
    recipe = {
        "data": {"sizes": [list(SIZE)], "offsets": [-1, 1]},
        "network": {"pretrained": False, "focal_px": FOCAL},
        "pose": {"use": True, "pretrained": False},
        "loss": {"photometric": 1.0},
    }
    for name, section in sections.items():
        recipe[name] = {**recipe[name], **section}
    objective = DepthObjective(Recipe.from_dict(recipe))
    fx = batch["K"][:, 0, 0]
    canonical = batch["depth"] * scale * FOCAL / fx.view(-1, 1, 1, 1)
    inv_depth = [1 / canonical[..., :: 2**s, :: 2**s] for s in range(4)]
    objective.depth.decode = lambda features: Prediction(inv_depth[:1], None)
    truth = matrix_to_pose(batch["source_T_target"].flatten(0, 1)).view(1, -1, 6)
    poses = metric_pose_to_canonical(truth, fx[:, None].expand(1, truth.shape[1]), FOCAL)
    objective.motion = lambda *_: (poses * pose_scale, None)
    return objective


@pytest.mark.parametrize("term", ["minimum", "mean", "stereo"])
def test_photometric_error_is_least_at_true_depth_and_motion(term):
    batch = batch_of()
    changes = {"loss": {"photometric": 1.0, "minimum": term == "minimum", "auto_mask": False}}
    if term == "stereo":
        changes |= {"data": {"offsets": [], "stereo": True}, "pose": {"use": False}}

    def error(scale, pose_scale=1.0):
        objective = objective_of(batch, scale, pose_scale, **changes)
        if term == "stereo":
            objective.motion = lambda *_: (None, None)
        return float(objective(batch)[1]["photometric"])

    assert error(1.0) < min(error(0.85), error(1.18))
    if term != "stereo":
        assert error(1.0) < min(error(1.0, 0.8), error(1.0, 1.25))
        # what video cannot tell: depth and translation grown together, with the turns as they are


def test_auto_mask_leaves_out_what_stands_still():
    batch = batch_of()
    batch["sources"] = batch["image"][:, None].expand(
        -1, 2, -1, -1, -1
    )  # a camera at rest, and a net that says motion
    moving = objective_of(batch, loss={"photometric": 1.0, "auto_mask": False})(batch)[0]
    masked = objective_of(batch, loss={"photometric": 1.0, "auto_mask": True})(batch)[0]
    assert moving > 0.01 and masked < 1e-3


def test_motion_loss_is_zero_at_the_truth_and_counts_metres_by_their_length():
    batch = batch_of()
    objective = objective_of(batch)
    poses, _ = objective.motion()
    assert float(motion_loss(poses, batch, objective.recipe)) < 1e-5
    off = poses.clone()
    off[:, :, 3:] *= 1.5
    step = poses[0, :, 3:].norm(dim=1)
    wanted = (0.5 * poses[0, :, 3:].abs().sum(1) / (step + 0.05)).mean()
    assert float(motion_loss(off, batch, objective.recipe)) == pytest.approx(
        float(wanted), rel=1e-4
    )
    batch["source_T_target"][:] = float("nan")
    assert float(motion_loss(off, batch, objective.recipe)) == 0


def test_pairs_are_shown_in_the_order_of_time():
    """A network that only knows first_T_second gives source_T_target for the past and for the
    future.
    """
    batch = batch_of((-1, 1))
    past, future = batch["source_T_target"][0]
    truth = {
        "past": matrix_to_pose(past[None]),
        "future": matrix_to_pose(torch.linalg.inv(future)[None]),
    }

    def net(first, second):
        is_past = [torch.equal(a, batch["sources"][0, 0]) for a in first]
        return torch.cat([truth["past" if old else "future"] for old in is_past])

    poses = pair_poses(net, batch["image"], list(batch["sources"].unbind(1)), (-1, 1))
    torch.testing.assert_close(
        poses[0], torch.cat([matrix_to_pose(past[None]), matrix_to_pose(future[None])])
    )


def test_supervised_terms_are_zero_at_the_truth_and_the_sky_is_far():
    batch = batch_of()
    loss = {"photometric": 0.0, "silog": 1.0, "log_l1": 1.0}
    objective = objective_of(batch, loss=loss, network={"max_depth_m": 60.0})
    assert all(value < 1e-5 for value in objective(batch)[1].values())
    farthest = (
        60.0 * float(batch["K"][0, 0, 0]) / FOCAL
    )  # metres that the canonical range allows this camera
    batch["depth"][:] = farthest
    objective = objective_of(batch, loss=loss, network={"max_depth_m": 60.0})
    batch["depth"][:, :, :9] = 1000.0  # a sky, as the reader gives it
    assert all(value < 1e-5 for value in objective(batch)[1].values())
    batch["depth"][:] = float("nan")
    assert all(value == 0 for value in objective(batch)[1].values())


def test_metric_depth_grows_with_the_focal_length():
    batch = batch_of()
    objective = objective_of(batch)
    inv = torch.full((1, 1, 4, 4), 0.5)
    one = objective.metric(inv, batch)
    batch["K"] = batch["K"] * 2
    torch.testing.assert_close(1 / objective.metric(inv, batch), 2 / one)


@pytest.mark.parametrize("name", ["shared", "joint", "left_right"])
def test_gradients_reach_every_network(name):
    sections = {
        "shared": {"pose": {"use": True, "encoder": "shared"}},
        "joint": {
            "pose": {"use": True, "joint": True, "explain": True, "pretrained": False},
            "loss": {
                "photometric": 1.0,
                "explain": 0.1,
                "minimum": False,
                "full_resolution": False,
            },
        },
        "left_right": {
            "data": {"stereo": True, "sizes": [list(SIZE)]},
            "network": {"left_right": True, "pretrained": False},
            "loss": {"photometric": 1.0, "left_right": 1.0},
        },
    }[name]
    defaults = {
        "data": {"sizes": [list(SIZE)], "offsets": [] if name == "left_right" else [-1, 1]},
        "network": {"pretrained": False},
        "loss": {"photometric": 1.0},
    }
    merged = {
        key: {**defaults.get(key, {}), **sections.get(key, {})} for key in {*defaults, *sections}
    }
    objective = make_objective(Recipe.from_dict(merged))
    loss, parts = objective(batch_of())
    loss.backward()
    assert np.isfinite(float(loss)) and "photometric" in parts
    idle = [
        name
        for name, p in objective.named_parameters()
        if p.grad is None or not p.grad.isfinite().all()
    ]
    assert not idle
    assert CAMERA.fx != CAMERA.fy

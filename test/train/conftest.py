"""Two procedural places seen by unlike cameras: a turn about every axis, a step along every
axis.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.lie import inverse, se3_exp, so3_exp
from depth_ros.synthetic.renderer import QUAD, Scene, render
from depth_ros.synthetic.scenes import clip_pose, clip_scene

TARGET = Camera(96, 56, 80.0, 84.0, 44.25, 30.5)
SOURCE = Camera(112, 64, 90.0, 88.0, 57.75, 29.25)
POSE = (0.021, -0.034, 0.026, 0.16, -0.11, 0.23)  # source_T_target: rotvec rad, translation m
RIG = StereoRig(TARGET, 0.21)


def corner() -> Scene:
    """Floor, side wall and back wall, whose inside hides nothing from any camera; a texture
    without fine grain.
    """
    rng = np.random.default_rng(5)
    lie, stand, face = (
        [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
        [[0, 0, 1], [0, 1, 0], [-1, 0, 0]],
        np.eye(3),
    )
    turn = so3_exp([0.05, 0.15, -0.1])
    rows = dict(
        center=[[0, 0.45, 0], [-0.8, 0, 0], [0, 0, 3.5]],
        axes=np.array([lie, stand, face]) @ turn,
        half=np.full((3, 3), 40.0),
        cutout=np.zeros(3),
        freq=np.full(3, 2.5),
        gain=np.full(3, 0.4),
        stripes=np.zeros(3),
        stripe_dir=np.ones((3, 3)),
        sharp=np.full(3, 10.0),
        colors=rng.random((3, 3, 3)),
        mirror=np.zeros(3),
        offset=rng.uniform(0, 60, (3, 3)),
        light=[0.36, -0.8, -0.48],
    )
    return Scene(
        kind=np.full(3, QUAD), **{name: np.asarray(row, np.float32) for name, row in rows.items()}
    )


def look(scene: Scene, world_T_target: np.ndarray) -> SimpleNamespace:
    """Give tensors of the target and of its neighbours.

    target, source (camera SOURCE), other (camera TARGET, the opposite motion), right (of RIG):
    (1,3,H,W) in [0,1], and their depths *_depth (1,1,H,W) m; disparity (1,1,H,W) px of the target,
    right_disparity; K_target, K_source (1,3,3); source_T_target, right_T_target (1,4,4); pose (1,6)
    of source_T_target.
    """
    import torch

    source_T_target = np.eye(4)
    source_T_target[:3, :3], source_T_target[:3, 3] = so3_exp(POSE[:3]), POSE[3:]
    right_T_target = se3_exp([-RIG.baseline_m, 0, 0, 0, 0, 0])

    def tensor(x):
        return torch.as_tensor(np.asarray(x), dtype=torch.float32)[None]

    found = SimpleNamespace(
        K_target=tensor(TARGET.K),
        K_source=tensor(SOURCE.K),
        source_T_target=tensor(source_T_target),
        right_T_target=tensor(right_T_target),
        pose=torch.tensor([POSE]),
    )
    steps = {
        "target": np.eye(4),
        "source": source_T_target,
        "other": inverse(source_T_target),
        "right": right_T_target,
    }
    for name, step in steps.items():
        seen = render(scene, SOURCE if name == "source" else TARGET, world_T_target @ inverse(step))
        setattr(found, name, tensor(seen["rgb"].transpose(2, 0, 1)))
        setattr(found, f"{name}_depth", tensor(seen["depth"][None]))
    found.disparity = TARGET.fx * RIG.baseline_m / found.target_depth
    found.right_disparity = TARGET.fx * RIG.baseline_m / found.right_depth
    return found


@pytest.fixture(scope="session")
def views():
    """Views of a corner (see look): nothing is hidden, so the truth explains every pixel."""
    pytest.importorskip("torch")
    return look(corner(), np.eye(4))


@pytest.fixture(scope="session")
def room_views():
    """Views of the demo's room (see look): its poles and boxes hide what is behind them."""
    pytest.importorskip("torch")
    return look(clip_scene(), clip_pose(3))


@pytest.fixture(autouse=True)
def same_weights_each_time():
    """Networks of a test start from the same random weights in every run, whatever ran before."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)

"""A small world for tests of the training: a tilted textured wall seen by a camera that moves,
all known.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.lie import se3_exp
from depth_ros.synthetic.renderer import render
from depth_ros.synthetic.scenes import random_scene
from train.data.view import View

CAMERA = Camera(112, 80, 88.0, 91.0, 52.5, 43.0)  # W != H, fx != fy, off-centre
BASELINE_M = 0.21
STEP = np.array(
    [0.06, -0.03, 0.11, 0.004, 0.009, -0.006]
)  # of the camera from frame to frame: m, rad


class MovingCamera:
    """Frames of one random scene: stereo, with depth and poses; see train.data.view.Frames."""

    def __init__(self, count: int = 4, seed: int = 3):
        rig = StereoRig(CAMERA, BASELINE_M)
        scene = random_scene(np.random.default_rng(seed), rig, 20.0)
        self.views, pose = [], np.eye(4)
        right_T = np.eye(4)
        right_T[0, 3] = BASELINE_M
        for number in range(count):
            left, right = render(scene, CAMERA, pose), render(scene, CAMERA, pose @ right_T)
            image, other = (np.rint(255 * part["rgb"]).astype(np.uint8) for part in (left, right))
            view = View(
                image,
                CAMERA,
                other,
                BASELINE_M,
                left["depth"],
                None,
                pose.copy(),
                number * 10**8,
                str(number),
            )
            self.views.append(view)
            pose = pose @ se3_exp(STEP)

    def __len__(self):
        return len(self.views)

    def __getitem__(self, index):
        return self.views[index]

    def neighbour(self, index, offset):
        return index + offset if 0 <= index + offset < len(self.views) else None

    def mono(self):
        """Give the same frames without the right camera."""
        self.views = [replace(view, right=None, baseline_m=None) for view in self.views]
        return self

"""How true the covariance is: normalised error squared of the last pose of rendered stereo clips with moving things.

    python bench/egomotion_nees.py [--clips 12] [--frames 12]     (half streets, half rooms; about 12 s a clip)

Printed per kind of place: the mean, the median, and the 95 % band of the mean of a chi-square of 6.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
from scipy.stats import chi2

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.frames import body_R_optical
from depth_ros.core.lie import inverse, so3_log
from depth_ros.core.video import is_usable, random_clip, render_clip
from depth_ros.egomotion import EgoFrame, EgoMotion
from depth_ros.engine.matching import match_sgbm

CAMERA = Camera(336, 240, 200.0, 202.0, 165.0, 118.0)
BASELINE_M = {"street": 0.3, "room": 0.12}


def nees_of(place: str, seed: int, frames: int) -> float:
    """The figure of one clip; inf where the way has a gap."""
    rng, rig, clip = np.random.default_rng(1000 + seed), StereoRig(CAMERA, BASELINE_M[place]), None
    while clip is None or not is_usable(clip):
        clip = random_clip(rng, rig, frames, place=place)
    ego, poses = EgoMotion(), []
    for i in range(frames):
        view = render_clip(clip, i)
        disparity = match_sgbm(*(cv2.cvtColor(view[side], cv2.COLOR_RGB2GRAY) for side in ("left", "right")), 128)
        with np.errstate(divide="ignore"):
            depth = CAMERA.fx * rig.baseline_m / disparity
        made = EgoFrame(1 + i * 10**8, view["left"], CAMERA, view["right"], rig.baseline_m, depth)
        estimate = ego.update(made)
        poses.append(view["world_T_camera"])
    if estimate.has_gap or estimate.state == "lost":
        return float("inf")
    odom_T_first = np.eye(4)
    odom_T_first[:3, :3] = body_R_optical
    true, found = odom_T_first @ inverse(poses[0]) @ poses[-1], estimate.odom_T_camera
    error = np.concatenate([true[:3, 3] - found[:3, 3], so3_log(true[:3, :3] @ found[:3, :3].T)])
    return float(error @ np.linalg.solve(estimate.covariance, error))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--frames", type=int, default=12)
    args = parser.parse_args()
    for place, first in (("street", 0), ("room", 1)):
        values = [nees_of(place, seed, args.frames) for seed in range(first, args.clips, 2)]
        band = chi2.ppf((0.025, 0.975), 6 * len(values)) / len(values)
        print(f"{place}: mean {np.mean(values):.2f}, median {np.median(values):.2f} of {len(values)} clips; "
              f"band {band[0]:.2f} to {band[1]:.2f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

"""Two rectified images and a baseline: depth, its uncertainty and a coloured point cloud.

python examples/stereo_images.py left.png right.png --fx 465 --baseline-m 0.12 --out scene.npz
"""

import argparse

import cv2
import numpy as np

from depth_ros import Camera, Frame, StereoEstimator, StereoRig, load_engine

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("left")
parser.add_argument("right")
parser.add_argument("--fx", type=float, required=True, help="focal length, px")
parser.add_argument("--baseline-m", type=float, required=True, help="between the cameras, m")
parser.add_argument("--out", default="scene.npz", help="depth, sigma and points")
options = parser.parse_args()

left = cv2.cvtColor(cv2.imread(options.left), cv2.COLOR_BGR2RGB)
right = cv2.cvtColor(cv2.imread(options.right), cv2.COLOR_BGR2RGB)
height, width = left.shape[:2]

# The principal point is taken to be the centre; use the calibration where there is one.
camera = Camera(width, height, options.fx, options.fx, (width - 1) / 2, (height - 1) / 2)
rig = StereoRig(camera, options.baseline_m)
estimator = StereoEstimator(load_engine())
estimate = estimator.estimate(Frame(stamp_ns=0, frame_id="left", left=left, right=right, rig=rig))

known = np.isfinite(estimate.depth)
points = estimate.cloud()[known][:, :3]
np.savez(options.out, depth=estimate.depth, sigma_m=estimate.sigma_m, points=points)
print(f"{known.mean():.0%} of the pixels have depth, median {np.nanmedian(estimate.depth):.2f} m")
print(f"median sigma {np.nanmedian(estimate.sigma_m):.3f} m, {len(points)} points: {options.out}")

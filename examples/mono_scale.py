"""Images of one camera at a known height over the floor: depth in metres.

python examples/mono_scale.py frame_*.png --fx 465 --height-m 1.2 --out depth.npz
"""

import argparse

import cv2
import numpy as np

from depth_ros import Camera, Frame, MonoEstimator, load_engine
from depth_ros.estimator.scale import CameraHeightScale

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("images", nargs="+", help="in order; the scale needs five")
parser.add_argument("--fx", type=float, required=True, help="focal length, px")
parser.add_argument("--height-m", type=float, required=True, help="of the camera over the floor, m")
parser.add_argument("--out", default="depth.npz", help="the depth of the last image")
options = parser.parse_args()

# The factor from the network's unit to metres is the median over images whose floor was found.
estimator = MonoEstimator(load_engine(task="mono"), scale=CameraHeightScale(options.height_m))
for number, path in enumerate(options.images):
    image = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
    height, width = image.shape[:2]
    camera = Camera(width, height, options.fx, options.fx, (width - 1) / 2, (height - 1) / 2)
    frame = Frame(number, "camera", left=image, right=None, rig=None, camera=camera)
    estimate = estimator.estimate(frame)
    if estimate.depth is None:
        print(f"{path}: no metres yet: {estimate.scale_reason}")
    else:
        print(f"{path}: median {np.nanmedian(estimate.depth):.2f} m, by {estimate.scale}")
if estimate.depth is not None:
    np.savez(options.out, depth=estimate.depth)

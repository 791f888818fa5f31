"""A sequence of rectified stereo pairs: the pose of the camera at every pair.

python examples/motion.py left/ right/ --fx 465 --baseline-m 0.12 --hz 10 --out poses.npz
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from depth_ros import Camera, Frame, Odometry, StereoEstimator, StereoRig, load_engine

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("left", type=Path, help="folder of images, sorted by name")
parser.add_argument("right", type=Path, help="folder of the same names")
parser.add_argument("--fx", type=float, required=True, help="focal length, px")
parser.add_argument("--baseline-m", type=float, required=True, help="between the cameras, m")
parser.add_argument("--hz", type=float, default=10.0, help="rate of the pairs")
parser.add_argument("--out", default="poses.npz", help="odom_T_camera (N, 4, 4), covariances")
options = parser.parse_args()

estimator = StereoEstimator(load_engine())
odometry = Odometry()
poses, covariances = [], []
for number, path in enumerate(sorted(options.left.iterdir())):
    left = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    right = cv2.cvtColor(cv2.imread(str(options.right / path.name)), cv2.COLOR_BGR2RGB)
    height, width = left.shape[:2]
    camera = Camera(width, height, options.fx, options.fx, (width - 1) / 2, (height - 1) / 2)
    rig = StereoRig(camera, options.baseline_m)
    stamp_ns = round(number / options.hz * 1e9)
    motion = odometry.update(estimator.estimate(Frame(stamp_ns, "left", left, right, rig)))
    poses.append(motion.odom_T_camera)
    covariances.append(motion.covariance)
    x, y, z = motion.odom_T_camera[:3, 3]
    print(f"{path.name}: {motion.state}, x {x:.3f} y {y:.3f} z {z:.3f} m")
np.savez(options.out, odom_T_camera=np.stack(poses), covariance=np.stack(covariances))

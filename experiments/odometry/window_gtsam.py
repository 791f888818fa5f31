"""The same windows solved by the bundle adjustment of the runtime and by gtsam: the same optimum,
the time of both.

    pip install gtsam OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python
    experiments/odometry/window_gtsam.py [--windows 12] [--frames 6]
        [--points 120] [--outliers 0.1]

Both minimise the same: reprojection in a stereo pair, noise with the same covariance, Cauchy's
weight at 2 standard deviations, the first pose held. Times are CPU times of one thread, medians,
the solvers taking turns. "as used" stops after the two rounds that the runtime spends on a
keyframe.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.lie import inverse, se3_exp, se3_log
from depth_ros.odometry.bundle_adjustment import Bundle, adjust
from depth_ros.odometry.inverse_depth import bearings, move, observe

CAMERA = Camera(640, 480, 500.0, 500.0, 320.0, 240.0)
BASELINE_M = 0.2
SIGMA_PX = 0.35
CAUCHY = 2.0
FB = CAMERA.fx * BASELINE_M
USED_ROUNDS = 2


def window(seed: int, frames: int, points: int, outliers: float):
    """True poses (K, 4, 4), measurements (L, K, 3) with noise and blunders, poses to begin at."""
    rng = np.random.default_rng(seed)
    poses = np.stack([se3_exp([0.02 * k, 0, 0.4 * k, 0, 0.01 * k, 0]) for k in range(frames)])
    pixels = rng.uniform((20, 20), (620, 460), (points, 2))
    inv = 1 / rng.uniform(3, 30, points)
    rays = bearings(pixels, CAMERA)
    seen = np.stack([observe(move(inverse(pose), rays, inv), inv, CAMERA) for pose in poses], 1)
    seen += rng.normal(0, SIGMA_PX, seen.shape) * (1, 1, 1 / FB)
    bad = rng.random(seen.shape[:2]) < outliers
    bad[:, 0] = False
    seen[bad, :2] += rng.normal(0, 10, (int(bad.sum()), 2))
    seen[..., 2] = np.maximum(seen[..., 2], 1e-3)
    start = np.stack(
        [pose @ se3_exp(rng.normal(0, 0.01, 6)) if k else pose for k, pose in enumerate(poses)]
    )
    return poses, seen, start


def own_poses(seen, start, rounds: int) -> np.ndarray:
    """The poses (K, 4, 4) by the runtime's bundle adjustment."""
    sigma = np.broadcast_to(np.array([SIGMA_PX, SIGMA_PX, SIGMA_PX / FB]), seen.shape)
    bundle = Bundle(seen, sigma, np.zeros(len(seen), int))
    return adjust(bundle, start, seen[:, 0].copy(), CAMERA, rounds=rounds).poses


def gtsam_poses(gtsam, seen, start, iterations: int) -> np.ndarray:
    """The same by gtsam's Levenberg-Marquardt; the graph is built here, as a runtime would have
    to.
    """
    graph = gtsam.NonlinearFactorGraph()
    values = gtsam.Values()
    camera = gtsam.Cal3_S2Stereo(CAMERA.fx, CAMERA.fy, 0.0, CAMERA.cx, CAMERA.cy, BASELINE_M)
    # (u, u right, v) of independent u, v and disparity
    covariance = SIGMA_PX**2 * np.array([[1.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    cauchy = gtsam.noiseModel.mEstimator.Cauchy.Create(CAUCHY)
    noise = gtsam.noiseModel.Robust.Create(cauchy, gtsam.noiseModel.Gaussian.Covariance(covariance))
    X = gtsam.symbol_shorthand.X
    P = gtsam.symbol_shorthand.L
    for k, pose in enumerate(start):
        values.insert(X(k), gtsam.Pose3(pose))
    graph.add(gtsam.NonlinearEqualityPose3(X(0), gtsam.Pose3(start[0])))
    for i, row in enumerate(seen):
        values.insert(P(i), bearings(row[:1, :2], CAMERA)[0] / row[0, 2])
        for k, (u, v, inv) in enumerate(row):
            graph.add(
                gtsam.GenericStereoFactor3D(
                    gtsam.StereoPoint2(u, u - inv * FB, v), noise, X(k), P(i), camera
                )
            )
    params = gtsam.LevenbergMarquardtParams()
    params.setMaxIterations(iterations)
    params.setRelativeErrorTol(1e-4)  # what the runtime's own stops at
    result = gtsam.LevenbergMarquardtOptimizer(graph, values, params).optimize()
    return np.stack([result.atPose3(X(k)).matrix() for k in range(len(start))])


def apart(a, b) -> np.ndarray:
    """Metres and radians between the last poses."""
    xi = se3_log(inverse(a[-1]) @ b[-1])
    return np.array([np.linalg.norm(xi[:3]), np.linalg.norm(xi[3:])])


def timed(solve, *args):
    """The result, and milliseconds of CPU time."""
    begin = time.process_time()
    result = solve(*args)
    return result, 1e3 * (time.process_time() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--windows", type=int, default=12)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--points", type=int, default=120)
    parser.add_argument(
        "--outliers", type=float, default=0.1, help="share of measurements that are wrong"
    )
    args = parser.parse_args()
    try:
        import gtsam
    except ImportError:
        sys.exit("expected gtsam to compare with: pip install gtsam")
    apart_m = []
    errors = []
    spent = []
    for seed in range(args.windows):
        truth, seen, start = window(seed, args.frames, args.points, args.outliers)
        used, used_ms = timed(own_poses, seen, start, USED_ROUNDS)
        full, full_ms = timed(own_poses, seen, start, 30)
        theirs, theirs_ms = timed(gtsam_poses, gtsam, seen, start, 30)
        apart_m.append([apart(full, theirs), apart(used, theirs)])
        errors.append([apart(poses, truth) for poses in (start, used, full, theirs)])
        spent.append([used_ms, full_ms, theirs_ms])
    (full_apart, used_apart) = np.max(apart_m, axis=0)
    ms = np.median(spent, axis=0)
    print(
        f"{args.windows} windows of {args.frames} frames, {args.points} points, "
        f"{100 * args.outliers:.0f} % blunders"
    )
    for name, row in zip(
        ("own, as used", "own, to the end", "gtsam, to the end"), (0, 1, 2), strict=True
    ):
        metres, radians = np.sqrt(np.mean(np.square([error[row + 1] for error in errors]), axis=0))
        print(
            f"{name:18} {ms[row]:6.1f} ms   last pose off by {1e3 * metres:.2f} mm, "
            f"{1e3 * radians:.3f} mrad (rms)"
        )
    print(
        f"own to the end and gtsam apart: at most {1e3 * full_apart[0]:.3f} mm, "
        f"{1e3 * full_apart[1]:.4f} mrad; "
        f"own as used: {1e3 * used_apart[0]:.3f} mm, {1e3 * used_apart[1]:.4f} mrad"
    )


if __name__ == "__main__":
    main()

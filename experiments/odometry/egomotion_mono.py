"""One camera without depth on real recordings: the left pictures alone, metres from true wheels or
from nothing.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python experiments/odometry/egomotion_mono.py
        [--data ../shared/data/bags] [--wheel-noise 0.01]

Wheels: the true way since the last frame, with relative noise. ATE: of the frames that are metric,
after a rigid alignment, no scale. Without any scale the way is in units of its own; its ATE is
given after a similarity alignment, which no robot can make. A recording whose wheels move less than
3 cm a keyframe stays without.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from egomotion import truth_poses

from depth_ros.core.lie import inverse, so3_log
from depth_ros.estimator.preprocess import rectified
from depth_ros.odometry import EgoFrame, EgoMotion
from depth_ros.recordings.sample import open_source

BAGS = (
    "kitti06_stereo",
    "kitti02_stereo_color",
    "tum_fr1_piece",
    "rgbd_office",
    "tartanair_hospital",
)
ROW = "{:22} {:10} {:>7} {:>9} {:>7} {:>8} {:>5} {:>7}"


def frames_of(path: Path, truth: dict, noise: float | None) -> list[EgoFrame]:
    """Left pictures; with wheels where noise is given."""
    rng = np.random.default_rng(0)
    frames = []
    last = None
    for sample in open_source(path):
        frame = rectified(sample.frame.left_only())
        here = truth.get(frame.stamp_ns)
        way = None
        if noise is not None and here is not None and last is not None:
            way = float(
                np.linalg.norm(here[:3, 3] - last[:3, 3]) * max(1 + noise * rng.normal(), 0.0)
            )
        last = here
        frames.append(EgoFrame(frame.stamp_ns, frame.left, frame.camera, travelled_m=way))
    return frames


def aligned_ate(poses: np.ndarray, truth: np.ndarray, with_scale: bool) -> tuple[float, float]:
    """ATE in metres after the best alignment (Umeyama 1991), and its scale."""
    a, b = (p[:, :3, 3] - p[:, :3, 3].mean(0) for p in (poses, truth))
    U, D, Vt = np.linalg.svd(b.T @ a)
    sign = np.array([1, 1, np.sign(np.linalg.det(U @ Vt))])
    if with_scale:
        scale = float((D * sign).sum() / max((a**2).sum(), 1e-12))
    else:
        scale = 1.0
    return float(np.sqrt(((scale * a @ (U * sign @ Vt).T - b) ** 2).sum(1).mean())), scale


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared/data/bags"
    )
    parser.add_argument("--wheel-noise", type=float, default=0.01)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    print(ROW.format("recording", "scale", "ATE m", "length m", "deg", "metric", "lost", "ms"))
    for bag in BAGS:
        if not (args.data / bag).exists():
            print(f"{bag:22} skipped: not at {args.data}")
            continue
        truth = truth_poses(args.data / bag)
        for noise in (args.wheel_noise, None):
            frames = frames_of(args.data / bag, truth, noise)
            ego = EgoMotion("geometric")
            found = []
            spent = []
            for frame in frames:
                begin = time.process_time()
                found.append(ego.update(frame))
                spent.append(1e3 * (time.process_time() - begin))
            known = [i for i, frame in enumerate(frames) if frame.stamp_ns in truth]
            if noise is not None:
                known = [i for i in known if found[i].is_metric] or known
            poses = np.stack([found[i].odom_T_camera for i in known])
            true = np.stack([truth[frames[i].stamp_ns] for i in known])
            is_metric = found[-1].is_metric
            ate, _ = aligned_ate(poses, true, with_scale=not is_metric)
            way = np.linalg.norm(np.diff(true[:, :3, 3], axis=0), axis=1).sum()
            ends = (inverse(p[0]) @ p[-1] for p in (poses, true))
            turned = np.degrees(np.linalg.norm(so3_log((inverse(next(ends)) @ next(ends))[:3, :3])))
            metric = sum(e.is_metric for e in found)
            lost = sum(e.state == "lost" for e in found)
            numbers = f"{ate:.3f}", f"{way:.1f}", f"{turned:.2f}", f"{metric}/{len(found)}", lost
            print(ROW.format(bag, found[-1].scale, *numbers, f"{np.median(spent):.1f}"), flush=True)


if __name__ == "__main__":
    main()

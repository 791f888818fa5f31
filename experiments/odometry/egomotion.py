"""Ego-motion on the recordings, beside OpenCV's PnP on the same depth: the table of
docs/egomotion.md.

    python experiments/odometry/egomotion.py [--data ../shared/data/bags] [--method geometric]
    [--window 6] [--only kitti06_stereo]

Depth of stereo recordings is SGBM's (what the node has without a network), that of the others is
the recording's own. ATE: root mean square of positions after a rigid alignment, no scale. Drift:
error of the last pose against the first, as a share of the way. Steps: what their errors are, what
the covariance says they are, and what of them the baseline has too (all root mean square): what is
shared is in the truth, the calibration, the shutter or the depth, not in how a method works; on a
truth that is exact nothing is. Time: median CPU time of one thread, without depth; the baseline's
beside it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from depth_ros.core.lie import inverse, se3_log, so3_log
from depth_ros.core.trajectory import CHI2_95_OF_6, nees
from depth_ros.engine.sgbm import SgbmEngine
from depth_ros.estimator.preprocess import rectified
from depth_ros.estimator.stereo import StereoEstimator
from depth_ros.odometry import EgoFrame, EgoMotion
from depth_ros.recordings.bag import cdr_stamp_ns, open_reader, raw_messages
from depth_ros.recordings.decode import pose_message_to_matrix
from depth_ros.recordings.sample import open_source

BAGS = (
    "kitti06_stereo",
    "kitti02_stereo_color",
    "euroc_static_unrectified",
    "tum_fr1_piece",
    "rgbd_office",
    "tartanair_hospital",
)
ROW = "{:26} {:12} {:>7} {:>8} {:>8} {:>8} {:>7} {:>5} {:>7}"


def truth_poses(path: Path) -> dict[int, np.ndarray]:
    """world_T_camera by stamp, from .../ground_truth/odometry."""
    poses = {}
    with open_reader(path) as reader:
        topics = [c.topic for c in reader.connections if c.topic.endswith("ground_truth/odometry")]
        for connection, _, raw in raw_messages(reader, *topics):
            pose = reader.deserialize(raw, connection.msgtype).pose.pose
            poses[cdr_stamp_ns(raw)] = pose_message_to_matrix(pose)
    return poses


def frames_of(path: Path) -> list[EgoFrame]:
    """All frames of a bag with their depth."""
    source = open_source(path)
    estimator = StereoEstimator(SgbmEngine())
    frames = []
    for sample in source:
        frame = rectified(sample.frame)
        if source.mode == "stereo":
            rig = frame.rig
            depth = estimator.estimate(frame).depth
            made = EgoFrame(
                frame.stamp_ns,
                frame.left,
                rig.left,
                frame.right,
                rig.baseline_m,
                depth,
                doffs_px=rig.doffs_px,
            )
        else:
            made = EgoFrame(frame.stamp_ns, frame.left, frame.camera, depth=sample.truth_depth)
        frames.append(made)
    return frames


class PnpBaseline:
    """OpenCV alone: corners, Lucas-Kanade, PnP in a RANSAC on the depth of the frame before."""

    def __init__(self):
        self.last = None
        self.pose = np.eye(4)

    def update(self, frame: EgoFrame) -> np.ndarray:
        grey = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
        if self.last is not None:
            self.pose = self.pose @ self._step(*self.last, grey, frame.camera.K)
        self.last = (grey, frame.depth)
        return self.pose

    @staticmethod
    def _step(before, depth, after, K) -> np.ndarray:
        T = np.eye(4)
        pixels = cv2.goodFeaturesToTrack(before, 600, 0.01, 8)
        if pixels is None or depth is None:
            return T
        found, status, _ = cv2.calcOpticalFlowPyrLK(before, after, pixels, None)
        pixels = pixels[:, 0]
        found = found[:, 0]
        status = status[:, 0] > 0
        z = depth[tuple(np.rint(pixels[:, ::-1]).astype(int).T)]
        with np.errstate(invalid="ignore"):
            good = status & (z > 0) & (z < 60)
        rays = np.concatenate(
            [(pixels - K[:2, 2]) / (K[0, 0], K[1, 1]), np.ones((len(pixels), 1))], 1
        )
        if good.sum() < 6:
            return T
        points = (rays * z[:, None])[good]
        ok, rotvec, t, _ = cv2.solvePnPRansac(points, found[good], K, None, reprojectionError=1.0)
        if ok:
            T[:3, :3], T[:3, 3] = cv2.Rodrigues(rotvec)[0], t[:, 0]
        return inverse(T)


def figures(poses: np.ndarray, truth: np.ndarray) -> tuple[float, float, float, float]:
    """ATE m, drift %, drift degrees, length of the way over the true one."""
    a = poses[:, :3, 3] - poses[:, :3, 3].mean(0)
    b = truth[:, :3, 3] - truth[:, :3, 3].mean(0)
    U, _, Vt = np.linalg.svd(b.T @ a)
    R = U @ np.diag([1, 1, np.sign(np.linalg.det(U @ Vt))]) @ Vt
    way = [np.linalg.norm(np.diff(p[:, :3, 3], axis=0), axis=1).sum() for p in (poses, truth)]
    off = inverse(inverse(poses[0]) @ poses[-1]) @ inverse(truth[0]) @ truth[-1]
    drift = 100 * np.linalg.norm(off[:3, 3]) / way[1]
    turned = np.degrees(np.linalg.norm(so3_log(off[:3, :3])))
    return float(np.sqrt((((a @ R.T) - b) ** 2).sum(1).mean())), drift, turned, way[0] / way[1]


def run(name: tuple[str, str], update, frames, truth, baseline=None) -> list[np.ndarray]:
    """Print the line of one method, the lines of its steps beside the poses of a baseline; gives
    its poses.
    """
    poses = []
    spent = []
    lost = 0
    answers = []
    for frame in frames:
        begin = time.process_time()
        answer = update(frame)
        spent.append(1e3 * (time.process_time() - begin))
        answers.append(answer)
        lost += getattr(answer, "state", "") == "lost"
        poses.append(answer if isinstance(answer, np.ndarray) else answer.odom_T_camera)
    known = [i for i, frame in enumerate(frames) if frame.stamp_ns in truth]
    ate, drift, turned, way = figures(
        np.stack([poses[i] for i in known]), np.stack([truth[frames[i].stamp_ns] for i in known])
    )
    numbers = (
        f"{ate:.4f}",
        f"{drift:.2f}",
        f"{turned:.3f}",
        f"{way:.4f}",
        len(frames),
        lost,
        f"{np.median(spent):.1f}",
    )
    print(ROW.format(*name, *numbers), flush=True)
    if not isinstance(answer, np.ndarray):
        print_nees(answers, [truth.get(frame.stamp_ns) for frame in frames])
        if baseline is not None:
            print_steps(answers, baseline, [truth.get(frame.stamp_ns) for frame in frames])
    return poses


def print_nees(answers, truth) -> None:
    """Print how true the covariance is: of the steps, and of the last pose against the first."""
    values = [
        nees(b.prev_T_curr, inverse(p) @ q, b.step_covariance)
        for a, b, p, q in zip(answers, answers[1:], truth, truth[1:])
        if b.prev_T_curr is not None
        and b.prev_stamp_ns == a.stamp_ns
        and p is not None
        and q is not None
    ]
    covered = 100 * np.mean(np.array(values) < CHI2_95_OF_6)
    line = (
        f"{'':26} NEES of steps, mean {np.mean(values):.1f} (6 is true), {covered:.0f} % "
        "within the 95 % bound"
    )
    first = answers[0].odom_T_camera
    last = answers[-1].odom_T_camera
    if truth[0] is not None and truth[-1] is not None:
        true = first @ inverse(truth[0]) @ truth[-1]
        error = np.concatenate([true[:3, 3] - last[:3, 3], so3_log(true[:3, :3] @ last[:3, :3].T)])
        line += f"; of the last pose {error @ np.linalg.solve(answers[-1].covariance, error):.1f}"
    sigma = np.sqrt(np.diag(answers[-1].covariance))
    print(
        f"{line}; sigma at the end {1e3 * sigma[:3].max():.2f} mm, "
        f"{np.degrees(sigma[3:].max()):.3f} deg",
        flush=True,
    )


def print_steps(answers, baseline: list[np.ndarray], truth) -> None:
    """Print the errors of the steps beside what the covariance says, and what of them the
    baseline has too.
    """
    at = []
    for i, (a, b) in enumerate(zip(answers, answers[1:]), 1):
        follows = b.prev_T_curr is not None and b.prev_stamp_ns == a.stamp_ns
        at += [i] if follows and truth[i - 1] is not None and truth[i] is not None else []
    true = [inverse(truth[i - 1]) @ truth[i] for i in at]
    mine = np.stack([se3_log(inverse(t) @ answers[i].prev_T_curr) for i, t in zip(at, true)])
    theirs = np.stack(
        [se3_log(inverse(t) @ inverse(baseline[i - 1]) @ baseline[i]) for i, t in zip(at, true)]
    )
    said = np.stack([np.diag(answers[i].step_covariance) for i in at])
    shared = np.zeros(6)
    texts = []
    for part, size, unit in ((slice(0, 3), 1e3, "mm"), (slice(3, 6), 180 / np.pi, "deg")):
        common = max((mine * theirs)[:, part].sum(1).mean(), 0.0)
        shared[part] = common / 3
        off, sure, both = size * np.sqrt(
            [v.sum(1).mean() for v in ((mine**2)[:, part], said[:, part])] + [common]
        )
        texts.append(f"{off:.2f} {unit} (said {sure:.2f}, shared {both:.2f})")
    values = [
        nees(answers[i].prev_T_curr, t, answers[i].step_covariance + np.diag(shared))
        for i, t in zip(at, true)
    ]
    print(
        f"{'':26} steps are off by {', '.join(texts)}; NEES with what is shared added "
        f"{np.mean(values):.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared/data/bags"
    )
    parser.add_argument("--method", default="geometric", help="geometric or hybrid")
    parser.add_argument(
        "--window", type=int, default=6, help="keyframes adjusted together, 0 = none"
    )
    parser.add_argument("--only", nargs="*", default=BAGS)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    print(
        ROW.format(
            "recording", "method", "ATE m", "drift %", "deg", "length", "frames", "lost", "ms"
        )
    )
    for bag in args.only:
        if not (args.data / bag).exists():
            print(f"{bag:26} skipped: not at {args.data}")
            continue
        frames = frames_of(args.data / bag)
        truth = truth_poses(args.data / bag)
        baseline = run((bag, "opencv pnp"), PnpBaseline().update, frames, truth)
        ego = EgoMotion(args.method, args.window)
        poses = run((bag, args.method), ego.update, frames, truth, baseline)
        if "static" in bag:
            moved = max(np.linalg.norm(p[:3, 3] - poses[0][:3, 3]) for p in poses)
            turned = max(np.linalg.norm(so3_log(poses[0][:3, :3].T @ p[:3, :3])) for p in poses)
            print(
                f"{'':26} standing: moved {1e3 * moved:.2f} mm, turned "
                f"{np.degrees(turned):.3f} deg at most"
            )


if __name__ == "__main__":
    main()

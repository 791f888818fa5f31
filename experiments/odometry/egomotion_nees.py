"""How true the covariance of ego-motion is: normalised estimation error squared (NEES) on rendered
clips with movers.

    python experiments/odometry/egomotion_nees.py [--split held-out] [--clips 30] [--cache FOLDER]
    [--worst]

Streets and rooms, stereo and one camera with depth; of the pose at the end and of the single steps.
What is set by measuring was set on the calibration seeds (3000 to 3029 were held out until they had
been looked at); the held-out seeds judge, and were looked at once, when nothing was to be changed
any more. Rendering takes some 15 s a clip, once. mean: 6 where the covariance is true; band: 95 %
of the means of so many independent chi-squares of 6; boot: 95 % of the means when clips are drawn
anew (steps of a clip are not independent); median: 5.35 if true; in 95 %: share below 12.59. Last,
the CPU time of a 640x480 pair beside OpenCV's PnP.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from nees_clips import CACHE, PLACES, VGA, frames_of, load_clip
from pnp_baseline import PnpOnDepth
from scipy.stats import chi2
from tqdm import tqdm

from depth_ros.core.axes import body_R_optical
from depth_ros.core.lie import inverse, so3_log
from depth_ros.core.trajectory import CHI2_95_OF_6, nees
from depth_ros.odometry import EgoMotion

SEEDS = {
    "calibration": (*range(1000, 1012), *range(2000, 2024), *range(3000, 3030)),
    "held-out": tuple(range(4000, 4030)),
}
_UNKNOWN = 100.0  # m^2: a pose that is said to be unknown is not judged
SOURCES = ("stereo", "depth")
ROW = "{:12} {:7} {:7} {:5} {:>5} {:>7} {:>13} {:>15} {:>7} {:>7} {:>5}"


def nees_of(clip: dict, source: str) -> dict:
    """NEES of the pose at the end (NaN after a gap) and of every step, and how often the camera
    was lost.
    """
    ego = EgoMotion("geometric")
    poses = clip["poses"]
    estimates = [ego.update(frame) for frame in frames_of(clip, source)]
    steps = [
        nees(e.prev_T_curr, inverse(poses[i - 1]) @ poses[i], e.step_covariance)
        for i, e in enumerate(estimates)
        if e.prev_T_curr is not None and e.prev_stamp_ns == estimates[i - 1].stamp_ns
    ]
    return {
        "end": end_nees(poses, estimates[-1]),
        "steps": steps,
        "lost": sum(e.state == "lost" for e in estimates),
    }


def end_nees(poses: np.ndarray, last) -> float:
    """NEES of the last pose, axes of odom; NaN where it is not known."""
    if last.has_gap or last.state == "lost" or last.covariance.max() > _UNKNOWN:
        return float("nan")
    odom_T_first = np.eye(4)
    odom_T_first[:3, :3] = body_R_optical
    true = odom_T_first @ inverse(poses[0]) @ poses[-1]
    found = last.odom_T_camera
    error = np.concatenate([true[:3, 3] - found[:3, 3], so3_log(true[:3, :3] @ found[:3, :3].T)])
    return float(error @ np.linalg.solve(last.covariance, error))


def line(
    split: str, place: str, source: str, what: str, groups: list[list[float]], lost: int
) -> str:
    """One row of the table; groups: the values of each clip."""
    groups = [np.array(group) for group in groups if len(group) and np.isfinite(group).all()]
    values = np.concatenate(groups)
    band = chi2.ppf((0.025, 0.975), 6 * len(values)) / len(values)
    rng = np.random.default_rng(0)
    drawn = [
        np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))]).mean()
        for _ in range(2000)
    ]
    boot = np.percentile(drawn, (2.5, 97.5))
    covered = f"{100 * (values < CHI2_95_OF_6).mean():.0f} %"
    return ROW.format(
        split,
        place,
        source,
        what,
        len(values),
        f"{values.mean():.2f}",
        f"{band[0]:.2f} to {band[1]:.2f}",
        f"{boot[0]:.2f} to {boot[1]:.2f}",
        f"{np.median(values):.2f}",
        covered,
        lost,
    )


def judge(split: str, seeds, frames: int, cache: Path, sources, worst: bool) -> None:
    """Print the rows of one split."""
    bar = tqdm(total=len(PLACES) * len(sources) * len(seeds), unit="clip", desc=split, leave=False)
    for place in PLACES:
        for source in sources:
            found = []
            for seed in seeds:
                found.append(nees_of(load_clip(place, seed, frames, cache), source))
                bar.update()
            lost = sum(one["lost"] for one in found)
            for what, groups in (
                ("end", [[one["end"]] for one in found]),
                ("steps", [one["steps"] for one in found]),
            ):
                tqdm.write(line(split, place, source, what, groups, lost))
            if worst:
                order = sorted(
                    range(len(seeds)), key=lambda i: -np.nan_to_num(found[i]["end"], nan=1e9)
                )[:5]
                tqdm.write(
                    "   "
                    + ", ".join(
                        f"{seeds[i]}: {found[i]['end']:.0f} (steps "
                        f"{np.mean(found[i]['steps']):.0f})"
                        for i in order
                    )
                )
    bar.close()


def time_a_pair(cache: Path) -> None:
    """Print the median CPU time of a 640x480 pair, apart from depth, beside the baseline, one
    after the other.
    """
    for place in PLACES:
        frames = frames_of(load_clip(place, 1, 12, cache, VGA), "stereo")
        spent = {"ego-motion": [], "opencv pnp": []}
        for _ in range(3):
            both = {"ego-motion": EgoMotion("geometric"), "opencv pnp": PnpOnDepth()}
            for frame in frames:
                for name, method in both.items():
                    begin = time.process_time()
                    method.update(frame)
                    spent[name].append(1e3 * (time.process_time() - begin))
        own, other = spent.values()
        print(
            f"CPU ms a 640x480 pair, {place}: median {np.median(own):.1f}, 90 % "
            f"{np.percentile(own, 90):.1f}; "
            f"OpenCV PnP {np.median(other):.1f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", choices=[*SEEDS, "both"], default="both")
    parser.add_argument("--clips", type=int, default=100, help="at most so many of a kind")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument(
        "--source", choices=SOURCES, action="append", help="stereo, or depth of one camera; both"
    )
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of rendered clips")
    parser.add_argument("--worst", action="store_true", help="name the worst clips")
    parser.add_argument("--no-time", action="store_true")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    for split, seeds in SEEDS.items():
        print(f"{split}: {len(seeds)} seeds, {seeds[0]} to {seeds[-1]}")
    print(
        ROW.format(
            "seeds",
            "place",
            "source",
            "what",
            "n",
            "mean",
            "band",
            "boot",
            "median",
            "in 95 %",
            "lost",
        )
    )
    for split in SEEDS if args.split == "both" else [args.split]:
        judge(
            split,
            SEEDS[split][: args.clips],
            args.frames,
            args.cache,
            args.source or SOURCES,
            args.worst,
        )
    if not args.no_time:
        time_a_pair(args.cache)


if __name__ == "__main__":
    main()

"""KITTI's trajectories 09 and 10 through a rendered street, judged by the official segment metric
over 100 to 800 m.

python experiments/odometry/kitti_rendered.py --sequence 09 [--method hybrid] [--method baseline]
[--out FOLDER] [--render-only]
"""

from __future__ import annotations

from pathlib import Path

import click
from pnp_baseline import PnpOnDepth
from tqdm import tqdm

from depth_ros.engine.load import load_engine
from depth_ros.estimator.stereo import StereoEstimator
from depth_ros.evaluation.odometry_runner import Follower
from depth_ros.evaluation.report.path_plot import plot_path
from depth_ros.evaluation.trajectory import judge_track, write_track
from depth_ros.recordings.output import write_bytes, write_json
from experiments.odometry.rendered_sequence import RenderedSequence

_POSES = Path(__file__).resolve().parents[3] / "shared" / "data" / "trajectories"
_CACHE = Path.home() / ".cache" / "depth_ros" / "kitti_rendered"
_COLUMNS = (
    "t_err_pct",
    "r_err_deg_per_100m",
    "ate_m",
    "end_drift_pct",
    "nees",
    "nees_covered_pct",
    "lost",
    "geometry_ms",
)


@click.command()
@click.option(
    "--sequence", default="09", show_default=True, help="Name of a trajectory file, without .txt."
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    default=("hybrid", "baseline"),
    show_default=True,
    help="hybrid, geometric, network, or baseline (OpenCV PnP on SGBM); may be repeated.",
)
@click.option(
    "--depth",
    type=click.Choice(["sgbm", "auto"]),
    default="sgbm",
    show_default=True,
    help="Where depth comes from; auto: the shipped stereo network.",
)
@click.option(
    "--poses",
    type=click.Path(path_type=Path),
    default=_POSES,
    help="Folder of the trajectory files.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    default=_CACHE,
    help="Folder of the rendered pictures.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for figures, plots and trajectories."
)
@click.option(
    "--frames",
    type=click.IntRange(3),
    help="Only the first frames: then the metric is over what they reach.",
)
@click.option("--render-only", is_flag=True, help="Render what is missing, judge nothing.")
def main(sequence, methods, depth, poses, cache, out, frames, render_only):
    """Render the sequence where that has not been done, then follow it and judge the way."""
    source = RenderedSequence(poses / f"{sequence}.txt", cache / sequence)
    count = min(frames or len(source), len(source))
    with tqdm(total=count, unit="pair", desc=f"rendering {sequence}", mininterval=30) as bar:
        for i in range(count):
            source.render(i)
            bar.update()
    if render_only:
        return
    estimator = StereoEstimator(load_engine(backend=depth, max_disparity_px=64), 64)
    followers = {
        name: Follower(name, ego=PnpOnDepth() if name == "baseline" else None) for name in methods
    }
    for i in tqdm(range(count), unit="pair", desc="following", mininterval=30):
        sample = source.sample(i)
        estimate = estimator.estimate(sample.frame)
        for follower in followers.values():
            follower.update(estimate, sample.world_T_camera)
    report(source, followers, estimator.engine.name, out, count)


def report(source, followers, depth, out, count) -> None:
    """Print a line of the table for each method, and write what was found."""
    camera = source.rig.left
    click.echo(
        f"{source.name}: RENDERED pictures {camera.width}x{camera.height}, {count} pairs, "
        f"depth by {depth}"
    )
    click.echo(
        "| method | "
        + " | ".join(_COLUMNS)
        + " | segments_m |\n|---|"
        + "---:|" * (len(_COLUMNS) + 1)
    )
    for name, follower in followers.items():
        figures = judge_track(follower.track)
        cells = [f"{figures[key]:.3f}" if key in figures else "-" for key in _COLUMNS]
        lengths = figures["segments_m"]
        if lengths:
            reach = f"{lengths[0]} to {lengths[-1]}"
        else:
            reach = "-"
        click.echo(f"| {name} | " + " | ".join(cells) + f" | {reach} |")
        if out is not None:
            folder = out / source.name / name
            write_track(follower.track, folder)
            write_json(
                folder / "figures.json",
                {"rendered": True, "pairs": count, "depth": depth, **figures},
            )
            write_bytes(folder / "path.png", plot_path(follower.track))


if __name__ == "__main__":
    main()

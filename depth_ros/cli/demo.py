"""The demo: a rendered stereo clip through the real node over DDS, and what came out, for
people.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from depth_ros.core.depth import depth_to_disparity
from depth_ros.engine.load import BACKENDS
from depth_ros.estimator.factory import EstimatorOptions, make_estimator
from depth_ros.estimator.stereo import StereoEstimator
from depth_ros.evaluation.evaluate import Evaluation
from depth_ros.evaluation.report.figures import percentile
from depth_ros.evaluation.report.image_panels import side_by_side
from depth_ros.evaluation.report.report import write_report
from depth_ros.nodes.replay.replay import replay, require_ros
from depth_ros.recordings.bag import Bag
from depth_ros.recordings.output import encode_image, encode_ply, write_bytes
from depth_ros.synthetic.demo_recording import FRAMES, cached_clip

_PICTURES = 3
_MAX_DISPARITY_PX = 64  # the nearest thing in the clip stands at 36 px
_ACCURACY = (
    ("depth", "abs_rel", "mean relative error of depth"),
    ("depth", "rmse", "root mean square error, m"),
    ("depth", "delta1", "share within 25 %"),
    ("stereo", "epe_px", "mean error of disparity, px"),
    ("stereo", "bad2_pct", "off by more than 2 px, %"),
    ("stereo", "coverage", "share of pixels answered"),
)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; returns the exit code: 1 where no pair was answered or one is not accounted
    for.
    """
    options = _options(arguments)
    require_ros()  # both refuse before half a minute of rendering
    estimator = make_estimator(
        EstimatorOptions("stereo", options.model, options.backend, _MAX_DISPARITY_PX)
    )
    bag = Bag(_clip(options.out / "clip", options.frames))
    print(f"playing {len(bag)} pairs at 10 Hz over DDS into depth_node", flush=True)
    start = time.monotonic()
    run = replay(bag, options.model, options.backend, _MAX_DISPARITY_PX)
    run.input = "rendered clip"
    report = write_report(run, options.out)
    print("\n".join(table(run, report)))
    pictures = write_pictures(bag, estimator, options.out)
    print(f"replayed and judged in {time.monotonic() - start:.0f} s; left in {options.out}/:")
    print("  report.html  report.json  cloud.ply  " + "  ".join(pictures))
    if run.results and not unaccounted(report):
        return 0
    return 1


def table(run: Evaluation, report: dict) -> list[str]:
    """Format accuracy, rates, latency and drops as the lines of a table."""
    frames = report["frames"]
    latency = report.get("latency_ms", {})
    seconds = frames["in"] / 10
    rows = [
        (label, f"{report[section][key]:.3f}")
        for section, key, label in _ACCURACY
        if key in report.get(section, {})
    ]
    rows += [
        ("pairs in, depth out", f"{frames['in']}, {frames['out']}"),
        ("rate in, rate out, Hz", f"10.0, {frames['out'] / seconds:.1f}"),
        (
            "dropped, by cause",
            ", ".join(f"{n} {cause}" for cause, n in frames["dropped"].items() if n) or "none",
        ),
        ("lost without a cause", str(unaccounted(report))),
    ]
    rows += [
        (f"pair to depth {key}, ms", f"{latency[key]:.0f}")
        for key in ("p50", "p95", "p99")
        if key in latency
    ]
    if "engine_p50" in latency:
        rows.append(("of that the engine, p50, ms", f"{latency['engine_p50']:.0f}"))
    if run.age_ms:
        rows.append(("age of depth on arrival, p50, ms", f"{percentile(run.age_ms, 50):.0f}"))
    return [
        f"model {report['model']}, backend {report['backend']}",
        *(f"  {name:34}{value}" for name, value in rows),
    ]


def unaccounted(report: dict) -> int:
    """Count the pairs that were neither answered nor dropped with a cause."""
    frames = report["frames"]
    return frames["in"] - frames["out"] - sum(frames["dropped"].values())


def write_pictures(bag: Bag, estimator: StereoEstimator, out: Path) -> list[str]:
    """Write left | inverse depth | ground truth | error of a few frames, and a cloud."""
    chosen = {round(i * (len(bag) - 1) / (_PICTURES - 1)) for i in range(_PICTURES)}
    names = []
    for i, sample in enumerate(bag):
        if i not in chosen:
            continue
        estimate = estimator.estimate(sample.frame)
        rig = estimate.rig
        truth = depth_to_disparity(sample.truth_depth, rig.left.fx, rig.baseline_m, rig.doffs_px)
        names.append(f"frame_{i:02d}.png")
        write_bytes(out / names[-1], encode_image(side_by_side(estimate, truth)))
        if len(names) == 1:
            write_bytes(out / "cloud.ply", encode_ply(estimate.depth, rig.left, estimate.left))
    return names


def _clip(folder: Path, frames: int) -> Path:
    """Find or render the clip, with a progress bar."""
    from tqdm import tqdm

    with tqdm(
        total=frames,
        desc="rendering the clip (once)",
        unit="pair",
        delay=2,
        leave=False,
        disable=None,
    ) as bar:
        return cached_clip(folder, frames, on_step=bar.update)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("depth-ros demo", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), help="folder for the results (default: demo)"
    )
    parser.add_argument("--model", type=Path, help="ONNX model (default: the one that is shipped)")
    parser.add_argument(
        "--backend", choices=BACKENDS, default="auto", help="default: the model, else sgbm"
    )
    parser.add_argument(
        "--frames", type=int, default=FRAMES, help=f"length of the clip (default: {FRAMES})"
    )
    return parser.parse_args(arguments)

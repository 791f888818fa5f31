"""The verdict: what a run found, in sentences, the important one first."""

from __future__ import annotations

import numpy as np

from depth_ros.evaluation.evaluate import Evaluation, noun

from .figures import ERROR_WORDS, percentile


def verdict(run: Evaluation, report: dict) -> list[str]:
    """Say in sentences what a reader wants to know first."""
    frames, lines = report["frames"], []
    share = 100 * frames["out"] / max(1, frames["in"])
    dropped = ", ".join(f"{count} {cause}" for cause, count in frames["dropped"].items() if count)
    lines.append(
        f"{frames['out']} of {frames['in']} {noun(run)}s answered ({share:.0f} %)"
        + (f"; dropped: {dropped}." if dropped else ".")
    )
    lost = frames["in"] - frames["out"] - sum(frames["dropped"].values())
    if lost:
        lines.append(f"{lost} {noun(run)}s are NOT accounted for.")
    if stereo := report.get("stereo"):
        lines.append(
            f"{stereo['bad2_pct']:.1f} %{_interval(stereo, 'bad2_pct_ci')} of the pixels "
            "with truth are off "
            "by more than 2 px (no answer counts as wrong); "
            f"{100 * stereo['coverage']:.1f} % were answered."
        )
    if visible := report.get("stereo_visible"):
        lines.append(
            f"Of the pixels that both cameras see, {visible['bad2_pct']:.1f} % are off by "
            "more than 2 px."
        )
    if depth := report.get("depth"):
        off = f"{100 * depth['abs_rel']:.1f} %{_interval(depth, 'abs_rel_ci', 100)}"
        lines.append(f"Depth is off by {off} on average (rmse {depth['rmse']:.2f} m).")
    if median := report.get("depth_median"):
        lines.append(
            "With the scale taken from the truth, image by image (median scaling), depth "
            "is off by "
            f"{100 * median['abs_rel']:.1f} %"
            + ("." if depth else "; by itself this model knows no metres.")
        )
    if not {"stereo", "depth", "depth_median"} & set(report):
        covered = (
            100 * float(np.mean([result.coverage for result in run.results]))
            if run.results
            else 0.0
        )
        depth = (
            "a relative depth, no metres"
            if any(result.relative for result in run.results)
            else "a depth"
        )
        lines.append(
            f"No ground truth, so accuracy was not judged; {covered:.1f} % of the pixels "
            f"have {depth}."
        )
    lines += (
        _proxy(report) + _sigma(report) + _way(report.get("odometry", {})) + _speed(run, report)
    )
    precision = f", {run.precision}" if run.precision else ""
    lines.append(f"Answered by {run.model}{precision}, on {run.backend}.")
    return lines + run.notes + findings_words(run)


def _way(odometry: dict) -> list[str]:
    """The sentence about ego-motion, with the lengths that its percentages were measured over."""
    if not odometry:
        return []
    words = (
        f"Ego-motion ({odometry['method']}, metres from {odometry['scale']}) was lost in "
        f"{odometry['lost']} frames"
    )
    if "end_drift_m" not in odometry:
        return [
            f"{words}; without true poses its way of {odometry.get('path_m', 0.0):.1f} m "
            "was not judged."
        ]
    share = f" ({odometry['end_drift_pct']:.2f} %)" if "end_drift_pct" in odometry else ""
    words += (
        f"; after {odometry['truth_path_m']:.1f} m the pose is off by "
        f"{odometry['end_drift_m']:.3f} m{share}, ATE {odometry['ate_m']:.3f} m."
    )
    if odometry.get("segments"):
        lengths = ", ".join(map(str, odometry["segments_m"]))
        words += f" Over segments of {lengths} m: {odometry['t_err_pct']:.2f} %, "
        words += f"{odometry['r_err_deg_per_100m']:.2f} deg/100 m."
    return [words]


def _speed(run: Evaluation, report: dict) -> list[str]:
    """The sentence about time; in a replay age and engine time are what a robot feels."""
    latency = report.get("latency_ms", {})
    if "p50" not in latency:
        return []
    engine = f", the engine {latency['engine_p50']:.0f} ms" if "engine_p50" in latency else ""
    if not run.replay:
        return [
            f"{'An image' if run.mode == 'mono' else 'A pair'} takes {latency['p50']:.0f} "
            f"ms (median){engine}."
        ]
    age = percentile(run.age_ms, 50)
    aged = (
        f"Published depth is {age:.0f} ms old on arrival (median)"
        if age is not None
        else "No age was measured"
    )
    return [
        f"{aged}; from {noun(run)} to depth {latency['p50']:.0f} ms, p99 "
        f"{latency['p99']:.0f} ms{engine}."
    ]


def _sigma(report: dict) -> list[str]:
    """The sentence about uncertainty."""
    figures = report.get("uncertainty", {})
    if "within_1_sigma_pct" not in figures:
        return []
    one = figures["within_1_sigma_pct"]
    judged = (
        "about right" if 60 <= one <= 77 else "too sure of itself" if one < 60 else "too cautious"
    )
    return [
        f"Its uncertainty is {judged}: {one:.0f} % of the errors lie within one sigma (68 "
        "% would be right)."
    ]


def _proxy(report: dict) -> list[str]:
    """The sentence about what stands in for accuracy without truth."""
    figures, parts = report.get("proxies", {}), []
    if "left_right_off_pct" in figures:
        share = figures["left_right_off_pct"]
        parts.append(f"left and right disagree by more than 1 px on {share:.1f} % of the pixels")
    if "temporal_pct" in figures:
        parts.append(
            f"depth changes by {figures['temporal_pct']:.1f} % from frame to frame (median)"
        )
    if "photometric_grey" in figures:
        parts.append(
            f"the moved picture differs by {figures['photometric_grey']:.1f} of 255 grey levels"
        )
    return [f"Proxies, not accuracy: {'; '.join(parts)}."] if parts else []


def findings_words(run: Evaluation) -> list[str]:
    """The sentence about the recording itself."""
    bad = [finding for finding in run.findings or [] if finding.level == "PROBLEM"]
    return (
        [f"The recording has {len(bad)} problem(s), see Calibration: {bad[0].words}."]
        if bad
        else []
    )


def against_words(run: Evaluation, others: list[tuple[Evaluation, dict | None]]) -> list[str]:
    """Say of every other model whether the difference is more than chance. others: (run,
    figures.compare's answer).
    """
    lines = []
    for other, gap in others:
        if gap is None:
            continue
        lines.append(_beside(run, other, gap))
    return lines


def _beside(run: Evaluation, other: Evaluation, gap: dict) -> str:
    """The sentence about one other model; below three frames there is no interval, and nothing
    is told apart.
    """
    words = f"{ERROR_WORDS[gap['what']]}: {gap['difference']:+.3g}"
    noun_words = "frame" if gap["frames"] == 1 else "frames"
    if "ci" not in gap:
        return (
            f"{run.model} beside {other.model}: {words} over {gap['frames']} {noun_words}, too "
            "few for an interval."
        )
    low, high = gap["ci"]
    if high < 0:
        level = "better than"
    elif low > 0:
        level = "worse than"
    else:
        level = "not told apart from"
    return (
        f"{run.model} is {level} {other.model}: {words} [{low:+.3g}, {high:+.3g}] over "
        f"{gap['frames']} frames."
    )


def _interval(values: dict, key: str, factor: float = 1.0) -> str:
    """ " [low, high]", or nothing where there were too few frames."""
    return (
        " [{:.1f}, {:.1f}]".format(*(factor * value for value in values[key]))
        if key in values
        else ""
    )

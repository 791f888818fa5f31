"""The verdict: what a run found, in sentences, the important one first."""

from __future__ import annotations

import numpy as np

from depth_ros.evaluation.evaluate import Evaluation, noun

from .figures import ERROR_WORDS, percentile

_RIGHT_PCT = (60, 77)  # of the errors within one sigma; 68 of a normal distribution


def verdict(run: Evaluation, report: dict) -> list[str]:
    """Summarise a run in sentences.

    Args:
        run: What was measured.
        report: Its report.json, as figures.to_report made it.

    Returns:
        Sentences: frames first, then accuracy or what stands in for it, uncertainty, ego-motion,
        time, the model, and what the input is to blame for.
    """
    lines = _frames(run, report["frames"])
    lines += _accuracy(report)
    if not {"stereo", "depth", "depth_median"} & set(report):
        lines.append(_unjudged(run))
    lines += _proxies(report.get("proxies", {}))
    lines += _sigma(report.get("uncertainty", {}))
    lines += _odometry(report.get("odometry", {}))
    lines += _speed(run, report.get("latency_ms", {}))
    precision = f", {run.precision}" if run.precision else ""
    lines.append(f"Answered by {run.model}{precision}, on {run.backend}.")
    return lines + run.notes + findings_words(run)


def findings_words(run: Evaluation) -> list[str]:
    """Return the sentence about the recording itself, if the doctor found a problem."""
    problems = [finding for finding in run.findings or [] if finding.level == "PROBLEM"]
    if not problems:
        return []
    first = problems[0].words
    return [f"The recording has {len(problems)} problem(s), see Calibration: {first}."]


def against_words(run: Evaluation, others: list[tuple[Evaluation, dict | None]]) -> list[str]:
    """Compare a run with those of other models, and say whether the difference is more than chance.

    Args:
        run: The run.
        others: (run of another model, the answer of figures.compare) each.

    Returns:
        A sentence for each that shares a judged frame with the run.
    """
    return [_beside(run, other, gap) for other, gap in others if gap is not None]


def _frames(run: Evaluation, frames: dict) -> list[str]:
    """How many frames were answered, and what became of the others."""
    answered = frames["out"]
    dropped = {cause: count for cause, count in frames["dropped"].items() if count}
    share = 100 * answered / max(1, frames["in"])
    line = f"{answered} of {frames['in']} {noun(run)}s answered ({share:.0f} %)"
    if dropped:
        line += "; dropped: " + ", ".join(f"{count} {cause}" for cause, count in dropped.items())
    lines = [f"{line}."]
    lost = frames["in"] - answered - sum(dropped.values())
    if lost:
        lines.append(f"{lost} {noun(run)}s are NOT accounted for.")
    return lines


def _accuracy(report: dict) -> list[str]:
    """Errors against ground truth: of disparity, of depth, and of depth without its scale."""
    lines = []
    stereo = report.get("stereo")
    if stereo:
        lines.append(
            f"{stereo['bad2_pct']:.1f} %{_interval(stereo, 'bad2_pct_ci')} of the pixels with "
            "truth are off by more than 2 px (no answer counts as wrong); "
            f"{100 * stereo['coverage']:.1f} % were answered."
        )
    visible = report.get("stereo_visible")
    if visible:
        lines.append(
            f"Of the pixels that both cameras see, {visible['bad2_pct']:.1f} % are off by "
            "more than 2 px."
        )
    depth = report.get("depth")
    if depth:
        off = f"{100 * depth['abs_rel']:.1f} %{_interval(depth, 'abs_rel_ci', 100)}"
        lines.append(f"Depth is off by {off} on average (rmse {depth['rmse']:.2f} m).")
    median = report.get("depth_median")
    if median:
        end = "." if depth else "; by itself this model knows no metres."
        lines.append(
            "With the scale taken from the truth, image by image (median scaling), depth is off "
            f"by {100 * median['abs_rel']:.1f} %{end}"
        )
    return lines


def _unjudged(run: Evaluation) -> str:
    """The sentence about a run without ground truth."""
    covered_pct = 0.0
    if run.results:
        covered_pct = 100 * float(np.mean([result.coverage for result in run.results]))
    kind = "a depth"
    if any(result.relative for result in run.results):
        kind = "a relative depth, no metres"
    return (
        f"No ground truth, so accuracy was not judged; {covered_pct:.1f} % of the pixels "
        f"have {kind}."
    )


def _proxies(figures: dict) -> list[str]:
    """The sentence about what stands in for accuracy without ground truth."""
    parts = []
    if "left_right_off_pct" in figures:
        share = figures["left_right_off_pct"]
        parts.append(f"left and right disagree by more than 1 px on {share:.1f} % of the pixels")
    if "temporal_pct" in figures:
        change = figures["temporal_pct"]
        parts.append(f"depth changes by {change:.1f} % from frame to frame (median)")
    if "photometric_grey" in figures:
        levels = figures["photometric_grey"]
        parts.append(f"the moved picture differs by {levels:.1f} of 255 grey levels")
    if not parts:
        return []
    return [f"Proxies, not accuracy: {'; '.join(parts)}."]


def _sigma(figures: dict) -> list[str]:
    """The sentence about uncertainty."""
    if "within_1_sigma_pct" not in figures:
        return []
    within_pct = figures["within_1_sigma_pct"]
    least_pct, most_pct = _RIGHT_PCT
    if within_pct < least_pct:
        judged = "too sure of itself"
    elif within_pct > most_pct:
        judged = "too cautious"
    else:
        judged = "about right"
    return [
        f"Its uncertainty is {judged}: {within_pct:.0f} % of the errors lie within one sigma (68 "
        "% would be right)."
    ]


def _odometry(figures: dict) -> list[str]:
    """The sentence about ego-motion, with the lengths that its percentages were measured over."""
    if not figures:
        return []
    words = (
        f"Ego-motion ({figures['method']}, metres from {figures['scale']}) was lost in "
        f"{figures['lost']} frames"
    )
    if "end_drift_m" not in figures:
        path_m = figures.get("path_m", 0.0)
        return [f"{words}; without true poses its path of {path_m:.1f} m was not judged."]
    share = ""
    if "end_drift_pct" in figures:
        share = f" ({figures['end_drift_pct']:.2f} %)"
    words += (
        f"; after {figures['truth_path_m']:.1f} m the pose is off by "
        f"{figures['end_drift_m']:.3f} m{share}, ATE {figures['ate_m']:.3f} m."
    )
    if figures.get("segments"):
        lengths = ", ".join(map(str, figures["segments_m"]))
        words += (
            f" Over segments of {lengths} m: {figures['t_err_pct']:.2f} %, "
            f"{figures['r_err_deg_per_100m']:.2f} deg/100 m."
        )
    return [words]


def _speed(run: Evaluation, latency: dict) -> list[str]:
    """The sentence about time; in a replay the age of depth is what a robot feels."""
    if "p50" not in latency:
        return []
    engine = ""
    if "engine_p50" in latency:
        engine = f", the engine {latency['engine_p50']:.0f} ms"
    if not run.replay:
        one = "An image" if run.mode == "mono" else "A pair"
        return [f"{one} takes {latency['p50']:.0f} ms (median){engine}."]
    age_ms = percentile(run.age_ms, 50)
    age = "No age was measured"
    if age_ms is not None:
        age = f"Published depth is {age_ms:.0f} ms old on arrival (median)"
    return [
        f"{age}; from {noun(run)} to depth {latency['p50']:.0f} ms, p99 "
        f"{latency['p99']:.0f} ms{engine}."
    ]


def _beside(run: Evaluation, other: Evaluation, gap: dict) -> str:
    """The sentence about one other model; below three frames there is no interval, and no
    ranking.
    """
    words = f"{ERROR_WORDS[gap['what']]}: {gap['difference']:+.3g}"
    if "ci" not in gap:
        frames = "frame" if gap["frames"] == 1 else "frames"
        return (
            f"{run.model} beside {other.model}: {words} over {gap['frames']} {frames}, too "
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
    if key not in values:
        return ""
    low, high = values[key]
    return f" [{factor * low:.1f}, {factor * high:.1f}]"

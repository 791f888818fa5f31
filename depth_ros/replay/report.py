"""report.json and report.html: what came out, in words first, then numbers, plots and pictures."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np

from .evaluate import Evaluation, FrameResult, noun, percentile, to_report
from .output import write_bytes, write_json
from .path_plot import plot_path
from .trajectory import write_track

_TEMPLATE = Path(__file__).with_name("report.html.j2")


def write_report(run: Evaluation, folder: str | Path) -> dict:
    """Write report.json and report.html (one file, nothing loaded from elsewhere) into a folder; returns the report.

    Where ego-motion ran, also the way in the formats of TUM and KITTI, and the true one (trajectory.write_track).
    Raises InputError where the folder cannot be written.
    """
    report = to_report(run)
    write_bytes(Path(folder) / "report.html", to_html(run, report).encode())
    write_json(Path(folder) / "report.json", report)
    if run.track is not None and len(run.track):
        write_track(run.track, folder)
    return report


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
            f"{stereo['bad2_pct']:.1f} % of the pixels with truth are off by more than 2 px "
            f"(no answer counts as wrong); {100 * stereo['coverage']:.1f} % were answered."
        )
    if depth := report.get("depth"):
        lines.append(f"Depth is off by {100 * depth['abs_rel']:.1f} % on average (rmse {depth['rmse']:.2f} m).")
    if median := report.get("depth_median"):
        lines.append(
            f"With the scale taken from the truth, image by image (median scaling), depth is off by "
            f"{100 * median['abs_rel']:.1f} %" + ("." if depth else "; by itself this model knows no metres.")
        )
    if not {"stereo", "depth", "depth_median"} & set(report):
        covered = 100 * float(np.mean([result.coverage for result in run.results])) if run.results else 0.0
        lines.append(f"No ground truth, so accuracy was not judged; {covered:.1f} % of the pixels were answered.")
    return lines + _way(report.get("odometry", {})) + _speed(run, report)


def _way(odometry: dict) -> list[str]:
    """The sentence about ego-motion, with the lengths that its percentages were measured over."""
    if not odometry:
        return []
    words = f"Ego-motion ({odometry['method']}, metres from {odometry['scale']}) was lost in {odometry['lost']} frames"
    if "end_drift_m" not in odometry:
        return [f"{words}; without true poses its way of {odometry.get('path_m', 0.0):.1f} m was not judged."]
    ate = f", ATE {odometry['ate_m']:.3f} m" if "ate_m" in odometry else ", ATE and RPE need: pip install evo"
    share = f" ({odometry['end_drift_pct']:.2f} %)" if "end_drift_pct" in odometry else ""
    words += f"; after {odometry['truth_path_m']:.1f} m the pose is off by {odometry['end_drift_m']:.3f} m{share}{ate}."
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
        return [f"{'An image' if run.mode == 'mono' else 'A pair'} takes {latency['p50']:.0f} ms (median){engine}."]
    age = percentile(run.age_ms, 50)
    aged = f"Published depth is {age:.0f} ms old on arrival (median)" if age is not None else "No age was measured"
    return [f"{aged}; from pair to depth {latency['p50']:.0f} ms, p99 {latency['p99']:.0f} ms{engine}."]


def to_html(run: Evaluation, report: dict) -> str:
    """Fill the template."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = _number
    template = environment.from_string(_TEMPLATE.read_text())
    return template.render(
        report=report,
        run=run,
        verdict=verdict(run, report),
        age=[(f"p{p}", percentile(run.age_ms, p)) for p in (50, 95, 99)] if run.age_ms else [],
        pictures=[(label, result, _base64(result.picture)) for label, result in chosen(run.results)],
        plots=[_base64(plot) for plot in _plots(run)],
        path=_base64(plot_path(run.track)) if run.track is not None and len(run.track) else "",
    )


def chosen(results: list[FrameResult]) -> list[tuple[str, FrameResult]]:
    """Pick the frames to show: worst, median and best by error, or first, middle and last without truth."""
    pictured = [result for result in results if result.picture]
    judged = sorted((r for r in pictured if r.error is not None), key=lambda r: r.error, reverse=True)
    ranked, labels = (judged, ("worst", "median", "best")) if judged else (pictured, ("first", "middle", "last"))
    if not ranked:
        return []
    places = (
        dict(zip((0, len(ranked) // 2, len(ranked) - 1), labels, strict=True)) if len(ranked) > 2 else {0: labels[0]}
    )
    if len(ranked) == 2:
        places[1] = labels[2]
    return [(label, ranked[place]) for place, label in places.items()]


def _plots(run: Evaluation) -> list[bytes]:
    """PNG plots: time per frame, error per frame."""
    curves = [("milliseconds", {"latency": run.latency_ms, "age": run.age_ms})]
    errors = [result.error for result in run.results if result.error is not None]
    what = "bad2, %" if any(result.stereo for result in run.results) else "abs_rel"
    curves.append((what, {"error": errors}))
    return [
        _plot(label, {k: v for k, v in lines.items() if v}) for label, lines in curves if any(map(len, lines.values()))
    ]


def _plot(label: str, lines: dict[str, list[float]]) -> bytes:
    """One plot over the frames."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, values in lines.items():
        axes.plot(np.arange(len(values)), values, marker=".", linewidth=1, label=name)
    axes.set(xlabel="frame", ylabel=label, ylim=(0, None))
    axes.grid(alpha=0.3)
    if len(lines) > 1:
        axes.legend(frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _number(value) -> str:
    """A figure for a table cell."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return (
        ", ".join(f"{key}: {count}" for key, count in value.items()) or "none"
        if isinstance(value, dict)
        else str(value)
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()

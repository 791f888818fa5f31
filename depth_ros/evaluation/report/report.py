"""report.json and report.html: what came out, in words first, then numbers, plots and pictures."""

from __future__ import annotations

import base64
from pathlib import Path

from depth_ros.evaluation.evaluate import Evaluation, FrameResult
from depth_ros.evaluation.odometry_track import off_between
from depth_ros.evaluation.trajectory import write_track
from depth_ros.recordings.output import write_bytes, write_json

from . import plots
from .figures import ERROR_WORDS, compare, error_key, percentile, to_report
from .labels import label, missing, number, short_names, table
from .path_plot import plot_drift, plot_path
from .verdict import against_words, verdict

_TEMPLATE = Path(__file__).with_name("report.html.j2")
_SIDE_BY_SIDE = (
    ("stereo", "bad2_pct"),
    ("stereo", "epe_px"),
    ("stereo", "coverage"),
    ("stereo_visible", "bad2_pct"),
    ("depth", "abs_rel"),
    ("depth", "rmse"),
    ("depth", "delta1"),
    ("depth_median", "abs_rel"),
    ("uncertainty", "within_1_sigma_pct"),
    ("uncertainty", "share_of_oracle"),
    ("proxies", "left_right_off_pct"),
    ("proxies", "photometric_grey"),
    ("proxies", "temporal_pct"),
    ("odometry", "ate_m"),
    ("odometry", "t_err_pct"),
    ("latency_ms", "p50"),
    ("latency_ms", "p95"),
)


def write_report(run: Evaluation, folder: str | Path, against: list[Evaluation] = ()) -> dict:
    """Write report.json and report.html (one file, nothing loaded from elsewhere) into a folder;
    returns the report.

    against: runs of other models over the same input, to stand beside. Where ego-motion ran, also
    the way in the formats of TUM and KITTI, and the true one (trajectory.write_track). Raises
    InputError where the folder cannot be written.
    """
    report = to_report(run)
    if run.findings is not None:
        report["findings"] = [vars(finding) for finding in run.findings]
    if run.causes:
        report["dropped_frames"] = run.causes
    if against:
        report["against"] = [
            {**to_report(other), "compared": compare(run, other)} for other in against
        ]
    write_bytes(Path(folder) / "report.html", to_html(run, report, against).encode())
    write_json(Path(folder) / "report.json", report)
    if run.track is not None and len(run.track):
        write_track(run.track, folder)
    return report


def words_of(run: Evaluation, report: dict, against: list[Evaluation] = ()) -> list[str]:
    """Give the verdict, the comparison with other models included."""
    pairs = zip(against, report.get("against", []))
    lines = verdict(run, report) + against_words(
        run, [(other, part["compared"]) for other, part in pairs]
    )
    return lines + [words for other in against if (words := _way_beside(run, other))]


def _way_beside(run: Evaluation, other: Evaluation) -> str:
    """Say how far the way that the node published is from the one of another run; "" where
    either is not known.
    """
    gap = off_between(run.track, other.track) if run.replay and run.track and other.track else None
    return (
        ""
        if gap is None
        else (
            f"The way that the node published is {gap[0]:.3f} m (rmse of {gap[1]} poses) "
            f"from that of {other.model}."
        )
    )


def to_html(run: Evaluation, report: dict, against: list[Evaluation] = ()) -> str:
    """Fill the template."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = number
    template = environment.from_string(_TEMPLATE.read_text())
    others = report.get("against", [])
    return template.render(
        report=report,
        run=run,
        verdict=words_of(run, report, against),
        table=table,
        missing=missing(report["not_measured"], report),
        error_words=_error_words(run),
        error_text=_error_text,
        age=[(f"p{p}", percentile(run.age_ms, p)) for p in (50, 95, 99)] if run.age_ms else [],
        pictures=[
            (label, result, _base64(result.picture)) for label, result in chosen(run.results)
        ],
        beside=side_by_side(report, others) if others else [],
        models=short_names([report["model"], *(other["model"] for other in others)]),
        plots={name: _base64(plot) for name, plot in _plots(run, report, against).items()},
    )


def side_by_side(report: dict, others: list[dict]) -> list[tuple[str, list]]:
    """Give (words and unit, text of each model) of the figures that any of them has; a dash
    where one has none.
    """
    rows = []
    for section, key in _SIDE_BY_SIDE:
        values = [one.get(section, {}).get(key) for one in (report, *others)]
        if any(value is not None for value in values):
            words, factor, unit = label(section, key)
            rows.append(
                (f"{words}, {unit}" if unit else words, [number(value, factor) for value in values])
            )
    return rows


def chosen(results: list[FrameResult]) -> list[tuple[str, FrameResult]]:
    """Pick the frames to show: worst, median and best by error, or first, middle and last
    without truth.
    """
    pictured = [result for result in results if result.picture]
    judged = sorted(
        (r for r in pictured if r.error is not None), key=lambda r: r.error, reverse=True
    )
    ranked, labels = (
        (judged, ("worst", "median", "best")) if judged else (pictured, ("first", "middle", "last"))
    )
    if not ranked:
        return []
    places = (
        dict(zip((0, len(ranked) // 2, len(ranked) - 1), labels, strict=True))
        if len(ranked) > 2
        else {0: labels[0]}
    )
    if len(ranked) == 2:
        places[1] = labels[2]
    return [(label, ranked[place]) for place, label in places.items()]


def _plots(run: Evaluation, report: dict, against: list[Evaluation]) -> dict[str, bytes]:
    """Draw every plot that has something to show, by the name that the template knows it by."""
    drawn = {}
    every, runs = (report, *report.get("against", [])), (run, *against)
    names = short_names([one.model for one in runs])
    if tables := {
        n: one["by_range"]["rows"] for n, one in zip(names, every, strict=True) if "by_range" in one
    }:
        drawn["by_range"] = plots.plot_ranges(tables)
    if sigmas := [result.sigma for result in run.results if result.sigma is not None]:
        drawn["sigma"] = plots.plot_sigma(sigmas)
    if run.track is not None and len(run.track):
        others = {
            n: other.track for n, other in zip(names[1:], against, strict=True) if other.track
        }
        drawn["path"] = plot_path(run.track, others)
        if len(run.track.judged) > 2:
            drawn["drift"] = plot_drift(run.track)
    if run.latency_ms:
        drawn["latency"] = plots.plot_histogram(
            {"latency": run.latency_ms, "age": run.age_ms}, "milliseconds"
        )
        drawn["latency_over_time"] = plots.plot_lines(
            {"latency": run.latency_ms, "age": run.age_ms}, "milliseconds"
        )
    alike = [
        (n, one) for n, one in zip(names, runs, strict=True) if error_key(one) == error_key(run)
    ]
    errors = {n: [r.error for r in one.results if r.error is not None] for n, one in alike}
    if any(map(len, errors.values())):
        drawn["error_over_time"] = plots.plot_lines(errors, _error_words(run))
    if dropped := {cause: count for cause, count in report["frames"]["dropped"].items() if count}:
        drawn["drops"] = plots.plot_bars(dropped, "frames dropped")
    return drawn


def _error_words(run: Evaluation) -> str:
    """Say what frames are ranked by."""
    return ERROR_WORDS[".".join(error_key(run))]


def _error_text(result: FrameResult) -> str:
    """Write the error of a frame in percent; of disparity it is that already."""
    return f"{result.error if result.stereo else 100 * result.error:.1f} %"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()

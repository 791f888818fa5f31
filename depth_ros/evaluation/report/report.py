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
    the trajectory in the formats of TUM and KITTI, and the ground truth (trajectory.write_track).
    Raises InputError where the folder cannot be written.
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
    """Return the verdict, the comparison with other models included."""
    pairs = zip(against, report.get("against", []))
    lines = verdict(run, report)
    lines += against_words(run, [(other, part["compared"]) for other, part in pairs])
    for other in against:
        lines += _compare_paths(run, other)
    return lines


def _compare_paths(run: Evaluation, other: Evaluation) -> list[str]:
    """How far the path that the node published is from that of another run, where both are
    known.
    """
    if not (run.replay and run.track and other.track):
        return []
    gap = off_between(run.track, other.track)
    if gap is None:
        return []
    rmse_m, count = gap
    return [
        f"The path that the node published is {rmse_m:.3f} m (rmse of {count} poses) from that "
        f"of {other.model}."
    ]


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
        age=_age_percentiles(run),
        pictures=[(name, frame, _base64(frame.picture)) for name, frame in chosen(run.results)],
        beside=side_by_side(report, others) if others else [],
        models=short_names([report["model"], *(other["model"] for other in others)]),
        plots={name: _base64(plot) for name, plot in _plots(run, report, against).items()},
    )


def side_by_side(report: dict, others: list[dict]) -> list[tuple[str, list]]:
    """Return (label with its unit, text of each model) of the figures that any of them has; a dash
    where one has none.
    """
    rows = []
    for section, key in _SIDE_BY_SIDE:
        values = [one.get(section, {}).get(key) for one in (report, *others)]
        if all(value is None for value in values):
            continue
        words, factor, unit = label(section, key)
        if unit:
            words = f"{words}, {unit}"
        rows.append((words, [number(value, factor) for value in values]))
    return rows


def chosen(results: list[FrameResult]) -> list[tuple[str, FrameResult]]:
    """Choose the frames to show.

    Returns:
        (label, frame): worst, median and best by error, or first, middle and last without ground
        truth; fewer where there are fewer pictures.
    """
    ranked = [result for result in results if result.picture]
    labels = ("first", "middle", "last")
    judged = [result for result in ranked if result.error is not None]
    if judged:
        ranked = sorted(judged, key=lambda result: result.error, reverse=True)
        labels = ("worst", "median", "best")
    count = len(ranked)
    if count > 2:
        return list(zip(labels, (ranked[0], ranked[count // 2], ranked[-1]), strict=True))
    return list(zip((labels[0], labels[2]), ranked))


def _plots(run: Evaluation, report: dict, against: list[Evaluation]) -> dict[str, bytes]:
    """Draw every plot that has something to show, by the name that the template knows it by."""
    runs = (run, *against)
    names = short_names([one.model for one in runs])
    drawn = _accuracy_plots(run, runs, names)
    reports = (report, *report.get("against", []))
    tables = {}
    for name, one in zip(names, reports, strict=True):
        if "by_range" in one:
            tables[name] = one["by_range"]["rows"]
    if tables:
        drawn["by_range"] = plots.plot_ranges(tables)
    if run.track is not None and len(run.track):
        tracks = zip(names[1:], against, strict=True)
        drawn["path"] = plot_path(
            run.track, {name: other.track for name, other in tracks if other.track}
        )
        if len(run.track.judged) > 2:
            drawn["drift"] = plot_drift(run.track)
    if run.latency_ms:
        times_ms = {"latency": run.latency_ms, "age": run.age_ms}
        drawn["latency"] = plots.plot_histogram(times_ms, "milliseconds")
        drawn["latency_over_time"] = plots.plot_lines(times_ms, "milliseconds")
    dropped = {cause: count for cause, count in report["frames"]["dropped"].items() if count}
    if dropped:
        drawn["drops"] = plots.plot_bars(dropped, "frames dropped")
    return drawn


def _accuracy_plots(
    run: Evaluation, runs: tuple[Evaluation, ...], names: list[str]
) -> dict[str, bytes]:
    """Draw sigma against errors, and the errors of the runs that are ranked by the same figure."""
    drawn = {}
    sigmas = [result.sigma for result in run.results if result.sigma is not None]
    if sigmas:
        drawn["sigma"] = plots.plot_sigma(sigmas)
    errors = {}
    for name, one in zip(names, runs, strict=True):
        if error_key(one) == error_key(run):
            errors[name] = [result.error for result in one.results if result.error is not None]
    if any(errors.values()):
        drawn["error_over_time"] = plots.plot_lines(errors, _error_words(run))
    return drawn


def _age_percentiles(run: Evaluation) -> list[tuple[str, float]]:
    """The age of published depth; nothing where it was not measured."""
    if not run.age_ms:
        return []
    return [(f"p{share}", percentile(run.age_ms, share)) for share in (50, 95, 99)]


def _error_words(run: Evaluation) -> str:
    """The figure that frames are ranked by."""
    return ERROR_WORDS[".".join(error_key(run))]


def _error_text(result: FrameResult) -> str:
    """Write the error of a frame in percent; of disparity it is that already."""
    percent = result.error if result.stereo else 100 * result.error
    return f"{percent:.1f} %"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()

"""One report of many bags: means over bags with intervals, a row a bag, what failed, links to
the bags' own reports.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from depth_ros.evaluation.batch import Task
from depth_ros.evaluation.intervals import mean_interval
from depth_ros.recordings.output import write_bytes, write_json

from .labels import label, number, short

COLUMNS = (
    ("stereo", "bad2_pct"),
    ("depth", "abs_rel"),
    ("depth", "rmse"),
    ("depth_median", "abs_rel"),
    ("uncertainty", "within_1_sigma_pct"),
    ("proxies", "left_right_off_pct"),
    ("odometry", "ate_m"),
    ("odometry", "t_err_pct"),
    ("odometry", "lost"),
    ("latency_ms", "p50"),
)
_TEMPLATE = Path(__file__).with_name("batch_report.html.j2")


def merge(tasks: list[Task], errors: dict[str, str], out: Path) -> dict:
    """Read every bag's report.json below out, write out/report.json and out/report.html; returns
    the report.

    figures: {"section.key": {"mean", "ci", "bags"}}: each bag counts alike, whatever its length; ci
    (95 %) resamples bags and stands only with three of them. against: {model: {"section.key":
    {"mean", "other", "bags"}}}: the means of run and other over the bags that have both;
    uncompared: {model: bags}. Raises InputError where the folder cannot be written.
    """
    reports = {task.name: _read(out / task.name) for task in tasks if not errors.get(task.name)}
    reports = {name: report for name, report in reports.items() if report}
    figures = {}
    for section, key in COLUMNS:
        values = [
            report[section][key] for report in reports.values() if key in report.get(section, {})
        ]
        if values:
            interval = mean_interval(values, in_order=False)
            figures[f"{section}.{key}"] = {
                "mean": float(np.mean(values)),
                "ci": interval,
                "bags": len(values),
            }
    report = {
        "bags": {
            "in": len(tasks),
            "out": len(reports),
            "failed": {n: words for n, words in errors.items() if words},
        },
        "frames": _frames(reports.values()),
        "figures": figures,
        "against": _against(reports.values()),
        "uncompared": _uncompared(reports),
        "per_bag": {name: _row(one) for name, one in reports.items()},
    }
    write_bytes(out / "report.html", _html(report).encode())
    write_json(out / "report.json", report)
    return report


def words_of(report: dict) -> list[str]:
    """Say what a reader wants to know first."""
    bags, frames, figures = report["bags"], report["frames"], report["figures"]
    lines = [
        f"{bags['out']} of {bags['in']} bags evaluated, {frames['out']} of {frames['in']} "
        "frames answered."
    ]
    lines += [f"FAILED {name}: {words}" for name, words in bags["failed"].items()]
    for key, words in (
        ("stereo.bad2_pct", "{:.1f} % of the pixels are off by more than 2 px"),
        ("depth.abs_rel", "Depth is off by {:.1%}"),
        (
            "proxies.left_right_off_pct",
            "Proxy, not accuracy: left and right disagree on {:.1f} % of the pixels",
        ),
        ("odometry.ate_m", "ATE {:.3f} m"),
    ):
        if key in figures:
            bags = figures[key]["bags"]
            of = "one bag" if bags == 1 else f"mean of {bags} bags"
            lines.append(f"{words.format(figures[key]['mean'])} ({of}).")
    for model, pairs in report["against"].items():
        key = next(
            (
                key
                for key in ("stereo.bad2_pct", "depth.abs_rel", "depth_median.abs_rel")
                if key in pairs
            ),
            None,
        )
        if key is not None:
            (words, factor, unit), pair = label(*key.split(".")), pairs[key]
            both = (number(pair[one], factor) for one in ("mean", "other"))
            lines.append(
                f"Beside {model}: {words}: {{}} against its {{}} {unit} ({pair['bags']} "
                "bags).".format(*both)
            )
    for model, bags in report["uncompared"].items():
        lines.append(f"Not compared with {model}, which needs two cameras: {', '.join(bags)}.")
    return lines


def _read(folder: Path) -> dict:
    try:
        return json.loads((folder / "report.json").read_text())
    except (OSError, ValueError):
        return {}


def _frames(reports) -> dict:
    """Sums over the bags."""
    total: dict = {"in": 0, "out": 0, "dropped": {}}
    for report in reports:
        frames = report["frames"]
        total["in"], total["out"] = total["in"] + frames["in"], total["out"] + frames["out"]
        for cause, count in frames["dropped"].items():
            total["dropped"][cause] = total["dropped"].get(cause, 0) + count
    return total


def _against(reports) -> dict:
    """Means beside each other model, over the bags where both have a figure."""
    found: dict[str, dict[str, list]] = {}
    for report in reports:
        for other in report.get("against", []):
            for section, key in COLUMNS:
                values = report.get(section, {}).get(key), other.get(section, {}).get(key)
                if None not in values:
                    found.setdefault(short(other["model"]), {}).setdefault(
                        f"{section}.{key}", []
                    ).append(values)
    return {
        model: {
            key: {
                "mean": float(np.mean(values, 0)[0]),
                "other": float(np.mean(values, 0)[1]),
                "bags": len(values),
            }
            for key, values in columns.items()
        }
        for model, columns in found.items()
    }


def _uncompared(reports: dict) -> dict[str, list[str]]:
    """The bags by the model that could not be run on them."""
    bags: dict[str, list[str]] = {}
    for name, report in reports.items():
        for key in report.get("not_measured", []):
            if key.startswith("against."):
                bags.setdefault(Path(key.removeprefix("against.")).name, []).append(name)
    return bags


def _row(report: dict) -> dict:
    """The figures of one bag, by "section.key"."""
    known = {f"{section}.{key}": report.get(section, {}).get(key) for section, key in COLUMNS}
    row = {key: value for key, value in known.items() if value is not None}
    return {
        "model": report["model"],
        "in": report["frames"]["in"],
        "out": report["frames"]["out"],
        **row,
    }


def _html(report: dict) -> str:
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_TEMPLATE.read_text()).render(
        report=report, words=words_of(report), head=_head, cell=_cell
    )


def _head(key: str) -> str:
    """The words and unit of "section.key"."""
    words, _, unit = label(*key.split("."))
    return f"{words}, {unit}" if unit else words


def _cell(key: str, value) -> str:
    """A figure in the unit of _head."""
    return number(value, label(*key.split("."))[1])

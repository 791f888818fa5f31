"""The plots of a report, as PNG bytes; narrow enough to be read on a phone."""

from __future__ import annotations

import io
import math

import numpy as np

from depth_ros.evaluation.sigma import Z_EDGES, reliability, shares_within

_COLOURS = ("#2f6fb0", "#d1742f", "#4d9950", "#8d5bb5", "#777777")


def plot_lines(lines: dict[str, list[float]], label: str) -> bytes:
    """Draw values over the frames, one line a name; empty ones are left out."""
    figure, axes = canvas()
    for colour, (name, values) in zip(_cycle(), _filled(lines)):
        axes.plot(
            np.arange(len(values)),
            values,
            marker=".",
            linewidth=1,
            markersize=4,
            label=name,
            color=colour,
        )
    axes.set(xlabel="frame", ylim=(0, None))
    axes.set_ylabel(label, fontsize=8)
    axes.xaxis.get_major_locator().set_params(integer=True)
    return _finished(figure, axes)


def plot_histogram(values: dict[str, list[float]], label: str) -> bytes:
    """Draw how often each value came; the longest 0.5 % share the last bar, or one pause would
    hide all others.
    """
    figure, axes = canvas()
    edges = np.linspace(
        0, float(np.percentile(np.concatenate([v for _, v in _filled(values)]), 99.5)) * 1.02, 40
    )
    for colour, (name, numbers) in zip(_cycle(), _filled(values)):
        axes.hist(np.minimum(numbers, edges[-1]), edges, label=name, color=colour, alpha=0.6)
        axes.axvline(np.median(numbers), color=colour, linestyle="--", linewidth=1)
    axes.set(xlabel=f"{label} (dashed: median)", ylabel="frames")
    return _finished(figure, axes)


def plot_bars(counts: dict[str, int], label: str) -> bytes:
    """Draw one bar a cause."""
    figure, axes = canvas(0.5 + 0.35 * len(counts) + 0.4)
    axes.barh(list(counts), list(counts.values()), color=_COLOURS[1])
    axes.bar_label(axes.containers[0], padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set(xlabel=label)
    return _finished(figure, axes)


def plot_ranges(tables: dict[str, list[dict]]) -> bytes:
    """Draw the relative error by true distance with its 95 % interval. tables: ranges.by_range
    by model.
    """
    figure, axes = canvas()
    spans = sorted({(row["from_m"], row["to_m"]) for rows in tables.values() for row in rows})
    places = {span: i for i, span in enumerate(spans)}
    for i, (colour, (name, rows)) in enumerate(zip(_cycle(), tables.items())):
        rows = [row for row in rows if "abs_rel" in row]
        x = np.array([places[row["from_m"], row["to_m"]] for row in rows]) + 0.12 * (
            i - (len(tables) - 1) / 2
        )
        y = np.array([100 * row["abs_rel"] for row in rows])
        ends = 100 * np.array(
            [row.get("abs_rel_ci", [row["abs_rel"]] * 2) for row in rows]
        ).reshape(-1, 2)
        spread = np.maximum(0, np.stack([y - ends[:, 0], ends[:, 1] - y]))
        axes.errorbar(x, y, spread, fmt="o", capsize=3, label=name, color=colour, markersize=4)
    axes.set_xticks(range(len(spans)), [f"{low:g}–{high:g}" for low, high in spans])
    axes.set(xlabel="true distance, m", ylabel="|error| / depth, %", ylim=(0, None))
    return _finished(figure, axes)


def plot_sigma(frames: list) -> bytes:
    """Draw uncertainty calibration: share of errors within k sigma beside Gauss, and error
    beside sigma.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = Figure(figsize=(4.8, 2.5), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(
        Z_EDGES,
        [100 * math.erf(k / math.sqrt(2)) for k in Z_EDGES],
        color="0.6",
        linewidth=3,
        label="Gauss",
    )
    left.plot(Z_EDGES, 100 * shares_within(frames), color=_COLOURS[0], label="found")
    left.set(xlabel="k", ylabel="errors within k sigma, %", ylim=(0, 101))
    said, found = reliability(frames)
    ends = [100 * min(said.min(), found.min()), 100 * max(said.max(), found.max())]
    right.loglog(ends, ends, color="0.6", linewidth=3, label="right")
    right.loglog(100 * said, 100 * found, "o-", color=_COLOURS[0], markersize=4, label="found")
    right.set(xlabel="said: sigma / depth, %", ylabel="found: rms error / depth, %")
    for axis in (right.xaxis, right.yaxis):  # 20, 50, 100 and not 2x10^1 beside each other
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    return _finished(figure, left, right)


def canvas(height: float = 2.3):
    """Give a figure as wide as a phone can show, and its axes; no window system is asked."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _finished(figure, *every) -> bytes:
    """Grid and legend, then the bytes of the PNG."""
    for axes in every:
        axes.grid(alpha=0.3)
        if len(axes.get_legend_handles_labels()[1]) > 1:
            axes.legend(frameon=False, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _filled(lines: dict) -> list[tuple[str, list]]:
    return [(name, values) for name, values in lines.items() if len(values)]


def _cycle():
    while True:
        yield from _COLOURS

"""The node's state as a DiagnosticStatus: rates, drops with causes, stamp age, backend, model
and its hash.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from depth_ros.nodes.health.failures import shorten

from .statistics import ROUTINE, Statistics

_DROPPED = "dropped/"
_LOG = "dropped_frames"  # names up to 256 of them; every other text is short, or a sender's


class RateMeter:
    """Rates of counters between two looks at them, in Hz."""

    def __init__(self):
        self._last_s = time.monotonic()
        self._counts: dict[str, int] = {}

    def rates_hz(self, counts: dict[str, int]) -> dict[str, float]:
        """Return the rate of each counter since the last call, Hz."""
        now_s = time.monotonic()
        span_s = max(now_s - self._last_s, 1e-9)
        rates = {name: (n - self._counts.get(name, 0)) / span_s for name, n in counts.items()}
        self._last_s = now_s
        self._counts = dict(counts)
        return rates


@dataclass(frozen=True)
class Report:
    """What the node reports of itself at one time.

    Attributes:
        reasons: why there is no output; empty while there is some.
        notes: what a user must know although there is output.
        values: of diagnostics, by key.
        state: what an untroubled node does.
    """

    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    values: dict = field(default_factory=dict)
    state: str = "running"


def diagnostics_message(stamp, name: str, hardware_id: str, report: Report) -> DiagnosticArray:
    """Make the message: ERROR while the watchdog has reasons, WARN where input was refused or with
    notes, else OK.

    Args:
        stamp: builtin_interfaces/Time.
        name: of the status, with that of the node.
        hardware_id: the hash of the model.
        report: what stands in it.
    """
    warnings = list(report.notes)
    if refused := _refused(report.values):
        warnings.append("dropped so far: " + ", ".join(refused))
    level = DiagnosticStatus.OK
    sentences = warnings
    if report.reasons:
        level = DiagnosticStatus.ERROR
        sentences = [*report.reasons, *report.notes]
    elif warnings:
        level = DiagnosticStatus.WARN
    text = "; ".join(sentences) or report.state
    status = DiagnosticStatus(level=level, name=name, message=text, hardware_id=hardware_id)
    for key, value in report.values.items():
        text = _text(value)
        if key != _LOG:
            text = shorten(text)
        status.values.append(KeyValue(key=key, value=text))
    msg = DiagnosticArray(status=[status])
    msg.header.stamp = stamp
    return msg


def _refused(values: dict) -> list[str]:
    """The causes of drops that are a fault of the input."""
    causes = [key.removeprefix(_DROPPED) for key in values if key.startswith(_DROPPED)]
    return [c for c in causes if c not in ROUTINE and values[_DROPPED + c]]


def health_values(
    statistics: Statistics, drops: dict[str, int], rates: RateMeter, estimator
) -> dict:
    """Collect the counters and names of /diagnostics.

    Args:
        statistics: of the node.
        drops: by cause, with those of the pairing.
        rates: remembers the counters of the last call.
        estimator: None while the node is unconfigured.
    """
    counts = {"frames_in": statistics.frames_in, "frames_out": statistics.frames_out}
    received = {f"received/{name}": n for name, n in list(statistics.received.items())}
    values = {
        **counts,
        **{f"{name}_hz": rate for name, rate in rates.rates_hz({**counts, **received}).items()},
        **received,
        **{f"dropped/{cause}": n for cause, n in sorted(drops.items())},
        _LOG: ", ".join(f"{stamp_ns} {cause}" for stamp_ns, cause in statistics.take_log()),
        **statistics.medians_ms(),
    }
    if estimator is None:
        return {**values, **dict.fromkeys(("backend", "model", "model_hash", "scale_source"), "")}
    engine = estimator.engine
    names = {"backend": engine.name, "model": engine.spec.name, "model_hash": engine.model_hash}
    names["engine_note"] = getattr(engine, "note", "")
    for pose_engine in estimator.engines[1:]:
        names["pose_model_hash"] = pose_engine.model_hash
    return {**values, **names, "scale_source": estimator.scale_name}


def _text(value) -> str:
    """Write a value the same way everywhere."""
    return f"{value:.3f}" if isinstance(value, float) else str(value)

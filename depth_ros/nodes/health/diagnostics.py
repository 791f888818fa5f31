"""The node's state as a DiagnosticStatus: rates, drops with causes, stamp age, backend, model
and its hash.
"""

from __future__ import annotations

import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from depth_ros.nodes.health.failures import shorten

from .statistics import ROUTINE, Statistics

_LOG = "dropped_frames"  # names up to 256 of them; every other text is short, or a sender's


class RateMeter:
    """Rates of counters between two looks at them, in Hz."""

    def __init__(self):
        self._last_s, self._counts = time.monotonic(), {}

    def rates_hz(self, counts: dict[str, int]) -> dict[str, float]:
        """Give the rate of each counter since the last call."""
        now_s = time.monotonic()
        span_s = max(now_s - self._last_s, 1e-9)
        rates = {name: (n - self._counts.get(name, 0)) / span_s for name, n in counts.items()}
        self._last_s, self._counts = now_s, dict(counts)
        return rates


def diagnostics_message(
    stamp,
    name: str,
    hardware_id: str,
    reasons: list[str],
    values: dict,
    notes: tuple[str, ...] = (),
    state: str = "",
) -> DiagnosticArray:
    """Make the message: ERROR while the watchdog has reasons, WARN where input was refused or with
    notes, else OK.

    state: what an untroubled node does; "" it is running.
    """
    faulty = [
        key
        for key in values
        if key.startswith("dropped/") and key[8:] not in ROUTINE and values[key]
    ]
    warnings = [
        *notes,
        *(["dropped so far: " + ", ".join(f[8:] for f in faulty)] if faulty else []),
    ]
    level = (
        DiagnosticStatus.ERROR
        if reasons
        else DiagnosticStatus.WARN
        if warnings
        else DiagnosticStatus.OK
    )
    text = "; ".join([*reasons, *notes] if reasons else warnings) or state or "running"
    status = DiagnosticStatus(level=level, name=name, message=text, hardware_id=hardware_id)
    texts = {key: _text(value) for key, value in values.items()}
    status.values = [
        KeyValue(key=key, value=t if key == _LOG else shorten(t)) for key, t in texts.items()
    ]
    msg = DiagnosticArray(status=[status])
    msg.header.stamp = stamp
    return msg


def health_values(
    statistics: Statistics, drops: dict[str, int], rates: RateMeter, estimator
) -> dict:
    """Collect what /diagnostics says; drops: by cause, with those of the matching; estimator:
    None unconfigured.
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

"""The node's state as a DiagnosticStatus: rates, drops with causes, stamp age, backend, model and its hash."""

from __future__ import annotations

import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from .statistics import ROUTINE


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


def diagnostics_message(stamp, name: str, hardware_id: str, reasons: list[str], values: dict) -> DiagnosticArray:
    """Make the message: ERROR while the watchdog has reasons, WARN where input was refused, OK otherwise."""
    faulty = [key for key in values if key.startswith("dropped/") and key[8:] not in ROUTINE and values[key]]
    level = DiagnosticStatus.ERROR if reasons else DiagnosticStatus.WARN if faulty else DiagnosticStatus.OK
    text = "; ".join(reasons) or ("dropped so far: " + ", ".join(f[8:] for f in faulty) if faulty else "running")
    status = DiagnosticStatus(level=level, name=name, message=text, hardware_id=hardware_id)
    status.values = [KeyValue(key=key, value=_text(value)) for key, value in values.items()]
    msg = DiagnosticArray(status=[status])
    msg.header.stamp = stamp
    return msg


def _text(value) -> str:
    """Write a value the same way everywhere."""
    return f"{value:.3f}" if isinstance(value, float) else str(value)

"""Samples to figures: quantiles and slopes."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np


def machine() -> dict:
    """Name the processor, its cores, and whether it multiplies bytes in one instruction."""
    try:
        words = Path("/proc/cpuinfo").read_text()
    except OSError:
        words = ""
    fields = dict(line.split(":", 1) for line in words.splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    return {
        "cpu": fields.get("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "vnni": "vnni" in fields.get("flags", ""),
        "system": platform.platform(terse=True),
    }


def quantiles(values: list[float]) -> dict[str, float]:
    """Return p50, p95 and p99 of samples; NaN where there is none.

    >>> quantiles([1.0, 2.0, 3.0])["p50"]
    2.0
    """
    return {
        f"p{q}": float(np.percentile(values, q)) if len(values) else float("nan")
        for q in (50, 95, 99)
    }


def pooled(measured: list[dict]) -> tuple[int, float, list[float]]:
    """Join the rounds of one case: frames sent, CPU ms, latencies in ms.

    >>> pooled(
    ...     [
    ...         {"sent": 2, "cpu_ms": 1.0, "latency_ms": [3.0]},
    ...         {"sent": 1, "cpu_ms": 0.5, "latency_ms": []},
    ...     ]
    ... )
    (3, 1.5, [3.0])
    """
    latency_ms = [value for m in measured for value in m["latency_ms"]]
    return sum(m["sent"] for m in measured), sum(m["cpu_ms"] for m in measured), latency_ms


def slope(t: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Fit y = a + b t by least squares; gives b and its standard error, widened for correlated
    residuals.

    Samples that follow each other are not independent: the error is multiplied by sqrt((1 + r) / (1
    - r)), r the lag-one autocorrelation of the residuals, as usual for trends of first-order
    autoregressive noise. (0, inf) for less than four samples.

    >>> slope(np.arange(5.0), 2 * np.arange(5.0) + 1)[0]
    2.0
    """
    t = np.asarray(t, float)
    y = np.asarray(y, float)
    if len(t) < 4:
        return 0.0, float("inf")
    centred = t - t.mean()
    b = float(centred @ y / (centred @ centred))
    residuals = y - y.mean() - b * centred
    variance = float(residuals @ residuals) / (len(t) - 2)
    total = float(residuals @ residuals)
    r = float(residuals[1:] @ residuals[:-1]) / total if total else 0.0
    r = min(max(r, 0.0), 0.99)
    return round(b, 12), float(np.sqrt(variance / (centred @ centred) * (1 + r) / (1 - r)))

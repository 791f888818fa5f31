"""A soak: 60 Hz stereo at the node for long; memory must stay, latency must not grow, every
frame must be accounted.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from depth_ros.core.errors import InputError
from depth_ros.nodes.replay.accounting import UNEXPLAINED, NodeCounters, Sent, account, surplus

from .null_node import ENGINE_MS
from .overhead import json_lines, started
from .samples import quantiles, slope

RATE_HZ = 60
WIDTH = 640
HEIGHT = 480
ENGINE = "5,60"  # ms; every 50th frame takes 60, so that frames must be dropped and counted
GROWTH_MB, GROWTH_MS = (
    2.0,
    5.0,
)  # over the whole run, and more than twice their standard error: else within noise
TREND_S = 120.0  # slopes are judged from here on: what a start leaves behind is no trend
# DDS keeps the buffers of the most messages that ever waited at once. Both sides are stopped for a
# moment before anything is judged, so that all queues have been full and what grows afterwards is
# no buffer.
_STALLED_AT, _STALL_S = (5, 9, 13, 17), 1.0  # seconds
_BEFORE_PAIRING = ("unmatched", "overflow", "time_jump", "duplicate_stamp", "stamp_reversed")


def run(progress=None, minutes: float = 30.0) -> dict:
    """Play 640x480 at 60 Hz and watch the node; an engine that waits, as a GPU's does, stands in
    for a real one.

    progress: a tqdm bar or None, counted in seconds. Gives slopes of memory and latency with their
    standard errors, quantiles, the account of every frame, and "failures": sentences, empty where
    the soak is passed. Raises InputError where the node does not start or ends.
    """
    seconds = round(60 * minutes, 1)
    if progress is not None:
        progress.reset(total=round(seconds))
    domain_id = (
        215 + os.getpid() % 18
    )  # past those that tests and robots use: a stranger's images would be counted
    command = [
        sys.executable,
        "-m",
        "depth_ros.benchmark.null_node",
        "--ros-args",
        "-p",
        "egomotion_method:='off'",
    ]
    with started(command, "depth_node", domain_id, {ENGINE_MS: ENGINE}) as node:
        plan = {
            "domain_id": domain_id,
            "pid": node.pid,
            "height": HEIGHT,
            "width": WIDTH,
            "rate_hz": RATE_HZ,
            "seconds": seconds,
        }

        def on_second(second: int, player) -> None:
            if second in _STALLED_AT and second < seconds - _STALL_S:
                stall(node.pid)
                stall(player.pid)

        lines = list(json_lines("depth_ros.benchmark.soak_player", plan, progress, on_second))
        if node.poll() is not None:
            raise InputError(
                f"expected the node to live to the end, got exit code {node.returncode}"
            )
    return judge(lines[:-1], lines[-1], seconds)


def judge(samples: list[dict], end: dict, seconds: float) -> dict:
    """Turn samples and the final counters into the result; pure, so that tests can feed it leaks
    and losses.
    """
    settled = [
        s for s in samples if s["t_s"] >= min(30.0, 0.2 * seconds)
    ]  # start-up fills caches and buffers
    t_h = [s["t_s"] / 3600 for s in settled]
    memory = slope(t_h, [s["rss_mb"] for s in settled])
    late = settled[len(settled) // 2 :]
    memory_late = slope([s["t_s"] / 3600 for s in late], [s["rss_mb"] for s in late])
    timed = [s for s in settled if s["latency_ms"] is not None]
    latency = slope([s["t_s"] / 3600 for s in timed], [s["latency_ms"] for s in timed])
    counters = NodeCounters(**end["counters"])
    heard = set(end["heard"])
    sent = Sent(dict.fromkeys(end["sent"], 0), dict.fromkeys(("left", "right"), len(end["sent"])))
    dropped = account(sent, heard, counters)
    after_pairing = sum(n for cause, n in counters.drops.items() if cause not in _BEFORE_PAIRING)
    result = {
        "what": "soak",
        "seconds": seconds,
        "rate_hz": RATE_HZ,
        "engine_ms": ENGINE,
        "memory_mb_per_h": memory[0],
        "memory_mb_per_h_se": memory[1],
        "memory_mb_per_h_late": memory_late[0],
        "memory_mb_per_h_late_se": memory_late[1],
        "latency_ms_per_h": latency[0],
        "latency_ms_per_h_se": latency[1],
        "rss_mb": [s["rss_mb"] for s in settled[:1] + settled[-1:]],
        "latency_ms": quantiles([s["latency_ms"] for s in timed]),
        "sent": len(end["sent"]),
        "answered": len(heard & set(end["sent"])),
        "dropped": dropped,
        "rss_mb_series": [round(s["rss_mb"], 2) for s in samples[:: max(1, len(samples) // 60)]],
        "surplus": surplus(sent, heard, counters),
        "pairs_unbalanced": end["frames_in"] - counters.published - after_pairing,
    }
    result["failures"] = failures(result)
    return result


def failures(result: dict) -> list[str]:
    """Report what the soak does not pass; memory must grow in the second half, too, to be called
    growing.
    """
    found = []
    hours = result["seconds"] / 3600
    trends = result["seconds"] >= TREND_S
    for name, unit, limit in (("memory", "mb", GROWTH_MB), ("latency", "ms", GROWTH_MS)):
        trend = f"{name}_{unit}_per_h"
        parts = [
            (result[key], result[f"{key}_se"]) for key in (trend, f"{trend}_late") if key in result
        ]
        if trends and all(rate > 2 * error and rate * hours > limit for rate, error in parts):
            found.append(f"{name} grows by {parts[0][0]:.2f} +- {parts[0][1]:.2f} {unit} an hour")
    if n := result["dropped"].get(UNEXPLAINED):
        found.append(f"{n} of {result['sent']} frames are unaccounted for")
    if result["surplus"]:
        found.append(f"the node counts {result['surplus']} drops more than frames are missing")
    if result["pairs_unbalanced"]:
        found.append(
            f"the node took {result['pairs_unbalanced']} pairs more than it answered or dropped"
        )
    if not result["answered"]:
        found.append("nothing was answered")
    return found


def table(result: dict) -> str:
    """Lay the result out for people."""
    dropped = ", ".join(f"{n} {cause}" for cause, n in result["dropped"].items()) or "none"
    late = result["latency_ms"]
    return "\n".join(
        [
            f"soak: {result['seconds']:g} s of {WIDTH}x{HEIGHT} stereo, {RATE_HZ} Hz, "
            f"engine {result['engine_ms']} ms",
            f"  memory   {result['memory_mb_per_h']:+9.2f} +- "
            f"{result['memory_mb_per_h_se']:.2f} MB/h, "
            f"in the second half {result['memory_mb_per_h_late']:+.2f} "
            f"(own memory {' to '.join(f'{mb:.1f}' for mb in result['rss_mb'])} MB)",
            f"  latency  {result['latency_ms_per_h']:+9.2f} +- "
            f"{result['latency_ms_per_h_se']:.2f} ms/h "
            f"(medians of seconds: p50 {late['p50']:.1f}, p95 {late['p95']:.1f}, p99 "
            f"{late['p99']:.1f} ms)",
            f"  frames   {result['sent']} sent = {result['answered']} answered + "
            f"{sum(result['dropped'].values())} dropped "
            f"({dropped})",
            *([f"  FAILED: {words}" for words in result["failures"]] or ["  passed"]),
        ]
    )


def stall(pid: int) -> None:
    """Stop a process for a moment, as a machine that is too busy does."""
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(_STALL_S)
    finally:  # Ctrl-C: a stopped process would not end either
        os.kill(pid, signal.SIGCONT)

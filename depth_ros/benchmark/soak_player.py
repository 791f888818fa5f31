"""The camera of a soak: 60 Hz stereo at a node that is watched; one JSON line a second, the
account at the end.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray

from depth_ros.nodes.replay.accounting import Sent
from depth_ros.nodes.replay.node_process import read_counters

from .camera import BenchCamera, cpu_ns

_PAGE = os.sysconf("SC_PAGE_SIZE")


def rss_bytes(pid: int) -> int:
    """Read the resident memory of a process, without what it shares with the camera (Fast DDS'
    segments).
    """
    _, resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[:3]
    return (int(resident) - int(shared)) * _PAGE


class Player:
    """Plays, and keeps per-second samples and every stamp that was sent and heard."""

    def __init__(self, domain_id: int, pid: int):
        self._camera = BenchCamera(domain_id)
        self._pid = pid
        self._camera.node.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, 10
        )
        self._values = {}
        self._second = 0
        self._heard = set()
        if not self._camera.wait_for_node():
            sys.exit("the node has not subscribed within 30 s")

    def play(self, height: int, width: int, rate_hz: float, seconds: float) -> dict:
        """Send for so many seconds; prints a sample each second; gives sent stamps, heard
        stamps, counters.
        """
        rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        self._start = time.monotonic()
        stamps_ns = self._camera.play(rgb, rate_hz, seconds, self._sample)
        self._camera.listen(1.0)
        # the counters of the end: two messages, as the first may be older than the last frame
        self._values = {}
        for _ in range(2):
            end = time.monotonic() + 5.0
            self._values = {}
            while not self._values and time.monotonic() < end:
                self._camera.listen(0.1)
        self._heard |= set(self._camera.latency_ms)
        counters, _ = read_counters(self._values)
        n = len(stamps_ns)
        sent = Sent(dict.fromkeys(stamps_ns, 0), {"left": n, "right": n})
        self._camera.close()
        return {
            "sent": list(sent.pairs),
            "heard": sorted(self._heard),
            "frames_in": int(self._values["frames_in"]),
            "counters": dataclasses.asdict(counters),
        }

    def _sample(self) -> None:
        """Once a second: memory, CPU, the median latency of that second."""
        t_s = time.monotonic() - self._start
        if t_s < self._second + 1:
            return
        self._second = int(t_s)
        latency_ms = self._camera.latency_ms
        self._camera.latency_ms = {}
        self._heard |= set(latency_ms)
        median = statistics.median(latency_ms.values()) if latency_ms else None
        sample = {
            "t_s": t_s,
            "rss_mb": rss_bytes(self._pid) / 1e6,
            "cpu_s": cpu_ns(self._pid) / 1e9,
        }
        print(json.dumps({**sample, "latency_ms": median}), flush=True)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "depth_node: depth":
                self._values = {item.key: item.value for item in status.values}


if __name__ == "__main__":
    plan = json.load(sys.stdin)
    player = Player(plan["domain_id"], plan["pid"])
    print(
        json.dumps(player.play(plan["height"], plan["width"], plan["rate_hz"], plan["seconds"])),
        flush=True,
    )

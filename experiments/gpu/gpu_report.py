"""What experiments/gpu/gpu.py finds: kept after every row, and as a table."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from depth_ros.files import write_atomic

AIMS_MS = {"stereo 480x640 fp16": 1.0, "mono 192x640 fp16": 0.4}


class Report:
    """What was found, on the disk after every row: whatever comes, that is kept. longest:
    seconds of a row, by way.
    """

    def __init__(self, found: dict, path: Path):
        self.found = found
        self.path = path
        self.longest = {}
        self.write()

    def part(self, name: str, work) -> None:
        """Add a part, or why there is none, and how long it took."""
        start = time.monotonic()
        self.found[name] = attempt(work)
        self.found["seconds"][name] = round(time.monotonic() - start, 1)
        self.write()

    def add(self, work, rows: list[dict], title: str = "", seconds: float = 0.0) -> None:
        """Add the rows of a piece of work (gpu.Work)."""
        title = title or f"{work.task} {work.size[0]}x{work.size[1]} {work.precision}"
        self.found["rows"] += [{"name": title, "kind": work.kind, **row} for row in rows]
        self.found["seconds"][f"{title}, {work.kind}, {work.way}"] = round(seconds, 1)
        self.longest[work.way] = max(self.longest.get(work.way, 0.0), seconds)
        self.write()

    def write(self) -> None:
        """Write the report whole."""
        write_atomic(self.path, json.dumps(self.found, indent=1).encode())

    def give_up(self) -> None:
        """End the process, where something hangs, ahead of whoever would end it without a table."""
        print(table(self.found), "\ngave up: a row took too long", flush=True)
        os._exit(3)


def attempt(work) -> dict:
    """What a piece of work gives, or why it gives nothing."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001
        return failure(error)


def failure(error: Exception) -> dict:
    """An error as a row has it."""
    return {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


def percentiles(ms: list[float]) -> dict:
    """p50, p95, p99 in milliseconds."""
    return {f"p{q}_ms": float(np.percentile(ms, q)) for q in (50, 95, 99)}


def machine(device) -> dict:
    """What was measured on, when, and with which command."""
    found = {
        "device": "CPU (rehearsal)",
        "host": platform.platform(terse=True),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.datetime.now().isoformat(timespec="seconds"),
        "command": "python experiments/gpu/gpu.py " + " ".join(sys.argv[1:]),
    }
    if device.type == "cuda":
        asked = [
            "nvidia-smi",
            "--query-gpu=driver_version,clocks.sm,power.limit",
            "--format=csv,noheader",
        ]
        driver = attempt(
            lambda: {"said": subprocess.run(asked, capture_output=True, text=True).stdout.strip()}
        )
        found |= {
            "device": torch.cuda.get_device_name(0),
            "cuda": torch.version.cuda,
            "driver": driver,
            "compute_capability": ".".join(map(str, torch.cuda.get_device_capability(0))),
        }
    return found


def table(report: dict) -> str:
    """The report for people."""
    about = {"device": "?", "torch": "?", **report["machine"]}
    lines = [
        f"{about['device']}, torch {about['torch']}; ms a frame, one at a time",
        f"{'':28}{'':10}{'':34}{'p50':>9}{'p95':>9}{'p99':>9}{'roofline':>10}{'vs eager':>10}",
    ]
    eager = {
        (row["name"], row["kind"]): row.get("p50_ms")
        for row in report["rows"]
        if row.get("way") == "eager"
    }
    for name, outcome in report.get("checks", {}).items():
        lines.append(f"check {name:32}{outcome}")
    for row in report["rows"]:
        head = f"{row['name']:28}{row['kind']:10}{row['way']:34}"
        if "p50_ms" not in row:
            lines.append(head + "  " + (row.get("failed") or row.get("not_measured", "")))
            continue
        times = "".join(f"{row[f'p{q}_ms']:9.3f}" for q in (50, 95, 99))
        base = eager.get((row["name"], row["kind"]))
        if base:
            ratio = f"{row['p50_ms'] / base:10.2f}"
        else:
            ratio = ""
        least = report["counts"].get(row["name"], {}).get("roofline_ms", float("nan"))
        if row.get("not_finite"):
            lost = f"  NOT FINITE {row['not_finite']:.1%}"
        else:
            lost = ""
        lines.append(f"{head}{times}{least:10.4f}{ratio}{lost}")
    for name, aim in AIMS_MS.items():
        found = [
            row["p50_ms"]
            for row in report["rows"]
            if row["name"] == name and row["kind"] == "network" and "p50_ms" in row
        ]
        if found:
            lines.append(f"{name}: aim {aim} ms, best {min(found):.3f} ms")
    return "\n".join(lines)


def file_name(found: dict) -> str:
    words = "".join(
        c if c.isalnum() else "-" for c in found.get("device", "unknown").lower()
    ).strip("-")
    return f"gpu-{words}-{datetime.date.today()}.json"

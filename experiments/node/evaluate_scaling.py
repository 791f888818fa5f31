"""How `depth-ros evaluate --jobs` scales: wall and CPU time of the same bags with 1 and with 2
jobs, in turns.

On a busy machine wall time says what the others leave; CPU time says whether jobs hinder each
other.

    python experiments/node/evaluate_scaling.py FOLDER_OF_BAGS --rounds 2
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def measure(folder: Path, jobs: int) -> tuple[float, float]:
    """Wall and CPU seconds of one evaluation of all bags, from scratch."""
    with tempfile.TemporaryDirectory() as out:
        before = os.times()
        started = time.monotonic()
        command = [
            sys.executable,
            "-m",
            "depth_ros",
            "evaluate",
            str(folder),
            "--jobs",
            str(jobs),
            "--out",
            out,
        ]
        subprocess.run(
            command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        after = os.times()
    spent = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return time.monotonic() - started, spent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    for _ in range(options.rounds):
        for jobs in (1, 2):
            wall, spent = measure(options.folder.resolve(), jobs)
            load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()}"
            print(f"{jobs} jobs: {wall:6.1f} s wall, {spent:6.1f} s CPU, {load}", flush=True)


if __name__ == "__main__":
    main()

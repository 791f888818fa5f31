"""What the node costs beside its engine: CPU and latency, against the floor and a naive node in
the same run.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from depth_ros.core.errors import InputError
from depth_ros.nodes.transport import transport_environment

from .floor import floor_command
from .samples import machine, pooled, quantiles

SIZES = ((640, 480), (1280, 720))
RATES_HZ = (30, 60, 100)
NODES = ("floor", "depth_node", "naive", "naive_checked")
GOAL_X_FLOOR = 1.3
GOAL_X_UNDER_NAIVE = 5.0
_STOP_S = 10


def run(
    progress=None,
    seconds: float = 2.0,
    rounds: int = 2,
    sizes=SIZES,
    rates_hz=RATES_HZ,
    nodes=NODES,
) -> dict:
    """Measure every node at every size and rate, interleaved; depth/image_rect is the one output
    that is subscribed.

    seconds: how long each node is measured at one size and rate in each of the rounds. progress: a
    tqdm bar or None. Gives {"machine", "floor": which floor, "rows": [{node, width, height,
    rate_hz, cpu_ms, answered, latency_ms, x_floor, x_under_naive, x_under_checked}]}. naive_checked
    is naive with rclpy's checks of every field (ROS_PYTHON_CHECK_FIELDS=1), which Humble always
    does and Jazzy and later do not unless asked. Raises InputError where a node does not start.
    """
    busy = {**machine(), "load_1min": os.getloadavg()[0]}
    cases = [(size, rate) for size in sizes for rate in rates_hz]
    steps = [
        {"node": node, "width": width, "height": height, "rate_hz": rate, "seconds": seconds}
        for (width, height), rate in cases
        for turn in range(rounds)
        for node in (nodes if turn % 2 == 0 else nodes[::-1])  # no node always comes first
    ]
    if progress is not None:
        progress.reset(total=len(steps))
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        commands, words = _commands(Path(folder))
        plan = {"nodes": {}, "steps": steps}
        for number, node in enumerate(nodes):
            domain_id = 1 + (os.getpid() + 31 * number) % 100
            process = stack.enter_context(started(commands[node], node, domain_id))
            plan["nodes"][node] = {"pid": process.pid, "domain_id": domain_id}
        measured = list(json_lines("depth_ros.benchmark.camera", plan, progress))
    rows = _with_ratios([_row(case, node, measured) for case in cases for node in nodes])
    return {
        "what": "overhead",
        "machine": busy,
        "floor": words,
        "seconds": seconds * rounds,
        "rows": rows,
    }


def table(result: dict) -> str:
    """Lay the result out for people."""
    lines = [
        "node overhead: everything but the engine, stereo rgb8, depth/image_rect heard; "
        f"{result['seconds']:g} s a "
        f"row, {result['machine']['cores']} cores, load "
        f"{result['machine']['load_1min']:.1f} at the start; "
        f"the floor is {result['floor']}",
        f"{'node':14}{'size':>10}{'Hz':>5}{'CPU ms/frame':>14}{'x floor':>9}{'x under naive':>15}"
        f"{'x under checked':>17}{'answered':>10}{'latency ms p50':>16}{'p95':>8}{'p99':>8}",
    ]
    for row in result["rows"]:
        size = f"{row['width']}x{row['height']}"
        late = row["latency_ms"]
        lines.append(
            f"{row['node']:14}{size:>10}{row['rate_hz']:5}{row['cpu_ms']:14.2f}"
            f"{row['x_floor']:9.2f}"
            f"{row['x_under_naive']:15.2f}{row['x_under_checked']:17.1f}"
            f"{100 * row['answered']:9.1f}%"
            f"{late['p50']:16.1f}{late['p95']:8.1f}{late['p99']:8.1f}"
        )
    ours = [row for row in result["rows"] if row["node"] == "depth_node"]
    if ours and all(row["x_floor"] for row in ours):
        lines.append(
            _goal("x floor", max(row["x_floor"] for row in ours), GOAL_X_FLOOR, at_most=True)
        )
    if ours and all(row["x_under_naive"] for row in ours):
        lines.append(
            _goal(
                "x under naive",
                min(row["x_under_naive"] for row in ours),
                GOAL_X_UNDER_NAIVE,
                False,
            )
        )
    if ours and all(row["x_under_checked"] for row in ours):
        worst = min(row["x_under_checked"] for row in ours)
        lines.append(_goal("x under naive, fields checked", worst, GOAL_X_UNDER_NAIVE, False))
    return "\n".join(lines)


def _goal(name: str, value: float, goal: float, at_most: bool) -> str:
    """Format whether an aim is met by the worst row."""
    met = value <= goal if at_most else value >= goal
    return (
        f"aim: {name} at {'most' if at_most else 'least'} {goal:g}: "
        f"{'met' if met else 'missed'} (worst {value:.2f})"
    )


def _commands(folder: Path) -> tuple[dict[str, list[str]], str]:
    """Return the command of each node, and the words that name the floor."""
    floor, words = floor_command(folder)
    module = [sys.executable, "-m"]
    ours = [*module, "depth_ros.benchmark.null_node", "--ros-args", "-p", "egomotion_method:='off'"]
    naive = [*module, "depth_ros.benchmark.naive"]
    return {"floor": floor, "depth_node": ours, "naive": naive, "naive_checked": naive}, words


@contextlib.contextmanager
def started(command: list[str], node: str, domain_id: int, more: dict[str, str] | None = None):
    """Run a node for the time of the block.

    The naive ones get no allocator settings: nobody gives them any.
    """
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain_id), **(more or {})}
    tuned = transport_environment()
    environment.update(
        {
            k: v
            for k, v in tuned.items()
            if not (k.startswith("MALLOC") and node.startswith("naive"))
        }
    )
    if node == "naive_checked":
        environment["ROS_PYTHON_CHECK_FIELDS"] = "1"
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def json_lines(module: str, plan: dict, progress, on_line=None):
    """Run a module that reads a plan from stdin, and yield what each line that it prints says in
    JSON.

    on_line: called with (number of the line from 1, process) after each. Raises InputError where
    the module fails.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        env={**os.environ, **transport_environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        process.stdin.write(json.dumps(plan))
        process.stdin.close()
        for number, line in enumerate(process.stdout, 1):
            yield json.loads(line)
            if on_line is not None:
                on_line(number, process)
            if progress is not None:
                progress.update()
        if process.wait():
            raise InputError(
                f"expected {module} to run to its end, got: {process.stderr.read().strip()[-300:]}"
            )
    finally:
        process.kill()
        process.wait()


def _row(case: tuple, node: str, measured: list[dict]) -> dict:
    """Join the rounds of one node at one size and rate."""
    (width, height), rate_hz = case
    key = {"node": node, "width": width, "height": height, "rate_hz": rate_hz}
    sent, cpu_ms, latency_ms = pooled(
        [m for m in measured if all(m[k] == v for k, v in key.items())]
    )
    return {
        **key,
        "sent": sent,
        "answered": len(latency_ms) / max(sent, 1),
        "cpu_ms": cpu_ms
        / max(len(latency_ms), 1),  # of an answered frame: dropping frames must not look cheap
        "latency_ms": quantiles(latency_ms),
    }


def _with_ratios(rows: list[dict]) -> list[dict]:
    """Add the ratios to the floor and to the naive node of the same size and rate; 0 where there
    is none.
    """

    def cost(row, node):
        key = ("width", "height", "rate_hz")
        return next(
            (r["cpu_ms"] for r in rows if r["node"] == node and all(r[k] == row[k] for k in key)),
            0.0,
        )

    for row in rows:
        floor_ms = cost(row, "floor")
        row["x_floor"] = row["cpu_ms"] / floor_ms if floor_ms else 0.0
        for name, node in (("x_under_naive", "naive"), ("x_under_checked", "naive_checked")):
            row[name] = cost(row, node) / row["cpu_ms"] if row["cpu_ms"] else 0.0
    return rows

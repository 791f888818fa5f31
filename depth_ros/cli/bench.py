"""`depth-ros bench`: runs the parts that were asked for, prints their tables, writes one JSON."""

from __future__ import annotations

import json
from pathlib import Path

import click

from depth_ros.files import write_atomic


def bench(
    overhead: bool, engines: bool, soak: float | None, seconds: float, out: Path | None
) -> int:
    """Run parts one after the other; gives the exit code: 1 where a part fails by its own
    measure.
    """
    from tqdm import tqdm

    if not (overhead or engines or soak):
        overhead = engines = True
    results = {}
    failed = False
    for name, options in _parts(overhead, engines, soak, seconds):
        module = _module(name)
        with tqdm(unit="step", desc=name, disable=None, leave=False) as progress:
            result = module.run(progress, **options)
        click.echo(module.table(result))
        results[name] = result
        failed |= bool(result.get("failures"))
        if out:
            _write(out, results)  # after every part: an interrupted run keeps what it has
    return int(failed)


def _parts(
    overhead: bool, engines: bool, soak: float | None, seconds: float
) -> list[tuple[str, dict]]:
    """Name the modules of depth_ros.benchmark to run, with their options."""
    if overhead:
        parts = [("overhead", {"seconds": seconds})]
    else:
        parts = []
    parts += [("engines", {})] if engines else []
    return parts + ([("soak", {"minutes": soak})] if soak else [])


def _module(name: str):
    """Import one part; what it needs beyond the runtime it names itself."""
    from importlib import import_module
    from importlib.util import find_spec

    from depth_ros.core.errors import InputError

    if name != "engines" and find_spec("rclpy") is None:
        raise InputError(
            f"bench --{name}: expected ROS 2 (source /opt/ros/.../setup.bash), got no rclpy"
        )
    try:
        return import_module(f"depth_ros.benchmark.{name}")
    except ImportError as error:
        raise InputError(
            f"bench --{name}: expected its modules to be importable, got: {error}"
        ) from None


def _write(path: Path, results: dict) -> None:
    """Write JSON as a whole or not at all."""
    write_atomic(path, (json.dumps(results, indent=1) + "\n").encode())

"""Many bags: each evaluated by a process of its own, here or on machines of a Dask cluster; one
report of them all.

A process a bag: a bag that crashes its reader or fills the memory costs that bag only. What is done
is kept with the key of what it was made of, so that a second run begins where the first one ended.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from depth_ros.core.errors import InputError
from depth_ros.recordings.output import write_bytes
from depth_ros.recordings.reader import is_bag, is_bag_file
from depth_ros.recordings.scene_layouts import looks_like_scenes

DONE = "done.json"


@dataclass(frozen=True)
class Task:
    """One bag: where it is, the name of its folder in the results, the options of `depth-ros
    evaluate`, its key.
    """

    bag: str
    name: str
    options: tuple[str, ...]
    key: str


def find_bags(inputs: list[Path]) -> list[Path]:
    """Give the bags among the inputs and below those that are folders; raises InputError where one
    has none.

    A folder of scenes counts as one input, as in `depth-ros evaluate`.
    """
    found = []
    for path in inputs:
        below = [] if is_bag(path) else bags_below(path)
        if is_bag(path) or (not below and looks_like_scenes(path)):
            found.append(path)
            continue
        if not below:
            raise InputError(f"{path}: expected a bag, or a folder with bags below it, got neither")
        found += below
    return list(dict.fromkeys(path.resolve() for path in found))


def bags_below(folder: Path) -> list[Path]:
    """Give the folders below that hold files of a bag, whole or not, in order; links are
    followed, circles are not.
    """
    found, seen = [], set()
    for place, names, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen or any(map(is_bag_file, files)):
            names.clear()
            found += [Path(real)] if real not in seen else []
        seen.add(real)
    return sorted(found)


def make_tasks(bags: list[Path], options: list[str], version: str) -> list[Task]:
    """Name the bags' folders, after the bag or, where two have one name, after its parent too.
    version: of the code.
    """
    names = [bag.name for bag in bags]
    tasks = []
    for bag, name in zip(bags, names, strict=True):
        name = name if names.count(name) == 1 else f"{bag.parent.name}_{name}"
        name = (
            name if name not in {task.name for task in tasks} else f"{name}_{_hash(str(bag))[:8]}"
        )
        tasks.append(
            Task(str(bag), name, tuple(options), _hash(json.dumps([version, options, _files(bag)])))
        )
    return tasks


def run_all(
    tasks: list[Task],
    out: Path,
    jobs: int = 1,
    scheduler: str = "",
    on_done: Callable[[Task, str], None] = lambda *_: None,
) -> dict[str, str]:
    """Evaluate every task into out/<name>/; returns {name: error}, "" where it went well.

    What an earlier run has finished with the same key is not done again. scheduler: address of a
    Dask scheduler, else `jobs` processes here. on_done: told of each. Raises InputError where Dask
    is absent or the scheduler silent.
    """
    open_tasks = [task for task in tasks if _done_key(out / task.name) != task.key]
    errors = {task.name: "" for task in tasks if task not in open_tasks}
    for task in tasks:
        if task not in open_tasks:
            on_done(task, "")
    for task, files, error in (_on_dask if scheduler else _here)(open_tasks, scheduler or jobs):
        if not error:
            for name, content in files.items():
                write_bytes(out / task.name / name, base64.b64decode(content))
            write_bytes(
                out / task.name / DONE, json.dumps({"key": task.key, "bag": task.bag}).encode()
            )  # the last
        errors[task.name] = error
        on_done(task, error)
    return errors


def evaluate_bag(task: Task) -> tuple[dict[str, str], str]:
    """Evaluate one bag in a process of its own; gives its files ({name: base64}) and "", or {}
    and its last words.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "depth_ros",
            "evaluate",
            task.bag,
            "--out",
            folder,
            *task.options,
        ]
        done = subprocess.run(command, capture_output=True, text=True, env=_environment())
        if done.returncode:
            words = " ".join(done.stderr.split())[-300:] or f"ended with code {done.returncode}"
            return {}, words.removeprefix("depth-ros: error: ")
        files = {
            path.name: base64.b64encode(path.read_bytes()).decode()
            for path in Path(folder).iterdir()
        }
    seconds = json.dumps({"seconds": time.monotonic() - started}).encode()
    return {**files, "time.json": base64.b64encode(seconds).decode()}, ""


def _here(tasks: list[Task], jobs: int) -> Iterator[tuple]:
    """Evaluate on this machine; threads only wait for the processes."""
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        waiting = {pool.submit(evaluate_bag, task): task for task in tasks}
        try:
            for future in as_completed(waiting):
                yield waiting[future], *future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _on_dask(tasks: list[Task], scheduler: str) -> Iterator[tuple]:
    """Evaluate on the workers of a Dask scheduler, which must find the bags at the same paths."""
    try:
        from distributed import Client
        from distributed import as_completed as completed
    except ImportError as error:
        raise InputError(
            f"expected Dask for --scheduler (pip install 'dask[distributed]'), got: {error}"
        ) from error
    try:
        client = Client(scheduler, timeout=10)
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(f"{scheduler}: expected a Dask scheduler there, got: {error}") from error
    with client:
        waiting = {
            client.submit(evaluate_bag, task, key=f"{task.name}-{task.key}", retries=1): task
            for task in tasks
        }
        for future in completed(list(waiting)):
            task = waiting[future]
            if future.status == "finished":
                yield task, *future.result()
            else:
                yield task, {}, f"worker: {future.exception()}"


def _environment() -> dict[str, str]:
    """The child's environment: this very tree, and one thread a library, since the bags are what
    runs in parallel.
    """
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    return {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **os.environ, "PYTHONPATH": path}


def _done_key(folder: Path) -> str:
    try:
        return json.loads((folder / DONE).read_text())["key"]
    except (OSError, ValueError, KeyError):
        return ""


def _files(bag: Path) -> list:
    """What tells a bag that has changed: names, sizes and times of its files."""
    files = (path for path in sorted(bag.rglob("*") if bag.is_dir() else [bag]) if path.is_file())
    return [[str(path), (stat := path.stat()).st_size, stat.st_mtime_ns] for path in files]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]

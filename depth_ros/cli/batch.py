"""depth-ros evaluate of many bags: what stands behind the command. Imported when it runs."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import click

from .input import Reading


def are_many(inputs: tuple[Path, ...], jobs: int | None, scheduler: str) -> bool:
    """Distinguish many bags from one input: several, a folder with bags below it, or an option that
    only many have.
    """
    from depth_ros.evaluation.batch import bags_below
    from depth_ros.recordings.reader import is_bag
    from depth_ros.recordings.scene_layouts import looks_like_scenes

    if len(inputs) > 1 or jobs or scheduler:
        return True
    path = inputs[0]
    return (
        path.is_dir()
        and not is_bag(path)
        and bool(bags_below(path))
        and not looks_like_scenes(path)
    )


def evaluate_many(
    inputs: tuple[Path, ...],
    jobs: int | None,
    scheduler: str,
    out: Path | None,
    reading: Reading,
    **options,
) -> None:
    """Evaluate every bag in a process of its own and merge the reports; exit code 1 where a bag
    failed.
    """
    from tqdm import tqdm

    from depth_ros.core.errors import InputError
    from depth_ros.evaluation.batch import find_bags, make_tasks, run_all
    from depth_ros.evaluation.report.batch_report import merge, words_of

    if options["replay"]:
        raise InputError(
            "expected one bag for --replay: bags beside each other would measure each other's load"
        )
    folder = (out or Path("evaluation")).resolve()
    words = [*reading.words(), *command_line(options)]
    tasks = make_tasks(
        find_bags(list(inputs)),
        words,
        _version([reading.model, reading.engine.engine, *options["against"]]),
    )
    with tqdm(total=len(tasks), unit="bag", disable=None, leave=False) as bar:

        def on_done(task, error):
            bar.update()
            if error:
                tqdm.write(f"FAILED {task.name}: {error}", file=sys.stderr)

        errors = run_all(tasks, folder, jobs or 1, scheduler, on_done)
    report = merge(tasks, errors, folder)
    click.echo("\n".join(words_of(report)))
    click.echo(f"{folder / 'report.html'}")
    sys.exit(1 if report["bags"]["failed"] else 0)


def command_line(options: dict) -> list[str]:
    """Return options as the words of a command line; paths become absolute, for processes
    elsewhere.

    >>> command_line({"egomotion": "auto", "against": ("sgbm",), "replay": False})
    ['--egomotion', 'auto', '--against', 'sgbm']
    """
    words = []
    for name, value in options.items():
        for one in value if isinstance(value, tuple) else (value,):
            if one is None or one is False or one == "":
                continue
            path = name == "against" and one != "sgbm"
            words += [f"--{name.replace('_', '-')}", str(Path(one).resolve() if path else one)]
    return words


def _version(named: list) -> str:
    """A digest of this code and of the models: with another one, a result is made again."""
    from depth_ros.engine.load import default_model

    digest = hashlib.sha256()
    models = [*named, *(default_model(task) for task in ("stereo", "mono"))]
    for path in (*sorted(Path(__file__).parents[1].rglob("*.py")), *models):
        if path and path != "sgbm" and Path(path).is_file():
            digest.update(Path(path).read_bytes())
    return digest.hexdigest()

"""depth-ros evaluate of many bags: what stands behind the command. Imported when it runs."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import click


def are_many(inputs: tuple[Path, ...], jobs: int | None, scheduler: str) -> bool:
    """Tell many bags from one input: several, a folder with bags below it, or an option that
    only many have.
    """
    from depth_ros.evaluation.batch import bags_below
    from depth_ros.recordings.sample import is_bag

    if len(inputs) > 1 or jobs or scheduler:
        return True
    path = inputs[0]
    return (
        path.is_dir()
        and not is_bag(path)
        and not any(path.glob("*/calib.txt"))
        and bool(bags_below(path))
    )


def evaluate_many(
    inputs: tuple[Path, ...], jobs: int | None, scheduler: str, out: Path | None, **options
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
    tasks = make_tasks(find_bags(list(inputs)), command_line(options), _version(options))
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
    """Give options back as the words of a command line; paths become absolute, for processes
    elsewhere.

    >>> command_line({"mode": "auto", "model": None, "against": ("sgbm",), "replay": False})
    ['--mode', 'auto', '--against', 'sgbm']
    """
    words = []
    for name, value in options.items():
        for one in value if isinstance(value, tuple) else (value,):
            if one is None or one is False:
                continue
            path = name in ("model", "against") and one != "sgbm"
            words += [f"--{name.replace('_', '-')}", str(Path(one).resolve() if path else one)]
    return words


def _version(options: dict) -> str:
    """A digest of this code and of the models: with another one, a result is made again."""
    from depth_ros.engine.load import default_model

    digest = hashlib.sha256()
    models = [
        options["model"],
        *options["against"],
        *(default_model(task) for task in ("stereo", "mono")),
    ]
    for path in (*sorted(Path(__file__).parents[1].rglob("*.py")), *models):
        if path and path != "sgbm" and Path(path).is_file():
            digest.update(Path(path).read_bytes())
    return digest.hexdigest()

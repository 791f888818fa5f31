"""depth-ros evaluate of one input: what stands behind the command. Imported when it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from . import input as cli_input
from .input import Reading, progress


def evaluate_one(
    input: Path, reading: Reading, egomotion: str, replay: bool, against, out: Path | None
) -> None:
    """Evaluate one input, write its report and say the verdict."""
    from depth_ros.doctor.recording import findings_of
    from depth_ros.evaluation.report.report import words_of, write_report

    others = []
    rivals = [_rival(name, reading) for name in against]  # a file that is missing is said at once
    if replay:
        source = cli_input.open_input(input, reading, _mode_of(reading))
        run, others = replayed(source, reading, egomotion)
    else:
        source, estimator, label = cli_input.open_both(input, reading)
        run = evaluate_offline(source, estimator, label, egomotion)
    run.topics = source.topics
    run.notes += [words for words in source.notes if words not in run.notes]
    pairs = has_pairs(input, reading)
    if pairs and source.mode == "mono":
        run.notes.append(f"The recording has pairs: {run.model} was given the left images only.")
    for name, task, chosen in rivals:
        if task == "stereo" and not pairs:
            run.uncompared.append(name)
            run.notes.append(
                f"Not compared with {name}: it needs two cameras, this recording has one."
            )
            continue
        other, estimator, label = cli_input.open_both(input, replace(chosen, mode=task))
        if label == run.model:
            run.notes.append(f"Not compared with {name}: it is the same model.")
            continue
        others.append(evaluate_offline(other, estimator, label, egomotion))
    named = reading.asked, reading.max_disparity_px, reading.range_px
    run.findings = findings_of(input, source.mode, *named)
    folder = out or Path("evaluation") / source.name
    report = write_report(run, folder, others)
    for scene, values in report.get("stereo", {}).get("per_scene", {}).items():
        click.echo(
            f"{scene:24} bad2 {values['bad2_pct']:6.2f} %  coverage {values['coverage']:.3f}"
        )
    click.echo("\n".join(words_of(run, report, others)))
    if source.topics is not None:
        click.echo(f"read as {source.topics.sentence()}")
    click.echo(f"{folder / 'report.html'}")


def _rival(name: str, reading: Reading) -> tuple[str, str, Reading]:
    """Return (name, stereo or mono, how to open it) of what --against names."""
    from depth_ros.engine.options import EngineOptions

    if name == "sgbm":
        return (
            name,
            "stereo",
            replace(reading, model=None, engine=EngineOptions("sgbm", waits=True)),
        )
    if reading.engine.backend == "sgbm":
        kind = "auto"
    else:
        kind = reading.engine.backend
    engine = replace(
        reading.engine, backend=kind, engine=""
    )  # an engine that is named is of --model
    chosen = replace(reading, model=Path(name), engine=engine, mode="auto")
    return name, _mode_of(chosen), chosen


def has_pairs(input: Path, reading: Reading) -> bool:
    """Report whether an input has images of a right camera."""
    from depth_ros.core.errors import InputError
    from depth_ros.recordings.sample import open_source

    try:
        return open_source(input, "auto", reading.asked).mode == "stereo"
    except InputError:  # a right camera without camera_info, say
        return False


def replayed(source, reading: Reading, egomotion: str):
    """Play a bag into the real node; where odom was heard, the same estimator offline stands
    beside it.
    """
    from depth_ros.estimator.factory import EstimatorOptions, make_estimator
    from depth_ros.nodes.replay.replay import replay

    egomotion = _method(source, egomotion)
    chosen = reading.model, reading.engine, reading.range_px
    run = replay(source, *chosen, reading.sync_tolerance_s, egomotion)
    if run.track is None:
        return run, []
    estimator = make_estimator(EstimatorOptions(source.mode, *chosen))
    return run, [evaluate_offline(source, estimator, f"{run.model}, offline", egomotion)]


def evaluate_offline(source, estimator, label: str, egomotion: str):
    """Evaluate without ROS, with a progress bar."""
    from depth_ros.estimator.factory import rest_unless_wanted
    from depth_ros.evaluation.evaluate import evaluate as run_evaluation
    from depth_ros.evaluation.odometry_runner import Follower
    from depth_ros.odometry import OdometryInputs

    method = _method(source, egomotion)
    rest_unless_wanted(estimator, method != "off", method)
    follower = None
    if method != "off":
        follower = Follower(method, OdometryInputs.from_scale(estimator.scale))
    with progress(len(source)) as bar:
        run = run_evaluation(source, estimator, label, bar.update, follower)
    run.precision = estimator.engine.precision
    return run


def _method(source, egomotion: str) -> str:
    """Resolve auto: hybrid where the input has true poses, or depth that was recorded to follow
    by, else off.
    """
    follows = source.has_poses or (source.topics is not None and source.topics.depth is not None)
    if egomotion == "auto":
        if follows:
            return "hybrid"
        return "off"
    return egomotion


def _mode_of(reading: Reading) -> str:
    """What auto means for a model that was named: what the model is for."""
    from depth_ros.engine.load import load_engine

    if reading.model is None or reading.mode != "auto":
        return reading.mode
    return load_engine(reading.model, reading.engine, reading.range_px).spec.task

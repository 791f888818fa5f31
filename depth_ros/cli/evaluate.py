"""depth-ros evaluate of one input: what stands behind the command. Imported when it runs."""

from __future__ import annotations

from pathlib import Path

import click


def evaluate_one(
    input,
    open_both,
    open_input,
    progress,
    mode,
    model,
    backend,
    max_disparity_px,
    sync_tolerance_s,
    egomotion,
    replay,
    against,
    out,
):
    """Evaluate one input, write its report and say the verdict. open_both, open_input, progress:
    of the command.
    """
    from depth_ros.doctor.recording import findings_of
    from depth_ros.evaluation.report.report import words_of, write_report

    others, asked = [], (model, backend, max_disparity_px)
    rivals = [
        _rival(name, backend, max_disparity_px) for name in against
    ]  # a file that is missing is said at once
    if replay:
        source = open_input(input, sync_tolerance_s, _mode_of(mode, *asked))
        run, others = replayed(source, asked, sync_tolerance_s, egomotion, progress)
    else:
        source, estimator, label = open_both(input, sync_tolerance_s, mode, *asked)
        run = evaluate_offline(source, estimator, label, egomotion, progress)
    pairs = has_pairs(input)
    if pairs and source.mode == "mono":
        run.notes.append(f"The recording has pairs: {run.model} was given the left images only.")
    for name, task, chosen in rivals:
        if task == "stereo" and not pairs:
            run.uncompared.append(name)
            run.notes.append(
                f"Not compared with {name}: it needs two cameras, this recording has one."
            )
            continue
        other, estimator, label = open_both(
            input, sync_tolerance_s, task, *chosen, max_disparity_px
        )
        if label == run.model:
            run.notes.append(f"Not compared with {name}: it is the same model.")
            continue
        others.append(evaluate_offline(other, estimator, label, egomotion, progress))
    run.findings = findings_of(input, source.mode)
    folder = out or Path("evaluation") / source.name
    report = write_report(run, folder, others)
    for scene, values in report.get("stereo", {}).get("per_scene", {}).items():
        click.echo(
            f"{scene:24} bad2 {values['bad2_pct']:6.2f} %  coverage {values['coverage']:.3f}"
        )
    click.echo("\n".join(words_of(run, report, others)))
    click.echo(f"{folder / 'report.html'}")


def _rival(name: str, backend: str, max_disparity_px: int) -> tuple[str, str, tuple]:
    """Give (name, stereo or mono, model and backend) of what --against names."""
    if name == "sgbm":
        return name, "stereo", (None, "sgbm")
    chosen = Path(name), backend if backend != "sgbm" else "auto"
    return name, _mode_of("auto", *chosen, max_disparity_px), chosen


def has_pairs(input) -> bool:
    """Tell whether an input has images of a right camera."""
    from depth_ros.core.errors import InputError
    from depth_ros.recordings.sample import open_source

    try:
        return open_source(input).mode == "stereo"
    except InputError:  # a right camera without camera_info, say
        return False


def replayed(source, asked, sync_tolerance_s: float, egomotion: str, progress):
    """Play a bag into the real node; where odom was heard, the same estimator offline stands
    beside it.
    """
    from depth_ros.estimator.factory import twin_estimator
    from depth_ros.nodes.replay.replay import replay

    egomotion = _method(source, egomotion)
    run = replay(source, *asked, sync_tolerance_s, egomotion)
    if run.track is None:
        return run, []
    estimator = twin_estimator(source.mode, *asked)
    return run, [evaluate_offline(source, estimator, f"{run.model}, offline", egomotion, progress)]


def evaluate_offline(source, estimator, label, egomotion, progress):
    """Evaluate without ROS, with a progress bar."""
    from depth_ros.evaluation.evaluate import evaluate as run_evaluation
    from depth_ros.evaluation.odometry_runner import Follower

    method = _method(source, egomotion)
    follower = None if method == "off" else Follower(method)
    with progress(len(source)) as bar:
        return run_evaluation(source, estimator, label, bar.update, follower)


def _method(source, egomotion: str) -> str:
    """Resolve auto: hybrid where the input has true poses, else off."""
    return (
        ("hybrid" if getattr(source, "has_poses", False) else "off")
        if egomotion == "auto"
        else egomotion
    )


def _mode_of(mode: str, model, backend: str, max_disparity_px: int) -> str:
    """What auto means for a model that was named: what the model is for."""
    from depth_ros.engine.load import load_engine

    return (
        load_engine(model, backend, max_disparity_px).spec.task
        if model and mode == "auto"
        else mode
    )

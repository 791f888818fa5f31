"""The depth-ros command.

Imports are inside the commands: --help must not wait for OpenCV or ROS.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .input import open_both, progress, reading_options, topic_options
from .options import (
    BACKENDS,
    MAX_DISPARITY_PX,
    PRECISIONS,
    expect_writable,
    input_argument,
    mode_option,
    range_option,
    report_errors,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main():
    """Cameras in, metres out: depth of stereo and mono recordings, judged and explained.

    INPUT is a rosbag2 directory (sqlite3 or mcap), a ROS 1 bag, or a folder of scenes (Middlebury,
    ETH3D, KITTI, Spring).
    """


@main.command(short_help="Judge depth and ego-motion on INPUT; writes report.html.")
@click.argument(
    "inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@reading_options
@click.option(
    "--egomotion",
    type=click.Choice(["auto", "off", "network", "geometric", "hybrid"]),
    default="auto",
    show_default=True,
    help="How to follow the camera; auto: hybrid where INPUT has true poses, else off.",
)
@click.option(
    "--replay", is_flag=True, help="Play the bag at recorded rate over ROS 2 into the real node."
)
@click.option(
    "--against",
    multiple=True,
    help="Another ONNX model, or sgbm, to stand beside it; may be repeated.",
)
@click.option(
    "--jobs", type=click.IntRange(1), help="Bags at a time, each in a process of its own."
)
@click.option(
    "--scheduler",
    default="",
    help="Address of a Dask scheduler (tcp://...): bags on many machines.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for report.json and report.html [evaluation/<input>].",
)
@report_errors
def evaluate(inputs, jobs, scheduler, out, reading, **options):
    """Judge depth and ego-motion on INPUT: accuracy where there is truth, time, drops by cause.

    Of several bags, or a folder of bags, one merged report; a second run goes on where the first
    one ended.
    """
    from .batch import are_many, evaluate_many

    expect_writable(out or Path("evaluation"))
    if are_many(inputs, jobs, scheduler):
        evaluate_many(inputs, jobs, scheduler, out, reading, **options)
    else:
        from .evaluate import evaluate_one

        evaluate_one(inputs[0], reading, out=out, **options)


@main.command(short_help="Write the depth of INPUT as PNG, NPY and PLY.")
@input_argument
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the files.")
@reading_options
@report_errors
def run(input, out, reading):
    """Write the depth of every pair or image: 16-bit PNG in millimetres, NPY in metres, coloured
    PNG, PLY cloud.
    """
    from depth_ros.core.errors import InputError
    from depth_ros.estimator.factory import rest_unless_wanted
    from depth_ros.evaluation.evaluate import Evaluation, estimates, noun, said_of
    from depth_ros.recordings.output import write_estimate

    expect_writable(out)
    source, estimator, label = open_both(input, reading)
    rest_unless_wanted(estimator, False, "off")  # no motion is written
    done = Evaluation(source.name, label, estimator.engine.name, source.mode)
    scaleless = 0
    with progress(len(source)) as bar:
        count = 0
        for sample, estimate in estimates(source, estimator, done):
            write_estimate(out, sample.name, estimate, sample.metric)
            count = count + 1
            scaleless = scaleless + (not sample.metric or estimate.depth is None)
            bar.update()
    dropped = {**source.drops, **done.dropped}
    reasons = {**source.reasons, **done.reasons}
    words = "; ".join(
        f"dropped {n} {cause}: {reasons.get(cause, '')}" for cause, n in dropped.items()
    )
    if not count:
        raise InputError(f"{input}: expected at least one usable {noun(done)}, got none; {words}")
    click.echo(f"{count} {noun(done)}s written to {out}" + (f"; {words}" if words else ""))
    if scaleless:
        if source.mode == "mono":
            why = "are relative: inverse depth"
        else:
            why = "have a nominal calibration: disparity"
        click.echo(f"{scaleless} of them {why} written, no metres")
    for line in said_of(source):
        click.echo(line)


@main.command(short_help="Name what is wrong with BAG, or with the running ROS graph.")
@click.argument("bag", type=click.Path(path_type=Path), required=False)
@click.option(
    "--namespace", default="", help="Live: of the depth_node and its cameras; default: any."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.5),
    default=10.0,
    show_default=True,
    help="Live: how long to look.",
)
@mode_option
@range_option
@topic_options
@report_errors
def doctor(bag, namespace, seconds, mode, max_disparity_px, asked):
    """Name every calibration, stamp and encoding problem in BAG, or a folder of scenes; without
    BAG, live, in the running ROS graph: also topics, QoS, TF, lifecycle. Exit code 1 if there is a
    problem."""
    if bag is None:
        findings = examine_live(namespace, seconds)
    else:
        from depth_ros.doctor.recording import examine

        findings = examine(bag, mode, asked, max_disparity_px, MAX_DISPARITY_PX)
    for finding in findings:
        click.echo(f"{finding.level:8}{finding.where}: {finding.words}")
    bad = sum(finding.level == "PROBLEM" for finding in findings)
    click.echo(
        f"{bad} problem(s), {sum(finding.level == 'WARNING' for finding in findings)} warning(s)"
    )
    sys.exit(1 if bad else 0)


def examine_live(namespace: str, seconds: float):
    """Look at the running graph, with a progress bar."""
    from importlib.util import find_spec

    from tqdm import tqdm

    from depth_ros.core.errors import InputError

    if find_spec("rclpy") is None:
        raise InputError(
            "expected ROS for a live look (source /opt/ros/.../setup.bash), got no rclpy; "
            "or give a BAG"
        )
    from depth_ros.doctor.live import examine_graph
    from depth_ros.nodes.introspection.graph_probe import look

    with tqdm(
        total=seconds, unit="s", disable=None, leave=False, bar_format="{desc}{bar} {n:.0f} s"
    ) as bar:
        return examine_graph(look(namespace, seconds, tick=bar.update))


@main.command(short_help="Show the contract that an ONNX MODEL carries.")
@click.argument("model", type=click.Path(path_type=Path))
@report_errors
def info(model):
    """Show the contract that an ONNX MODEL carries, after checking that its graph keeps it."""
    import json

    from depth_ros.engine.onnx import OnnxEngine

    engine = OnnxEngine(model)
    click.echo(f"{model}\n{'hash':18}{engine.model_hash}\n{'bytes':18}{Path(model).stat().st_size}")
    for key, value in json.loads(engine.spec.to_json()).items():
        click.echo(f"{key:18}{', '.join(map(str, value)) if isinstance(value, list) else value}")


@main.command(short_help="Compile an ONNX MODEL for TensorRT.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--precision", type=click.Choice(PRECISIONS), default="fp16", show_default=True)
@click.option(
    "--shape", default="", help="HxW of the camera's images; default: the bag's, else 480x640."
)
@click.option(
    "--workspace",
    type=click.IntRange(0),
    default=0,
    help="Most MiB for scratch; 0: the library's choice.",
)
@click.option(
    "--library",
    type=click.Choice(["auto", "tensorrt", "tensorrt_rtx"]),
    default="auto",
    show_default=True,
)
@click.option(
    "--compute-capability",
    "capability",
    default="",
    help="Build for another GPU, 8.6 say (tensorrt_rtx).",
)
@click.option(
    "--calibrate", type=click.Path(path_type=Path), help="A bag whose frames int8 is calibrated on."
)
@click.option(
    "--frames",
    type=click.Path(path_type=Path),
    help="A bag to compare on; default: rendered frames.",
)
@click.option(
    "--with-io",
    is_flag=True,
    help="The whole step as one graph: bytes of images in, metres and points out.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    help="Folder for engines [DEPTH_ROS_CACHE, ~/.cache].",
)
@click.option("--force", is_flag=True, help="Build even where the cache has it.")
@click.option(
    "--save-onnx", type=click.Path(path_type=Path), help="Write the graph too, for trtexec."
)
@click.option(
    "--import",
    "import_file",
    metavar="ENGINE",
    type=click.Path(path_type=Path),
    help="Build nothing: take the engine that trtexec made of --save-onnx, on this GPU.",
)
@report_errors
def build(model, **options):
    """Compile an ONNX MODEL for TensorRT, and compare what is compiled with ONNX Runtime."""
    from .build import BuildCommand, build_engine

    build_engine(model, BuildCommand(**options))


@main.command(short_help="Show BAG, or a running node, in a browser.")
@click.argument("input", metavar="[BAG]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--topics",
    metavar="NAMESPACE",
    is_flag=False,
    flag_value="/",
    help="Show a running node's topics [/].",
)
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    help="Write a file (.rrd) to open later, serve nothing.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65534),
    default=9090,
    show_default=True,
    help="The next is used too.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="By which name the browser reaches this machine.",
)
@click.option("--browser", is_flag=True, help="Open a browser here.")
@click.option(
    "--hz",
    type=click.FloatRange(0.1, 60),
    default=30.0,
    show_default=True,
    help="With --topics: at most.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0),
    default=0.0,
    help="With --topics: end after so long; 0: never.",
)
@click.option(
    "--way", is_flag=True, help="With --topics: ask for odometry even where nobody else does."
)
@click.option(
    "--egomotion", type=click.Choice(["off", "network", "geometric", "hybrid"]), default="hybrid"
)
@reading_options
@report_errors
def view(**options):
    """Show BAG, a saved page or running topics in a browser: image, depth, uncertainty, points,
    way, rates, drops.
    """
    from .view import view as run_view

    run_view(**options)


@main.command(short_help="Measure this machine.")
@click.option(
    "--overhead",
    is_flag=True,
    help="What the node costs beside its engine: x floor, x plain rclpy.",
)
@click.option(
    "--engines", is_flag=True, help="What the shipped models cost here, and how accurate they are."
)
@click.option(
    "--soak",
    type=click.FloatRange(0.05),
    metavar="MINUTES",
    is_flag=False,
    flag_value=30.0,
    help=(
        "60 Hz stereo for this long [30]: memory, latency, drops accounted for. Exit code 1 if "
        "one fails."
    ),
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.2),
    default=2.0,
    help="Of --overhead, for each case, twice [2].",
)
@click.option("--out", type=click.Path(path_type=Path), help="Write all figures to this JSON file.")
@report_errors
def bench(**options):
    """Measure this machine; without options, --overhead and --engines."""
    from .bench import bench as run_bench

    if options["out"]:
        expect_writable(options["out"].parent)
    sys.exit(run_bench(**options))


@main.command()
@click.option("--out", default="demo", show_default=True, help="Folder for the results.")
@click.option("--model", help="ONNX model; default: the shipped one.")
@click.option("--backend", type=click.Choice(BACKENDS), default="auto", show_default=True)
@click.option("--frames", type=click.IntRange(1), help="Length of the clip.")
@report_errors
def demo(**options):
    """Render a clip and play it through the real node; writes demo/."""
    from .demo import main as run_demo

    expect_writable(Path(options["out"]))
    given = [(f"--{name}", str(value)) for name, value in options.items() if value is not None]
    sys.exit(run_demo([word for pair in given for word in pair]) or 0)

"""depth-ros view: what stands behind the command. Imported when it runs."""

from __future__ import annotations

import time
from pathlib import Path

import click

from .input import Reading, open_both, progress


def view(
    input: Path | None,
    topics: str | None,
    save: Path | None,
    port: int,
    host: str,
    browser: bool,
    reading: Reading,
    **options,
):
    """Show a bag, a saved page or running topics; serves until Ctrl-C, or writes the file."""
    from depth_ros.core.errors import InputError
    from depth_ros.viewer.page import Page, load_rerun, open_saved

    load_rerun()  # refuse before anything slow begins
    if (input is None) == (topics is None):
        raise InputError("expected a BAG, a saved .rrd file, or --topics, and one of them only")
    if input is not None and input.suffix == ".rrd":
        address, _held = open_saved(input, port, port + 1, host, browser)
        click.echo(address)
        return _wait()
    opened = None if input is None else open_both(input, reading)[:2]  # before a page is promised
    if input is None:
        name = str(topics)
    else:
        name = input.resolve().name
    with Page(f"**depth_ros** {name}", save) as page:
        if save is None:
            click.echo(page.serve(port, port + 1, host, browser))
        if topics is not None:
            from depth_ros.viewer.live import show_topics

            names = ("hz", "seconds", "way")
            count = show_topics(
                topics, page, reading.asked.image, *(options[name] for name in names)
            )
            return click.echo(f"{count} moments shown")
        _recording(*opened, page, options["egomotion"])
        if save is None:
            click.echo("the recording is over, the page stays; Ctrl-C ends it")
            _wait()
    click.echo(f"{save}: open it with `depth-ros view {save}`")


def _recording(source, estimator, page, egomotion: str) -> None:
    """Send a recording or a folder of scenes to the page, with a progress bar."""
    from depth_ros.estimator.factory import rest_unless_wanted
    from depth_ros.evaluation.evaluate import said_of
    from depth_ros.evaluation.odometry_runner import Follower
    from depth_ros.odometry import OdometryInputs
    from depth_ros.viewer.recording import show_recording

    follower = None
    if egomotion != "off" and source.is_sequence:
        follower = Follower(egomotion, OdometryInputs.from_scale(estimator.scale))
    rest_unless_wanted(estimator, follower is not None, egomotion)
    with progress(len(source)) as bar:
        show_recording(source, estimator, page, follower, bar.update)
    for line in said_of(source):
        click.echo(line)


def _wait() -> None:
    """Serve until Ctrl-C."""
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        pass

"""How the commands open their input: the options that say so, the source, and what answers it.

Loads click only.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from depth_ros.recordings.requested_topics import Asked

from .options import (
    MAX_DISPARITY_PX,
    TOPIC_OPTIONS,
    engine_options,
    mode_option,
    model_option,
    range_option,
    report_errors,
    take_engine_options,
    tolerance_option,
)

if TYPE_CHECKING:  # --help loads nothing of the engines
    from depth_ros.engine.options import EngineOptions


@dataclass(frozen=True)
class Reading:
    """How an input is read and answered, as the command line says.

    engine: what runs the model, and how. max_disparity_px: None where the input decides.
    sync_tolerance_s: seconds. asked: topics that the user named.
    """

    engine: EngineOptions
    mode: str = "auto"
    model: Path | None = None
    max_disparity_px: int | None = None
    sync_tolerance_s: float = 0.0
    asked: Asked = field(default_factory=Asked)

    @property
    def range_px(self) -> int:
        """The range to search where the input does not say."""
        return self.max_disparity_px or MAX_DISPARITY_PX

    def words(self) -> list[str]:
        """Return this as the words of a command line, for another process; paths become
        absolute.

        >>> from depth_ros.engine.options import EngineOptions
        >>> Reading(
        ...     EngineOptions("sgbm"), max_disparity_px=64, asked=Asked(camera="/front")
        ... ).words()[4:]
        ['--max-disparity-px', '64', '--sync-tolerance-s', '0.0', '--camera', '/front']
        """
        words = ["--mode", self.mode, "--backend", self.engine.backend]
        for name, value in vars(self.engine).items():
            if name not in ("backend", "waits") and value != getattr(type(self.engine), name):
                if name == "engine":
                    value = Path(value).resolve()
                words += [f"--{name.replace('_', '-')}", str(value)]
        words += ["--model", str(self.model.resolve())] if self.model else []
        words += ["--max-disparity-px", str(self.max_disparity_px)] if self.max_disparity_px else []
        words += ["--sync-tolerance-s", str(self.sync_tolerance_s)]
        for name, value in vars(self.asked).items():
            if name == "camera":
                option = "--camera"
            else:
                option = f"--{name.replace('_', '-')}-topic"
            words += [option, value] if value else []
        return words


def topic_options(command):
    """Add the options that name topics; the command gets them as one argument, asked."""

    @functools.wraps(command)
    def wrapper(
        *args,
        camera,
        image_topic,
        left_image_topic,
        right_image_topic,
        truth_topic,
        depth_topic,
        **kwargs,
    ):
        asked = Asked(
            camera, image_topic, left_image_topic, right_image_topic, truth_topic, depth_topic
        )
        return command(*args, asked=asked, **kwargs)

    for option in reversed(TOPIC_OPTIONS):
        wrapper = option(wrapper)
    return wrapper


def reading_options(command):
    """Add all options about the input and what answers it; the command gets them as one
    argument, reading.
    """

    @topic_options
    @report_errors  # of the command's own, too late for options that contradict each other
    @functools.wraps(command)
    def wrapper(*args, mode, model, max_disparity_px, sync_tolerance_s, asked, **kwargs):
        engine = take_engine_options(kwargs)
        reading = Reading(engine, mode, model, max_disparity_px, sync_tolerance_s, asked)
        return command(*args, reading=reading, **kwargs)

    for option in (tolerance_option, range_option, engine_options, model_option, mode_option):
        wrapper = option(wrapper)
    return wrapper


def open_both(path: Path, reading: Reading):
    """Open the input and load the engine that fits it; returns source, estimator and the words
    that name the model.
    """
    from depth_ros.core.errors import EngineError
    from depth_ros.engine.load import load_engine

    engine = None
    if reading.model:
        engine = load_engine(reading.model, reading.engine, reading.range_px, say=_say)
        if engine.spec.task not in ("stereo", "mono"):
            raise EngineError(
                f"{reading.model}: expected a stereo or mono model, got one for "
                f"{engine.spec.task!r}"
            )
    named = engine is not None and reading.mode == "auto"
    source = open_input(path, reading, engine.spec.task if named else reading.mode)
    return source, *make_estimator(engine, source.mode, reading)


def open_input(path: Path, reading: Reading, mode: str = ""):
    """Open a recording or a folder of scenes. mode: instead of the one that was read."""
    from depth_ros.recordings.sample import open_source

    tolerance_ns = round(reading.sync_tolerance_s * 1e9)
    return open_source(
        path, mode or reading.mode, reading.asked, tolerance_ns, reading.max_disparity_px
    )


def make_estimator(engine, mode: str, reading: Reading):
    """Make the estimator of an engine (None: the shipped one), and the words that name the model
    in a report.
    """
    from depth_ros.estimator import factory

    options = factory.EstimatorOptions(mode, reading.model, reading.engine, reading.range_px)
    estimator = factory.make_estimator(options, engine, _say)
    return estimator, factory.describe_model(estimator)


def _say(words: str) -> None:
    """Print what happens to an engine, on stderr."""
    click.echo(words, err=True)


def progress(total: int):
    """A progress bar on stderr, on terminals only."""
    from tqdm import tqdm

    return tqdm(total=total, unit="pair", disable=None, leave=False)

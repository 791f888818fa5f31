"""evaluate.launch.py: its arguments are options of the command that it starts."""

import sys

import click
import pytest
import ros_launch
from ros_launch import declared, run

from depth_ros.cli import main as cli


@pytest.fixture
def description(monkeypatch):
    return ros_launch.load(monkeypatch, "evaluate.launch.py")


def command(description, **arguments):
    (process,), _ = run(description, arguments)
    assert process.cmd[:4] == [sys.executable, "-m", "depth_ros", "evaluate"]
    return process.cmd[4:]


def test_at_most_eight_described_arguments_of_which_the_bag_is_required(description):
    arguments = declared(description)
    assert 0 < len(arguments) <= 8 and all(argument.description for argument in arguments)
    assert [argument.name for argument in arguments if argument.default_value is None] == ["bag"]
    with pytest.raises(RuntimeError, match="'bag' was not provided"):
        run(description, {})


def test_the_command_understands_what_it_is_given(description, tmp_path):
    words = command(
        description,
        bag=str(tmp_path),
        out="here",
        mode="mono",
        model="my.onnx",
        backend="sgbm",
        egomotion="off",
        sync_tolerance_s="0.01",
        replay="true",
    )
    context = click.Context(cli.evaluate)
    cli.evaluate.parse_args(context, list(words))
    values = {
        name: context.params[name]
        for name in ("mode", "backend", "egomotion", "sync_tolerance_s", "replay")
    }
    assert values == {
        "mode": "mono",
        "backend": "sgbm",
        "egomotion": "off",
        "sync_tolerance_s": 0.01,
        "replay": True,
    }
    assert str(context.params["out"]) == "here" and str(context.params["model"]) == "my.onnx"


def test_what_is_left_out_is_left_to_the_command(description):
    words = command(description, bag="BAG")
    assert words[0] == "BAG" and not {"--out", "--model", "--replay"} & set(words)

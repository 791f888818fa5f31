"""Ranges for Nsight Systems: named, balanced, and absent unless they are asked for."""

import contextlib
import sys
import types

import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine.tensorrt.nvtx import make_ranges


def test_ranges_are_opened_and_closed_by_name(monkeypatch):
    events = []

    @contextlib.contextmanager
    def annotate(name, domain):
        events.append(("open", domain, name))
        yield
        events.append(("close", domain, name))

    monkeypatch.setitem(sys.modules, "nvtx", types.SimpleNamespace(annotate=annotate))
    monkeypatch.setenv("DEPTH_ROS_NVTX", "1")
    with make_ranges()("engine.run"):
        assert events == [("open", "depth_ros", "engine.run")]
    assert events[1:] == [("close", "depth_ros", "engine.run")]


def test_without_asking_nothing_is_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "nvtx", None)
    for value in ("", "0"):
        monkeypatch.setenv("DEPTH_ROS_NVTX", value)
        with make_ranges()("engine.run"):
            pass
    monkeypatch.setenv("DEPTH_ROS_NVTX", "1")
    with pytest.raises(EngineError, match="DEPTH_ROS_NVTX: expected the package nvtx"):
        make_ranges()

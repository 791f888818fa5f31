"""The arithmetic and the parts of bench --overhead; one short run over real DDS."""

import shutil
from types import SimpleNamespace as Message

import pytest

pytest.importorskip("rclpy")
from depth_ros.benchmark import floor, overhead
from depth_ros.benchmark.naive import OwnSynchronizer


def message(stamp_ns, name=""):
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return Message(header=Message(stamp=Message(sec=sec, nanosec=nanosec)), name=name)


def test_the_naive_synchroniser_pairs_the_nearest():
    heard = []
    own = OwnSynchronizer(2, lambda left, right: heard.append((left.name, right.name)))
    own.add(0, message(100_000_000, "a"))
    own.add(1, message(110_000_000, "too far"))
    own.add(0, message(133_000_000, "b"))
    own.add(1, message(134_000_000, "c"))
    assert heard == [("b", "c")]


def test_ratios_are_within_one_size_and_rate():
    rows = [
        {"node": n, "width": w, "height": 4, "rate_hz": 30, "cpu_ms": ms}
        for w, costs in ((8, (1.0, 1.5, 6.0, 150.0)), (16, (2.0, 2.5, 5.0, 50.0)))
        for n, ms in zip(("floor", "depth_node", "naive", "naive_checked"), costs)
    ]
    ours = [row for row in overhead._with_ratios(rows) if row["node"] == "depth_node"]
    ratios = [(row["x_floor"], row["x_under_naive"], row["x_under_checked"]) for row in ours]
    assert ratios == [(1.5, 4.0, 100.0), (1.25, 2.0, 20.0)]


def test_dropping_does_not_look_cheap():
    measured = [
        {
            "node": "naive",
            "width": 8,
            "height": 4,
            "rate_hz": 30,
            "sent": 10,
            "cpu_ms": 20.0,
            "latency_ms": [1.0, 3.0],
        }
    ]
    row = overhead._row(((8, 4), 30), "naive", measured)
    assert (row["cpu_ms"], row["answered"], row["latency_ms"]["p50"]) == (10.0, 0.2, 2.0)


def test_the_floor_compiles_or_says_why(tmp_path):
    library, why = floor.compile_floor(tmp_path)
    assert (library is None) == bool(why)
    if shutil.which("gcc") and any(
        (prefix / "include/rcl").is_dir() for prefix in floor.prefixes()
    ):
        assert library is not None, why


def test_without_a_compiler_the_floor_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert floor.floor_command(tmp_path)[1] == "raw rclpy (no C compiler)"


def test_a_short_run_answers():
    nodes = ("floor", "depth_node")
    result = overhead.run(None, 0.5, 1, ((160, 120),), (20,), nodes)
    rows = {row["node"]: row for row in result["rows"]}
    assert rows["depth_node"]["sent"] == 10
    for row in rows.values():
        assert row["answered"] > 0 and row["cpu_ms"] > 0
    assert rows["depth_node"]["x_floor"] > 0
    assert "aim: x floor" in overhead.table(result)

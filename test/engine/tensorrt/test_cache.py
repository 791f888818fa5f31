import json
import os
from dataclasses import replace

import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt.cache import (
    UNKNOWN,
    CacheKey,
    EngineCache,
    StaleEngine,
    default_folder,
    note,
)

SPEC = ModelSpec("tiny", "stereo", ("left", "right"), ("disparity",), 0, 0, divisor=8)
KEY = CacheKey(
    "ab" * 32,
    "tensorrt",
    "10.3.0",
    "Orin",
    "8.7",
    "fp16",
    {"left": (1, 3, 16, 24)},
    {"conversion": "1"},
    driver="12.6",
    multiprocessors=16,
    makers={"onnx": "1.23.2"},
)
CONTENT = bytes(range(256)) * 4
OTHERS = [
    {"model_sha256": "cd" * 32},
    {"library": "tensorrt_rtx"},
    {"version": "10.16.0"},
    {"gpu": "Xavier"},
    {"compute_capability": "7.2"},
    {"precision": "fp32"},
    {"shapes": {"left": (1, 3, 16, 32)}},
    {"options": {"conversion": "2"}},
    {"driver": "13.0"},
    {"multiprocessors": 14},
    {"makers": {"onnx": "1.24.0"}},
    {"workspace_mib": 64},
    {"calibration": "00ff"},
]


@pytest.fixture
def cache(tmp_path):
    return EngineCache(tmp_path / "engines")


def test_what_is_stored_is_loaded(cache):
    path = cache.store(KEY, SPEC, CONTENT, build_s=1.5)
    found = cache.load(KEY)
    assert (found.content, found.spec, found.path) == (CONTENT, SPEC, path)
    assert found.about["build_s"] == 1.5 and found.about["key"] == KEY.to_dict()
    assert sorted(p.suffix for p in cache.folder.iterdir()) == [".engine", ".json"]
    note(path, parity={"mean": 0.25})
    assert cache.load(KEY).about["parity"] == {"mean": 0.25}


@pytest.mark.parametrize("change", OTHERS, ids=lambda change: next(iter(change)))
def test_every_part_of_the_key_counts(cache, change):
    other = replace(KEY, **change)
    path = cache.store(KEY, SPEC, CONTENT)
    with pytest.raises(StaleEngine, match="no engine is built"):
        cache.load(other)
    for suffix in (".engine", ".json"):  # as after somebody has copied files about
        path.with_suffix(suffix).rename(cache.path(other).with_suffix(suffix))
    with pytest.raises(StaleEngine, match=f"foreign engine: {next(iter(change))}: expected .* got"):
        cache.load(other)


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda b: b[:-1], "truncated engine: expected 1024 bytes, got 1023"),
        (lambda b: b"", "truncated"),
        (lambda b: b[:500] + bytes([b[500] ^ 1]) + b[501:], "corrupted engine: expected sha256"),
    ],
)
def test_a_damaged_engine_is_named(cache, damage, words):
    path = cache.store(KEY, SPEC, CONTENT)
    path.write_bytes(damage(CONTENT))
    with pytest.raises(StaleEngine, match=words):
        cache.load(KEY)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 2}', "\x00\xff"])
def test_damaged_metadata_is_named(cache, text):
    path = cache.store(KEY, SPEC, CONTENT)
    path.with_suffix(".json").write_text(text)
    with pytest.raises(StaleEngine, match="expected"):
        cache.load(KEY)


@pytest.mark.parametrize(
    "change, words", [({"format": 0}, "format: expected 2, got 0"), ({"spec": {}}, "version")]
)
def test_metadata_of_another_form(cache, change, words):
    file = cache.store(KEY, SPEC, CONTENT).with_suffix(".json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(StaleEngine, match=words):
        cache.load(KEY)


def test_missing_metadata(cache):
    cache.store(KEY, SPEC, CONTENT).with_suffix(".json").unlink()
    with pytest.raises(StaleEngine, match="expected metadata"):
        cache.load(KEY)


def test_an_interrupted_write_leaves_the_old_engine(cache, monkeypatch):
    cache.store(KEY, SPEC, CONTENT)

    def stop(*paths):
        raise KeyboardInterrupt

    monkeypatch.setattr("depth_ros.files.os.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        cache.store(KEY, SPEC, b"new")
    assert cache.load(KEY).content == CONTENT
    assert not list(cache.folder.glob("*.part*"))


def test_engine_and_metadata_of_two_builds(cache, monkeypatch):
    """A crash between the two renames: the engine is new, what is said of it is old."""
    path = cache.store(KEY, SPEC, CONTENT)
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(StaleEngine, match="corrupted"):
        cache.load(KEY)


def test_full_disk_and_bad_folder(cache, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="expected to write an engine"):
        EngineCache(tmp_path / "file").store(KEY, SPEC, CONTENT)
    with pytest.raises(EngineError, match="MB free"):
        monkeypatch.setattr("depth_ros.engine.tensorrt.cache._LEAST_FREE", 1e18)
        cache.store(KEY, SPEC, CONTENT)


def test_what_was_built_is_found_by_who_knows_less(cache):
    """A node knows neither the limit of scratch memory nor the recording that a user built with."""
    limited = replace(KEY, workspace_mib=512)
    cache.store(limited, SPEC, CONTENT)
    assert cache.find(KEY) == limited
    with pytest.raises(StaleEngine, match="no engine is built"):
        cache.find(replace(KEY, workspace_mib=64))
    cache.store(KEY, SPEC, CONTENT)
    assert cache.find(KEY) == KEY, "the very one comes first"
    int8 = [replace(KEY, precision="int8", calibration=digest) for digest in ("aa", "bb")]
    wanted = replace(KEY, precision="int8", calibration=UNKNOWN)
    with pytest.raises(StaleEngine, match="no engine is built"):
        cache.find(wanted)
    for number, key in enumerate(int8):
        path = cache.store(key, SPEC, CONTENT)
        os.utime(path.with_suffix(".json"), (number, number))
    assert cache.find(wanted) == int8[1], "the newest of several"
    with pytest.raises(
        StaleEngine, match="one is there that differs in driver: expected 13.0, got 12.6"
    ):
        cache.find(replace(wanted, driver="13.0"))
    for change in ({"model_sha256": "cd" * 32}, {"shapes": {"left": (1, 3, 16, 32)}}):
        with pytest.raises(StaleEngine):
            cache.find(replace(wanted, **change))


def test_a_damaged_engine_is_not_found(cache):
    limited = replace(KEY, workspace_mib=512)
    cache.store(limited, SPEC, CONTENT).write_bytes(CONTENT[:-1])
    with pytest.raises(StaleEngine, match="truncated"):
        cache.find(KEY)


def test_what_was_not_used_for_longest_makes_room(tmp_path):
    cache = EngineCache(tmp_path, most_bytes=2 * len(CONTENT))
    keys = [replace(KEY, workspace_mib=number) for number in (1, 2, 3)]
    for seconds, key in enumerate(keys[:2]):
        os.utime(cache.store(key, SPEC, CONTENT), (seconds, seconds))
    cache.load(keys[0])  # used since: the second one is older now
    cache.store(keys[2], SPEC, CONTENT)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{key.digest}{suffix}" for key in (keys[0], keys[2]) for suffix in (".engine", ".json")
    }
    huge = replace(KEY, workspace_mib=4)
    cache.store(huge, SPEC, 3 * CONTENT)
    assert cache.load(huge).content == 3 * CONTENT, "what was just written stays, however large"
    assert len(list(tmp_path.glob("*.engine"))) == 1


def test_times_of_kernels_are_kept_for_one_gpu_and_one_library(cache):
    file = cache.timing_file(KEY)
    assert file.parent == cache.folder and file == cache.timing_file(
        replace(KEY, precision="fp32", model_sha256="c")
    )
    for change in (
        {"gpu": "Xavier"},
        {"version": "10.16"},
        {"driver": "13.0"},
        {"multiprocessors": 8},
    ):
        assert cache.timing_file(replace(KEY, **change)) != file


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DEPTH_ROS_CACHE", raising=False)
    assert default_folder() == tmp_path / "depth_ros" / "engines"
    monkeypatch.setenv("DEPTH_ROS_CACHE", str(tmp_path / "own"))
    assert EngineCache().folder == tmp_path / "own"

import json
from dataclasses import replace

import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt.cache import CacheKey, EngineCache, StaleEngine, default_folder

SPEC = ModelSpec("tiny", "stereo", ("left", "right"), ("disparity",), 0, 0, divisor=8)
KEY = CacheKey(
    "ab" * 32,
    "tensorrt",
    "10.3.0",
    "Orin",
    "8.7",
    "fp16",
    {"left": (1, 3, 16, 24)},
    {"workspace_mib": "0"},
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
    {"options": {"workspace_mib": "64"}},
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
    cache.note(path, parity={"mean": 0.25})
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


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1}', "\x00\xff"])
def test_damaged_metadata_is_named(cache, text):
    path = cache.store(KEY, SPEC, CONTENT)
    path.with_suffix(".json").write_text(text)
    with pytest.raises(StaleEngine, match="expected"):
        cache.load(KEY)


@pytest.mark.parametrize(
    "change, words", [({"format": 0}, "format: expected 1, got 0"), ({"spec": {}}, "version")]
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

    monkeypatch.setattr("depth_ros.engine.tensorrt.cache.os.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        cache.store(KEY, SPEC, b"new")
    assert cache.load(KEY).content == CONTENT
    assert not list(cache.folder.glob("*.part"))


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


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DEPTH_ROS_CACHE", raising=False)
    assert default_folder() == tmp_path / "depth_ros" / "engines"
    monkeypatch.setenv("DEPTH_ROS_CACHE", str(tmp_path / "own"))
    assert EngineCache().folder == tmp_path / "own"

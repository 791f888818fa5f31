"""Where built engines lie: each beside what it was built from and for, and none is opened before
that is checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from depth_ros.core.errors import EngineError, SpecError
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt.cache_key import UNKNOWN, CacheKey, nearest, opened
from depth_ros.files import write_atomic

_FORMAT = 2
_LEAST_FREE = 1.5  # times the size of an engine that must be free before one is written
MOST_BYTES = 4 << 30  # of all engines in a folder; those that were used last are kept


class StaleEngine(EngineError):
    """An engine in the cache that is absent, damaged, or made from or for something else; the
    words say which.
    """


@dataclass(frozen=True)
class CachedEngine:
    """content: what TensorRT serialised. spec: of the model. about: all of the metadata. path:
    of the engine.
    """

    content: bytes
    spec: ModelSpec
    about: dict
    path: Path


class EngineCache:
    """A folder of engines.

    Args:
        folder: None is DEPTH_ROS_CACHE, else the user's cache directory. most_bytes: What all
        engines may take together: beyond it those that were not used for longest are removed.
    """

    def __init__(self, folder: str | Path | None = None, most_bytes: int = MOST_BYTES):
        self.folder = Path(folder) if folder else default_folder()
        self.most_bytes = most_bytes

    def path(self, key: CacheKey) -> Path:
        """Where the engine of a key lies, whether it is there or not."""
        return self.folder / f"{key.digest}.engine"

    def store(self, key: CacheKey, spec: ModelSpec, content: bytes, **about) -> Path:
        """Write an engine and its metadata, each whole or not at all. about: more of the metadata,
        as JSON takes it.

        Raises EngineError where the folder cannot be written or is full.
        """
        path = self.path(key)
        about = {
            "format": _FORMAT,
            "key": key.to_dict(),
            "spec": json.loads(spec.to_json()),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            **about,
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _check_space(self.folder, len(content))
            # Between the two writes the metadata belongs to another engine or to none, and load
            # says so.
            write_atomic(path, content, durable=True)
            metadata = json.dumps(about, indent=1).encode()
            write_atomic(path.with_suffix(".json"), metadata, durable=True)
        except OSError as error:
            raise EngineError(
                f"{path}: expected to write an engine, got {error.strerror or error}"
            ) from error
        self._evict(path)
        return path

    def load(self, key: CacheKey) -> CachedEngine:
        """Read the engine of a key; raises StaleEngine, naming what is wrong with it, before a
        byte of it is used.
        """
        found = read_engine(self.path(key), key)
        with contextlib.suppress(OSError):  # a folder that is read only
            os.utime(found.path)  # used: what was not is removed first
        return found

    def find(self, wanted: CacheKey) -> CacheKey:
        """Return the key of an engine that will do for a key, itself where that is there.

        A workspace of 0 takes an engine that was built with any limit, and an UNKNOWN calibration
        that of any recording; of several the newest. Raises StaleEngine where there is none, saying
        what is wrong with the nearest.
        """
        if wanted.calibration != UNKNOWN and self.path(wanted).is_file():
            self.load(wanted)
            return wanted
        keys = self._keys()
        fitting = [key for key in keys if opened(key, wanted) == wanted]
        if not fitting:
            raise StaleEngine(
                f"{self.path(wanted)}: no engine is built for this yet{nearest(keys, wanted)}"
            )
        newest = max(
            fitting, key=lambda key: self.path(key).with_suffix(".json").stat().st_mtime_ns
        )
        self.load(newest)
        return newest

    def timing_file(self, key: CacheKey) -> Path:
        """Where the builder keeps what it has measured on the GPU of a key, for the next engine."""
        parts = (
            key.library,
            key.version,
            key.gpu,
            key.compute_capability,
            key.driver,
            key.multiprocessors,
        )
        return self.folder / f"{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}.timing"

    def _keys(self) -> list[CacheKey]:
        """The keys of all engines whose metadata can be read."""
        found = []
        for path in self.folder.glob("*.engine"):
            with contextlib.suppress(StaleEngine, TypeError, AttributeError):
                key = CacheKey.from_dict(_read_metadata(path)["key"])
                if self.path(key) == path:
                    found.append(key)
        return found

    def _evict(self, kept: Path) -> None:
        """Remove the engines that were not used for longest until the rest fits; never the one
        just written.
        """
        sizes = {}
        for path in self.folder.glob("*.engine"):
            with contextlib.suppress(OSError):  # another process removes too
                status = path.stat()
                sizes[path] = (status.st_mtime_ns, status.st_size)
        total = sum(size for _, size in sizes.values())
        for path in sorted(sizes, key=lambda path: sizes[path][0]):
            if total <= self.most_bytes:
                return
            if path != kept:
                self.discard(path)
                total -= sizes[path][1]

    def discard(self, path: Path) -> None:
        """Remove a stored engine, so that the next build of its key makes it anew."""
        for file in (path, path.with_suffix(".json")):
            with contextlib.suppress(OSError):
                file.unlink()


def read_engine(path: Path, key: CacheKey | None = None) -> CachedEngine:
    """Read an engine file and its metadata; key: what it must have been built from and for, None to
    take any.

    Raises StaleEngine for one that is absent, truncated, changed, of another key, or without
    metadata.
    """
    about = _read_metadata(path)
    if key is not None and (difference := key.difference(about["key"])):
        raise StaleEngine(f"{path}: foreign engine: {difference}")
    try:
        content = path.read_bytes()
        spec = ModelSpec.from_json(json.dumps(about["spec"]))
    except (OSError, SpecError) as error:
        raise StaleEngine(f"{path}: expected an engine with a ModelSpec, got {error}") from error
    if len(content) != about["bytes"]:
        raise StaleEngine(
            f"{path}: truncated engine: expected {about['bytes']} bytes, got {len(content)}"
        )
    digest = hashlib.sha256(content).hexdigest()
    if digest != about["sha256"]:
        raise StaleEngine(
            f"{path}: corrupted engine: expected sha256 {about['sha256'][:12]}, got {digest[:12]}"
        )
    return CachedEngine(content, spec, about, path)


def note(path: Path, **about) -> None:
    """Add to the metadata beside an engine, as the outcome of its parity check."""
    metadata = json.dumps({**_read_metadata(path), **about}, indent=1).encode()
    write_atomic(path.with_suffix(".json"), metadata, durable=True)


def default_folder() -> Path:
    """DEPTH_ROS_CACHE, else depth_ros/engines in the user's cache directory (XDG_CACHE_HOME,
    ~/.cache).
    """
    if own := os.environ.get("DEPTH_ROS_CACHE"):
        return Path(own)
    return platformdirs.user_cache_path("depth_ros") / "engines"


def _read_metadata(path: Path) -> dict:
    """The metadata beside an engine, its form checked."""
    file = path.with_suffix(".json")
    if not path.is_file():
        raise StaleEngine(f"{path}: no engine is built for this yet")
    try:
        about = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise StaleEngine(f"{file}: expected metadata of the engine, got {error}") from error
    wanted = {"format": int, "key": dict, "spec": dict, "bytes": int, "sha256": str}
    for name, kind in wanted.items():
        if not isinstance(about, dict) or not isinstance(about.get(name), kind):
            raise StaleEngine(f"{file}: expected {name} in the metadata of the engine, got none")
    if about["format"] != _FORMAT:
        raise StaleEngine(f"{file}: format: expected {_FORMAT}, got {about['format']}")
    return about


def _check_space(folder: Path, size: int) -> None:
    """Raise EngineError where an engine of this many bytes would fill the disk."""
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    if free < _LEAST_FREE * size:
        raise EngineError(
            f"{folder}: expected {_LEAST_FREE * size / 1e6:.0f} MB free, got {free / 1e6:.0f} MB"
        )

"""Where built engines lie: each beside what it was built from and for, and none is opened before
that is checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from depth_ros.core.errors import EngineError, SpecError
from depth_ros.engine.spec import ModelSpec

_FORMAT = 1
_LEAST_FREE = 1.5  # times the size of an engine that must be free before one is written
ANY_GPU = "any"


class StaleEngine(EngineError):
    """An engine in the cache that is absent, damaged, or made from or for something else; the
    words say which.
    """


@dataclass(frozen=True)
class CacheKey:
    """Everything that an engine depends on; a difference in any of it is another engine.

    model_sha256: of the ONNX file. library, version: "tensorrt" or "tensorrt_rtx", and its version.
    gpu: name of the device, "any" for tensorrt_rtx, whose engines are finished on the device.
    compute_capability: as "8.6". precision: "fp32", "fp16" or "int8". shapes: input name -> shape.
    options: of the builder and of the conversion.
    """

    model_sha256: str
    library: str
    version: str
    gpu: str
    compute_capability: str
    precision: str
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict:
        """The key as JSON has it: lists for tuples, sorted names."""
        return json.loads(json.dumps(asdict(self), sort_keys=True))

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that differ wherever anything in the key does."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def difference(self, other: dict) -> str:
        """Name the first field that differs from the key in a file, and both values; "" where
        none does.
        """
        mine = self.to_dict()
        for item in fields(self):
            if mine[item.name] != other.get(item.name):
                return f"{item.name}: expected {mine[item.name]}, got {other.get(item.name)}"
        return ""


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
    """A folder of engines. folder: None is DEPTH_ROS_CACHE, else the user's cache directory."""

    def __init__(self, folder: str | Path | None = None):
        self.folder = Path(folder) if folder else default_folder()

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
            _write_whole(path, content)
            _write_whole(path.with_suffix(".json"), json.dumps(about, indent=1).encode())
        except OSError as error:
            raise EngineError(
                f"{path}: expected to write an engine, got {error.strerror or error}"
            ) from error
        return path

    def load(self, key: CacheKey) -> CachedEngine:
        """Read the engine of a key; raises StaleEngine, naming what is wrong with it, before a
        byte of it is used.
        """
        return read_engine(self.path(key), key)

    def note(self, path: Path, **about) -> None:
        """Add to the metadata of a stored engine, as the outcome of its parity check."""
        file = path.with_suffix(".json")
        _write_whole(file, json.dumps({**_read_metadata(path), **about}, indent=1).encode())

    def discard(self, path: Path) -> None:
        """Remove a stored engine, so that the next build of its key makes it anew."""
        with contextlib.suppress(OSError):
            path.unlink()


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


def default_folder() -> Path:
    """DEPTH_ROS_CACHE, else depth_ros/engines under XDG_CACHE_HOME or ~/.cache."""
    if own := os.environ.get("DEPTH_ROS_CACHE"):
        return Path(own)
    return (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "depth_ros" / "engines"
    )


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


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name, wait until it is on the disk, then rename it."""
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise

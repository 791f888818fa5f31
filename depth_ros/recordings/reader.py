"""One reader of recordings: rosbag2 (mcap, sqlite3, zstd), whole or without its metadata.yaml, and
ROS 1 bags.

Files are read for what they hold, metadata.yaml only for which files belong together: topics that
nobody asks for (unknown types, broken definitions, odd QoS), or metadata that tells another story,
are no reason to refuse a camera. Messages come as CDR, also from ROS 1.
"""

from __future__ import annotations

import heapq
import re
import shutil
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rosbags import rosbag1
from rosbags.convert.converter import migrate_bytes
from rosbags.typesys import Stores, get_typestore
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from depth_ros.core.errors import InputError

from .storage import SQLITE, CdrMcap, SqliteFile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_ROS2, _ROS1 = get_typestore(Stores.ROS2_JAZZY), get_typestore(Stores.ROS1_NOETIC)
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"  # a CDR message begins with 0
_MCAP, _ROS1_BAG = ".mcap", ".bag"
_ENDINGS = (_MCAP, SQLITE, f"{_MCAP}.zstd", f"{SQLITE}.zstd", _ROS1_BAG)
METADATA = "metadata.yaml"


@dataclass(frozen=True)
class Connection:
    """One topic with one type: msgtype as "sensor_msgs/msg/Image", msgcount messages in all
    files together.
    """

    topic: str
    msgtype: str
    msgcount: int


class BagReader:
    """The messages of a recording in recorded order; made by open_reader.

    connections: of all files. notes: sentences about what was not as it should be, and was read in
    spite of it. is_ros1: the recording is a ROS 1 bag.
    """

    def __init__(self, path: str | Path, stack: ExitStack):
        self.path = Path(path)
        files, self.notes = _files_of(self.path)
        self.is_ros1 = any(file.suffix == _ROS1_BAG for file in files)
        if self.is_ros1:
            self.notes.append(
                f"a ROS 1 bag: rosbags-convert --src {self.path} --dst NAME makes a rosbag2 of it"
            )
        self._migrations: dict[str, object] = {}
        self._storages = [_open_storage(file, stack) for file in files]
        counts: dict[tuple[str, str], int] = {}
        for storage in self._storages:
            for one in storage.connections:
                counts[one.topic, one.msgtype] = (
                    counts.get((one.topic, one.msgtype), 0) + one.msgcount
                )
        self.connections = [Connection(*key, count) for key, count in counts.items()]

    def messages(
        self, connections: Iterable[Connection], start: int | None = None, stop: int | None = None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield (connection, log time in ns, CDR bytes) of some connections, start <= log time <
        stop.
        """
        wanted = {(one.topic, one.msgtype): one for one in connections}
        streams = [self._messages_of(storage, wanted, start, stop) for storage in self._storages]
        yield from heapq.merge(*streams, key=lambda entry: entry[1])

    def deserialize(self, raw: bytes, msgtype: str):
        """Decode CDR bytes of a type of ROS 2's own packages."""
        return _ROS2.deserialize_cdr(raw, msgtype)

    def _messages_of(self, storage, wanted: dict, start: int | None, stop: int | None):
        """The same of one file, decompressed."""
        own = [one for one in storage.connections if (one.topic, one.msgtype) in wanted]
        if not own:
            return
        for one, log_ns, raw in storage.messages(own, start, stop):
            data = bytes(raw)
            if data[:4] == _ZSTD_MAGIC:
                data = zstd.decompress(data)
            if self.is_ros1:
                data = self._to_cdr(data, one.msgtype)
            yield wanted[one.topic, one.msgtype], log_ns, data

    def _to_cdr(self, data: bytes, msgtype: str) -> bytes:
        """A message of ROS 1 as ROS 2 has it: headers lose their sequence number."""
        stores = (_ROS1, _ROS2, msgtype, msgtype, self._migrations)
        return bytes(migrate_bytes(*stores, data, src_is2=False, dst_is2=True))


@contextmanager
def open_reader(path: str | Path) -> Iterator[BagReader]:
    """Open a recording: a folder, one of its files, or metadata.yaml; whatever is wrong with it
    becomes InputError.
    """
    with ExitStack() as stack:
        try:
            reader = BagReader(path, stack)
        except InputError:
            raise
        except Exception as error:  # rosbags passes on what sqlite3, zstd and struct raise
            raise corrupt(path, error) from error
        yield reader


def raw_messages(reader: BagReader, *topics: str | None) -> Iterator[tuple]:
    """Yield (connection, log time in ns, CDR bytes) of some topics as recorded; InputError where
    a bag breaks.
    """
    connections = [connection for connection in reader.connections if connection.topic in topics]
    iterator = reader.messages(connections)
    while True:
        try:
            entry = next(iterator, None)
        except Exception as error:
            raise corrupt(reader.path, error) from error
        if entry is None:
            return
        yield entry


def messages(reader: BagReader, *topics: str | None) -> Iterator[tuple]:
    """Yield (topic, message) of some topics in recorded order; raises InputError where a bag
    breaks.
    """
    for connection, _, raw in raw_messages(reader, *topics):
        yield connection.topic, decode(reader, connection, raw)


def decode(reader: BagReader, connection: Connection, raw: bytes):
    """Decode one message; raises InputError where its bytes are not of its type."""
    try:
        return reader.deserialize(raw, connection.msgtype)
    except Exception as error:
        raise corrupt(reader.path, error) from error


def first_message(reader: BagReader, topic: str):
    """Decode the first message of a topic; None where there is none that can be decoded."""
    for connection, _, raw in raw_messages(reader, topic):
        try:
            return reader.deserialize(raw, connection.msgtype)
        except Exception:  # whoever reads the topic says what is wrong with it
            return None
    return None


def cdr_stamp_ns(raw: bytes) -> int:
    """Read header.stamp, in nanoseconds, out of a serialised message whose first field is a
    header.
    """
    order = "<" if raw[1] & 1 else ">"
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", raw, 4)
    return seconds * 1_000_000_000 + nanoseconds


def is_bag(path: str | Path) -> bool:
    """Tell a recording, whole or not, from a folder of scenes; raises InputError where there is
    nothing.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(
            f"{path}: expected a rosbag2 directory or a folder of scenes, got nothing at this path"
        )
    return any(is_bag_file(child.name) for child in ([path] if path.is_file() else path.iterdir()))


def is_bag_file(name: str) -> bool:
    """Tell a file of a recording by its name.

    >>> [is_bag_file(name) for name in ("metadata.yaml", "a_0.db3.zstd", "old.bag", "calib.txt")]
    [True, True, True, False]
    """
    return name == METADATA or name.endswith(_ENDINGS)


def corrupt(path, error: Exception) -> InputError:
    """The error for a recording that cannot be read."""
    words = str(error) or type(error).__name__
    cure = (
        ": cut off while it was recorded? mcap recover mends it"
        if "magic" in words or "runcated" in words
        else ""
    )
    return InputError(
        f"{path}: expected a readable rosbag2 directory, got a broken one: {words}{cure}"
    )


def _files_of(path: Path) -> tuple[list[Path], list[str]]:
    """The files of a recording in order, and what is to be said about that."""
    if not path.exists():
        raise InputError(
            f"{path}: expected a rosbag2 directory ({METADATA} and its files), got nothing "
            "at this path"
        )
    if path.is_file() and path.name != METADATA:
        if not is_bag_file(path.name):
            raise InputError(
                f"{path}: expected a rosbag2 directory or one of its files (*.mcap, "
                "*.db3), got this file"
            )
        whole = path.suffix == _ROS1_BAG or (path.parent / METADATA).is_file()
        return [path], [] if whole else [_no_metadata(path)]
    folder = path.parent if path.is_file() else path
    there = {
        file.name: file
        for file in sorted(folder.iterdir(), key=_natural)
        if file.name.endswith(_ENDINGS)
    }
    if not (folder / METADATA).is_file():
        ros1 = [file for file in there.values() if file.suffix == _ROS1_BAG]
        if ros1:
            return ros1, []
        if not there:
            raise InputError(
                f"{path}: expected {METADATA} or files of a bag (*.mcap, *.db3), got neither"
            )
        return list(there.values()), [_no_metadata(path)]
    named = _named_files(folder / METADATA)
    if missing := [name for name in named if name not in there]:
        if not there:
            raise InputError(
                f"{path}: expected the files that {METADATA} names, got none: {', '.join(missing)}"
            )
        return list(there.values()), [
            f"{METADATA} names {', '.join(missing)}, not there: read {', '.join(there)}"
        ]
    return [there[name] for name in named] or list(there.values()), []


def _named_files(metadata: Path) -> list[str]:
    """The names that metadata.yaml has for the files; raises InputError where it is no metadata."""
    try:
        content = YAML(typ="safe").load(metadata.read_text())
        return [
            Path(name).name
            for name in content["rosbag2_bagfile_information"]["relative_file_paths"]
        ]
    except (OSError, UnicodeDecodeError, YAMLError, KeyError, TypeError) as error:
        words = " ".join(str(error).split())[:200]
        raise InputError(
            f"{metadata.parent}: expected a readable rosbag2 directory, got a broken "
            f"{METADATA}: {words} "
            "(ros2 bag reindex makes it anew)"
        ) from error


def _open_storage(file: Path, stack: ExitStack):
    """Open one file of any kind."""
    if file.suffix == ".zstd":
        folder = Path(stack.enter_context(TemporaryDirectory()))
        plain = folder / file.stem
        with zstd.open(file, "rb") as compressed, plain.open("wb") as out:
            shutil.copyfileobj(compressed, out)
        file = plain
    if file.suffix == _ROS1_BAG:
        return stack.enter_context(rosbag1.Reader(file))
    storage = CdrMcap(file) if file.suffix == _MCAP else SqliteFile(file)
    storage.open()
    stack.callback(storage.close)
    return storage


def _no_metadata(path: Path) -> str:
    """What a recording without metadata.yaml is told."""
    return f"no {METADATA} beside the bag's files, read without it (ros2 bag reindex makes it)"


def _natural(file: Path) -> list:
    """A key that sorts bag_2 before bag_10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.name)]

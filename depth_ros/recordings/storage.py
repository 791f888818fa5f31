"""The files of a rosbag2: what they hold, without the message definitions and QoS that nobody
here needs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag2 import storage_mcap

SQLITE = ".db3"
_NONE = MessageDefinition(MessageDefinitionFormat.NONE, "")


class CdrMcap(storage_mcap.McapReader):
    """rosbags' reader of mcap, for which a definition or QoS that it does not know is no reason
    to refuse the file.
    """

    def open(self) -> None:
        """Open the file and read its index."""
        kept = storage_mcap.get_msgdef, storage_mcap.get_qos
        storage_mcap.get_msgdef, storage_mcap.get_qos = (lambda _: _NONE), (lambda _: [])
        try:
            super().open()
        finally:
            storage_mcap.get_msgdef, storage_mcap.get_qos = kept
        self.connections = [
            one for one in self.connections if one.ext.serialization_format == "cdr"
        ]

    def messages(self, connections, start=None, stop=None):
        """Yield (connection, log time in ns, bytes); of a file without an index as they lie
        there, in order or not.
        """
        if self.chunks:
            return super().messages(connections, start, stop)
        return self.messages_scan(connections, start, stop)


class SqliteTopic(NamedTuple):
    """One row of the table of topics, with the number of its messages."""

    id: int
    topic: str
    msgtype: str
    msgcount: int


class SqliteFile:
    """One .db3 file: topics, and messages in the order of their log times."""

    def __init__(self, path: Path):
        self._path = path
        self.connections: list[SqliteTopic] = []

    def open(self) -> None:
        """Open the file, read-only; raises sqlite3.Error for what is no database of rosbag2."""
        log = self._path.with_name(self._path.name + "-wal")
        unfinished = (
            log.is_file() and log.stat().st_size > 0
        )  # a recorder that was killed: the last messages are there
        how = "mode=ro" if unfinished else "immutable=1"
        self._database = sqlite3.connect(
            f"{self._path.resolve().as_uri()}?{how}", uri=True, check_same_thread=False
        )
        rows = self._database.execute(
            "SELECT topics.id, name, type, count(messages.id) FROM topics "
            "LEFT JOIN messages ON topics.id = messages.topic_id "
            "WHERE serialization_format = 'cdr' GROUP BY topics.id ORDER BY topics.id"
        )
        self.connections = [SqliteTopic(*row) for row in rows]

    def messages(
        self, connections: Collection[SqliteTopic], start: int | None, stop: int | None
    ) -> Iterator[tuple[SqliteTopic, int, bytes]]:
        """Yield (topic, log time in ns, bytes), start <= log time < stop."""
        topics = {one.id: one for one in connections}
        marks = ",".join("?" * len(topics))
        low = -(2**63) if start is None else start
        high = 2**63 - 1 if stop is None else stop
        rows = self._database.execute(
            f"SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({marks}) "
            "AND timestamp >= ? AND timestamp < ? ORDER BY timestamp, id",
            (*topics, low, high),
        )
        for topic_id, log_ns, data in rows:
            yield topics[topic_id], log_ns, data

    def close(self) -> None:
        """Close the file."""
        self._database.close()

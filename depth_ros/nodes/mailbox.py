"""Room for one item between two threads. No ROS."""

from __future__ import annotations

import threading


class Mailbox:
    """Room for one item between two threads: the newest wins, and the one that it replaces is
    returned to the sender, who counts it.

    >>> mailbox = Mailbox()
    >>> mailbox.put("older") is None
    True
    >>> mailbox.put("newer")
    'older'
    >>> mailbox.take()
    'newer'
    """

    def __init__(self):
        self._condition = threading.Condition()
        self._item = None
        self._closed = False

    def put(self, item):
        """Leave an item; returns the older one that nobody has taken, or None."""
        with self._condition:
            older = self._item
            self._item = item
            self._condition.notify()
            return older

    def take(self):
        """Wait for an item and take it; None after close()."""
        with self._condition:
            self._condition.wait_for(lambda: self._item is not None or self._closed)
            if self._closed:
                return None
            item = self._item
            self._item = None
            return item

    def close(self):
        """Wake the waiting thread for the last time; returns the item that was still inside, or
        None.
        """
        with self._condition:
            self._closed = True
            left_over = self._item
            self._item = None
            self._condition.notify_all()
            return left_over

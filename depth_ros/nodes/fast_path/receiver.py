"""A thread that takes images from DDS by itself, past the executor."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable

from .polled_subscription import take_all

_LOOK_UP_NS = 500_000_000  # how often a quiet receiver looks whether the context still lives


class Receiver:
    """Waits for raw subscriptions and delivers what comes, in one thread of its own.

    An executor of rclpy builds its wait set of everything in the node anew for every message, which
    costs as much as copying a 640x480 image. This one waits on images alone.

    The wait set is the one that rclpy's executors and rclpy.wait_for_message use in Humble to
    Lyrical, but rclpy calls it private. So every call is tried once before the thread starts: what
    that raises means that there is no receiver.

    Args:
        context: of the node.
        subscriptions: {name: raw subscription}, of a callback group that the executor does not
            serve.
        deliver: called with (name, raw) for each message, in the thread.
        on_end: called with the error that ended the thread, if one did.
    """

    def __init__(
        self,
        context,
        subscriptions: dict,
        deliver: Callable[[str, bytes], None],
        on_end: Callable[[Exception], None],
    ):
        self._context = context
        self._subscriptions = subscriptions
        self._deliver = deliver
        self._on_end = on_end
        self._awaited = tuple(subscriptions)
        self._names = {
            subscription.handle.pointer: name for name, subscription in subscriptions.items()
        }
        self._is_stopped = False
        with context.handle:
            self._wake = _rclpy().GuardCondition(context.handle)
        with self._entered() as wait_set:
            self._ready(wait_set, 0)
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)
        self._thread.start()

    def wait_for(self, names: Iterable[str]) -> None:
        """Name the subscriptions to wait for from the next turn on; at first all of them."""
        self._awaited = tuple(names)

    def stop(self) -> None:
        """End the thread; afterwards nothing is delivered any more."""
        self._is_stopped = True
        with contextlib.suppress(Exception):  # the context may be gone
            self._wake.trigger_guard_condition()
        if threading.current_thread() is not self._thread:
            self._thread.join(5.0)

    @contextlib.contextmanager
    def _entered(self):
        """Hold on to everything that a wait set points to, and make the wait set."""
        with contextlib.ExitStack() as stack:
            handles = [subscription.handle for subscription in self._subscriptions.values()]
            for handle in (self._context.handle, self._wake, *handles):
                stack.enter_context(handle)
            yield _rclpy().WaitSet(len(self._subscriptions), 1, 0, 0, 0, 0, self._context.handle)

    def _run(self) -> None:
        """Wait, take, deliver, until stopped or until the context ends."""
        try:
            with self._entered() as wait_set:
                while not self._is_stopped and self._context.ok():
                    for name in self._ready(wait_set, _LOOK_UP_NS):
                        self._take(name)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody else must take the images now
            if not self._is_stopped and self._context.ok():  # a context may end under the wait
                self._on_end(error)

    def _ready(self, wait_set, timeout_ns: int) -> list[str]:
        """Wait once, and name the subscriptions that have something."""
        wait_set.clear_entities()
        wait_set.add_guard_condition(self._wake)
        for name in self._awaited:
            wait_set.add_subscription(self._subscriptions[name].handle)
        wait_set.wait(timeout_ns)
        return [self._names[pointer] for pointer in wait_set.get_ready_entities("subscription")]

    def _take(self, name: str) -> None:
        """Take everything that waits in a subscription."""
        for raw in take_all(self._subscriptions[name]):
            if not self._is_stopped:
                self._deliver(name, raw)


def _rclpy():
    """The part of rclpy that is written in C++."""
    from rclpy.impl.implementation_singleton import rclpy_implementation

    return rclpy_implementation

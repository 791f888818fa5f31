"""A thread that takes images from DDS by itself, past the executor."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable

from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy

from .infos import take_all

_LOOK_UP_NS = 500_000_000  # how often a quiet receiver looks whether the context still lives


class Receiver:
    """Waits for raw subscriptions and hands over what comes: deliver(name, raw), in one thread of its own.

    An executor of rclpy builds its wait set of everything in the node anew for every message, which costs as much as
    copying a 640x480 image. This one waits on images alone. subscriptions: {name: raw subscription}, of a callback
    group that the executor does not serve; also: names which of them to wait for at present, asked in every turn.
    on_error: called with what deliver raised; the thread goes on.
    """

    def __init__(self, context, subscriptions: dict, deliver: Callable, also: Callable[[], Iterable[str]], on_error):
        self._context, self._subscriptions, self._deliver = context, subscriptions, deliver
        self._wanted, self._on_error = also, on_error
        self._is_stopped = False
        with context.handle:
            self._wake = _rclpy.GuardCondition(context.handle)
            self._new_wait_set()  # here, so that an rclpy with another interface is noticed by who starts us
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; afterwards nothing is delivered any more."""
        self._is_stopped = True
        with contextlib.suppress(Exception):  # the context may be gone
            self._wake.trigger_guard_condition()
        if threading.current_thread() is not self._thread:
            self._thread.join(5.0)

    def _new_wait_set(self):
        return _rclpy.WaitSet(len(self._subscriptions), 1, 0, 0, 0, 0, self._context.handle)

    def _run(self) -> None:
        """Wait, take, deliver, until stopped or until the context ends."""
        try:
            with contextlib.ExitStack() as stack:
                stack.enter_context(self._context.handle)
                stack.enter_context(self._wake)
                for subscription in self._subscriptions.values():
                    stack.enter_context(subscription.handle)
                wait_set = self._new_wait_set()
                while not self._is_stopped and self._context.ok():
                    self._turn(wait_set)
        except Exception as error:  # noqa: BLE001 - a context that ends under the wait
            if not self._is_stopped and self._context.ok():
                self._on_error(error)

    def _turn(self, wait_set) -> None:
        """One wait and what it brought."""
        names = {self._subscriptions[name].handle.pointer: name for name in self._wanted()}
        wait_set.clear_entities()
        wait_set.add_guard_condition(self._wake)
        for name in names.values():
            wait_set.add_subscription(self._subscriptions[name].handle)
        wait_set.wait(_LOOK_UP_NS)
        for pointer in wait_set.get_ready_entities("subscription"):
            for raw in take_all(self._subscriptions[names[pointer]]):
                if self._is_stopped:
                    return
                try:
                    self._deliver(names[pointer], raw)
                except Exception as error:  # noqa: BLE001 - no message may end the thread
                    self._on_error(error)

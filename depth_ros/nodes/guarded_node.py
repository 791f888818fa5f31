"""A lifecycle node of which no transition fails in silence: rclpy swallows what its
callbacks raise.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable

from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from .health.failures import describe


class GuardedNode(LifecycleNode):
    """Its subclass has _configure, _activate and _stop, which may raise, and free, which undoes
    them.

    failure: why the last transition failed; "" where it did not.
    """

    failure = ""

    def autostart(self) -> bool:
        """Configure and activate; False where one of them failed."""
        success = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == success and self.trigger_activate() == success

    def on_configure(self, state):
        if not self._guard("configure", self._configure):
            self.free()
            return TransitionCallbackReturn.FAILURE
        return super().on_configure(state)

    def on_activate(self, state):
        result = super().on_activate(state)
        if not self._guard("activate", self._activate):
            self._stop()
            super().on_deactivate(state)
            return TransitionCallbackReturn.FAILURE
        return result

    def on_deactivate(self, state):
        self._guard("deactivate", self._stop)
        return super().on_deactivate(state)

    def on_cleanup(self, state):
        self._guard("clean up", self.free)
        return super().on_cleanup(state)

    def on_shutdown(self, state):
        self._guard("shut down", self.free)
        return super().on_shutdown(state)

    def on_error(self, state):
        self._guard("recover", self.free)
        # Back to unconfigured, from where it can be configured again.
        return TransitionCallbackReturn.SUCCESS

    def _guard(self, name: str, step: Callable[[], None]) -> bool:
        """Take a step of a transition; False where it raises, which is logged."""
        self.failure = ""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - a spec, a file or a name may be wrong in any way
            self.failure = f"cannot {name}: {describe(error)}"
            self.get_logger().error(self.failure)
            self.get_logger().debug(traceback.format_exc())
        return not self.failure

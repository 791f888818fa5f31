"""How far a build of TensorRT is."""

from __future__ import annotations

from collections.abc import Callable


def progress_monitor(trt, progress: Callable[[float], None] | None):
    """Return what follows the nested phases of a build, trt being the library; what is shown
    never goes back.
    """

    class Monitor(trt.IProgressMonitor):
        def __init__(self):
            trt.IProgressMonitor.__init__(self)
            self.phases: dict[str, list] = {}  # name -> [share of the whole, start of it, steps]
            self.most = 0.0

        def phase_start(self, phase_name, parent_phase, num_steps):
            share, start, steps = self.phases.get(parent_phase, [1.0, 0.0, 1])
            self.phases[phase_name] = [share / max(steps, 1), start, num_steps]

        def step_complete(self, phase_name, step):
            share, start, steps = self.phases.get(phase_name, [0.0, 0.0, 1])
            self.most = max(self.most, min(1.0, start + share * (step + 1) / max(steps, 1)))
            if progress:
                progress(self.most)
            return True

        def phase_finish(self, phase_name):
            self.phases.pop(phase_name, None)

    return Monitor()

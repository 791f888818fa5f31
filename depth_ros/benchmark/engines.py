"""CPU time and accuracy of the shipped networks, beside OpenCV's SGBM in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from depth_ros.core.metrics import mean_metrics, stereo_metrics
from depth_ros.engine.load import default_model
from depth_ros.engine.matching import match_sgbm
from depth_ros.engine.parity import arrays_of
from depth_ros.engine.sgbm import SgbmEngine
from depth_ros.engine.spec import TASKS
from depth_ros.estimator.preprocess import tensor_size
from depth_ros.evaluation.accuracy import truth_errors
from depth_ros.recordings.sample import LeftOnly
from depth_ros.synthetic.renderer import render_stereo
from depth_ros.synthetic.scenes import clip_pose, clip_rig, clip_scene

from .runners import CALIBRATION, engines_of
from .samples import machine

PAIRS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "pairs"
_IMAGE = (480, 640)
_NDISP = 128
_EXTRA = {"stereo": ((384, 640),)}  # sizes of tensors beside that of a 480x640 image
_NOT_TIMED = "int8 as for tensorrt"
BASELINE = "SGBM-3WAY 480x640"


def run(
    progress=None,
    pairs: Path | None = PAIRS,
    repeats: int = 15,
    models: dict[str, Path] | None = None,
    calibration: int = CALIBRATION,
) -> dict:
    """Measure the engines of each shipped model; every figure beside a baseline of the same rounds.

    progress: a tqdm bar or None. pairs: a folder of real stereo scenes, only ever evaluated on;
    absent: accuracy is named not measured. repeats: rounds, in each of which everything runs once.
    models: by task; None: the shipped ones. calibration: rendered frames for int8's ranges. Returns
    machine, rows (model, engine, size, cpu_ms p50 p95 p99, ratio to the baseline), accuracy and
    what is absent.
    """
    paths = models or {task: path for task in TASKS if (path := default_model(task))}
    found = {task: engines_of(path, calibration) for task, path in paths.items()}
    timed = _timed(found)
    samples, note = _samples(pairs)
    _reset(progress, repeats + len(found))
    ms = _rounds(timed, repeats, progress)
    base = float(np.median(ms[BASELINE]))
    rows = [_row(name, values, base) for name, values in ms.items()]
    accuracy = {}
    for task, (engines, _) in found.items():
        accuracy |= _accuracy(task, engines, samples)
        _step(progress)
    absent = {
        f"{task} {name}": why
        for task, (_, missing) in found.items()
        for name, why in missing.items()
    }
    return {
        "machine": machine(),
        "threads": 1,
        "repeats": repeats,
        "baseline": BASELINE,
        "rows": rows,
        "accuracy": accuracy,
        "accuracy_note": note,
        "absent": absent,
    }


def table(result: dict) -> str:
    """The result for people."""
    machine_ = result["machine"]
    lines = [
        f"CPU ms a frame, one thread of {machine_['cpu']} (VNNI: "
        f"{'yes' if machine_['vnni'] else 'no'}); "
        f"ratio to OpenCV {result['baseline']} in the same run",
        f"{'':46}{'p50':>8}{'p95':>8}{'p99':>8}{'ratio':>8}",
    ]
    for row in result["rows"]:
        figures = "".join(f"{row[key]:8.1f}" for key in ("p50_ms", "p95_ms", "p99_ms"))
        lines.append(f"{row['name']:46}{figures}{row['ratio']:8.2f}")
    lines.append(result["accuracy_note"])
    for name, figures in result["accuracy"].items():
        lines.append(
            f"{name:46}" + ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
        )
    lines += [f"not measured: {name}: {why}" for name, why in result["absent"].items()]
    return "\n".join(lines)


def _timed(found: dict) -> dict[str, Callable[[], object]]:
    """What is timed, by name: the baseline first, then each engine at each size, on rendered
    pairs.
    """
    first, second = (_picture(side) for side in ("left", "right"))
    greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second)]
    timed: dict[str, Callable[[], object]] = {BASELINE: lambda: match_sgbm(*greys, _NDISP)}
    for task, (engines, _) in found.items():
        spec = engines["onnxruntime fp32"].spec
        for size in (tensor_size(*_IMAGE, spec), *_EXTRA.get(task, ())):
            inputs = arrays_of(spec, *(cv2.resize(image, size[::-1]) for image in (first, second)))
            for name, engine in engines.items():
                if name != _NOT_TIMED:
                    timed[f"{task} {size[0]}x{size[1]} {name}"] = lambda e=engine, i=inputs: e.run(
                        i
                    )
    return timed


def _rounds(timed: dict, repeats: int, progress) -> dict[str, list[float]]:
    """CPU milliseconds of each, interleaved, after one run that is not counted."""
    cv2_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for work in timed.values():
            work()
        ms: dict[str, list[float]] = {name: [] for name in timed}
        for _ in range(repeats):
            for name, work in timed.items():
                start = time.process_time()
                work()
                ms[name].append(1e3 * (time.process_time() - start))
            _step(progress)
        return ms
    finally:
        cv2.setNumThreads(cv2_threads)


def _row(name: str, values: list[float], base: float) -> dict:
    p50, p95, p99 = (float(np.percentile(values, q)) for q in (50, 95, 99))
    return {"name": name, "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "ratio": p50 / base}


def _samples(pairs: Path | None) -> tuple[list, str]:
    """The real scenes, and what to say of them."""
    if pairs is None or not pairs.is_dir():
        return [], "accuracy: not measured: no folder of real pairs"
    from depth_ros.recordings.scenes import SceneFolder

    scenes = list(SceneFolder(pairs))
    return scenes, (
        f"accuracy on {len(scenes)} real pairs; int8 calibrated on rendered frames; mono: "
        "left images, "
        "median-scaled, unlike anything it was trained for"
    )


def _accuracy(task: str, engines: dict, samples: list) -> dict[str, dict]:
    """Figures of each engine, by name."""
    if not samples or task == "pose":
        return {}
    source = samples if task == "stereo" else list(LeftOnly(_List(samples)))
    judged = {f"{task} {name}": engine for name, engine in engines.items()}
    if task == "stereo":
        judged = {"SGBM-3WAY padded and filled": SgbmEngine(), **judged}
    found = truth_errors(source, judged)
    if task == "stereo":
        found["SGBM-3WAY as OpenCV gives it"] = _plain_sgbm(samples)
    return found


def _plain_sgbm(samples: list) -> dict:
    """SGBM without filling: a pixel without an answer is bad."""
    metrics = []
    for sample in samples:
        frame = sample.frame
        greys = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (frame.left, frame.right))
        metrics.append(
            stereo_metrics(
                match_sgbm(*greys, frame.max_disparity_px or _NDISP), sample.truth_disparity
            )
        )
    mean = mean_metrics(metrics)
    return {
        **{key: float(mean[key]) for key in ("bad1_pct", "bad2_pct", "epe_px", "coverage")},
        "frames": len(metrics),
    }


class _List(list):
    """Samples as a source."""

    name = "pairs"
    drops = {}


def _picture(side: str) -> np.ndarray:
    """One picture of a rendered pair."""
    return render_stereo(clip_scene(), clip_rig(*_IMAGE), clip_pose(3))[side]


def _reset(progress, total: int) -> None:
    if progress is not None:
        progress.reset(total=total)


def _step(progress) -> None:
    if progress is not None:
        progress.update()

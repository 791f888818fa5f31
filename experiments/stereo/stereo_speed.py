"""What a stereo frame costs from images to disparity, and how right it is, beside OpenCV's SGBM in
the same run.

python experiments/stereo/stereo_speed.py [MODEL ...] [--pairs FOLDER]; MODEL: default the released
one, float32 and int8. Everything counts: the match that the network starts from, tensors, network,
and the way back. One thread. Networks get 384x640, SGBM 640x480 with 128 disparities: bare, as
OpenCV gives it (the left strip and holes stay empty), and padded and filled, as `--backend sgbm`,
which answers as many pixels as a network.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import cv2
import numpy as np

from depth_ros.core.camera import StereoRig
from depth_ros.core.metrics import stereo_metrics
from depth_ros.core.types import Frame
from depth_ros.engine.load import default_model
from depth_ros.engine.matching import match_sgbm, matched_prior
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.sgbm import SgbmEngine
from depth_ros.estimator.preprocess import from_tensors, to_tensors
from depth_ros.estimator.stereo import StereoEstimator
from depth_ros.recordings.scenes import SceneFolder
from depth_ros.synthetic.renderer import render_stereo
from depth_ros.synthetic.scenes import clip_pose, clip_rig, clip_scene

_PAIRS = Path(__file__).resolve().parents[3] / "shared" / "data" / "pairs"
_NDISP = 128
_ROUNDS = 15
_BARE = "SGBM-3WAY 640x480, bare"
_FILLED = "SGBM-3WAY 640x480, padded and filled"


def frame_of(height: int, width: int) -> Frame:
    """A rendered pair of the demo's room."""
    rig: StereoRig = clip_rig(height, width)
    pair = render_stereo(clip_scene(), rig, clip_pose(3))
    return Frame(0, "", pair["left"], pair["right"], rig)


def whole_path(engine, frame: Frame):
    """From uint8 images to disparity."""
    return from_tensors(
        engine.run(to_tensors(frame, engine.spec, _NDISP)), engine.spec, *frame.left.shape[:2]
    )


def times(engines: dict) -> dict[str, float]:
    """Median CPU milliseconds by name, interleaved."""
    large = frame_of(480, 640)
    small = frame_of(384, 640)
    greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (large.left, large.right)]
    bare = cv2.StereoSGBM_create(
        0, _NDISP, 5, 200, 800, 1, 0, 10, 100, 1, cv2.STEREO_SGBM_MODE_SGBM_3WAY
    )
    sgbm = SgbmEngine(_NDISP)
    work = {
        _BARE: lambda: bare.compute(*greys),
        "the same, padded": lambda: match_sgbm(*greys, _NDISP),
        _FILLED: lambda: whole_path(sgbm, large),
    }
    work |= {
        f"{name} 384x640": lambda e=engine: whole_path(e, small) for name, engine in engines.items()
    }
    spent = {name: [] for name in work}
    for number in range(_ROUNDS + 1):
        for name, run in work.items():
            start = time.process_time()
            run()
            if number:  # the first warms up
                spent[name].append(1e3 * (time.process_time() - start))
    return {name: float(np.median(values)) for name, values in spent.items()}


def match_alone(frame: Frame, scale: int) -> np.ndarray:
    """The matched disparity at the size of the frame, each pixel repeated."""
    height, width = frame.left.shape[:2]
    borders = 0, -height % scale, 0, -width % scale
    pair = (
        cv2.copyMakeBorder(image, *borders, cv2.BORDER_REPLICATE)
        for image in (frame.left, frame.right)
    )
    prior = matched_prior(*pair, frame.max_disparity_px or _NDISP, scale)[0]
    return prior.repeat(scale, 0).repeat(scale, 1)[:height, :width]


def _estimate(engine):
    estimator = StereoEstimator(engine)
    return lambda frame: estimator.estimate(frame).disparity


@click.command()
@click.argument("models", type=click.Path(exists=True, path_type=Path), nargs=-1)
@click.option(
    "--pairs",
    type=click.Path(path_type=Path),
    default=_PAIRS,
    help="Scenes in the Middlebury layout.",
)
def main(models, pairs):
    """Print both tables."""
    cv2.setNumThreads(1)
    default = default_model("stereo")
    models = models or [p for p in (default, default.with_name("stereo_int8.onnx")) if p.is_file()]
    engines = {
        engine.spec.name: engine for engine in (OnnxEngine(path, threads=1) for path in models)
    }
    found = times(engines)
    print(
        "| from images to disparity, one thread | CPU ms | ratio to bare SGBM | to filled "
        "|\n|---|---|---|---|"
    )
    for name, ms in found.items():
        print(f"| {name} | {ms:.1f} | {ms / found[_BARE]:.2f} | {ms / found[_FILLED]:.2f} |")
    if pairs.is_dir():
        samples = [s for s in SceneFolder(pairs) if s.truth_disparity is not None]
    else:
        samples = []
    if not samples:
        return print(f"\naccuracy: not measured, {pairs} has no scenes with truth")
    print(f"\n{len(samples)} scenes\n\n| | bad1 | bad2 | mean error |\n|---|---|---|---|")
    answers = {"SGBM-3WAY, padded and filled": _estimate(SgbmEngine(_NDISP))}
    for scale in sorted({engine.spec.prior_scale for engine in engines.values()} - {1}):
        answers[f"the match at 1/{scale} that a network starts from"] = lambda frame, s=scale: (
            match_alone(frame, s)
        )
    answers |= {name: _estimate(engine) for name, engine in engines.items()}
    for name, answer in answers.items():
        rows = [stereo_metrics(answer(s.frame), s.truth_disparity) for s in samples]
        bad1, bad2, epe = (
            np.mean([row[key] for row in rows]) for key in ("bad1_pct", "bad2_pct", "epe_px")
        )
        print(f"| {name} | {bad1:.1f} % | {bad2:.1f} % | {epe:.2f} px |")


if __name__ == "__main__":
    main()

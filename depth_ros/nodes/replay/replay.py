"""Play a bag over ROS 2 into the real node, at recorded rate, and account for every pair, or
image of one camera.
"""

from __future__ import annotations

import importlib.util
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from depth_ros.core.camera import StereoRig
from depth_ros.core.depth import depth_to_disparity
from depth_ros.core.errors import DepthRosError, ImageError, InputError
from depth_ros.core.types import Estimate, Frame
from depth_ros.engine.background import UpgradingEngine
from depth_ros.engine.load import load_engine
from depth_ros.engine.options import EngineOptions
from depth_ros.estimator.factory import make_ready
from depth_ros.estimator.preprocess import rectified
from depth_ros.evaluation.evaluate import Evaluation, FrameResult, judge
from depth_ros.evaluation.odometry_track import odometry_to_track
from depth_ros.evaluation.proxies import Proxies
from depth_ros.evaluation.report.image_panels import Album
from depth_ros.nodes.replay.domain import free_domain
from depth_ros.nodes.transport import transport_environment
from depth_ros.recordings.bag import Bag, Topics
from depth_ros.recordings.decode import image_to_array, image_to_depth
from depth_ros.recordings.sample import Source, topic_parameters

from .accounting import NodeCounters, Sent, account, causes_of, surplus
from .playback import message_kinds, play

_SETTLE_S = 1.0  # matched here is not yet matched at the node
_READY_S = 60  # loading a network on a busy machine takes long
_QUIET_S = 3  # without output for so long after the last pair, nothing comes any more
DEPTH = "depth/image_rect"
RELATIVE = "inv_depth/image_rect"
DISPARITY = "disparity"
ODOMETRY = "odom"


def require_ros() -> None:
    """Raise InputError where ROS 2 cannot be imported, and say where it comes from."""
    if importlib.util.find_spec("rclpy") is None:
        raise InputError(
            "expected ROS 2 (source /opt/ros/.../setup.bash, or make setup), got no rclpy"
        )


def replay(
    source: Source,
    model,
    backend: EngineOptions | str,
    max_disparity_px: int,
    sync_tolerance_s: float = 0.0,
    egomotion: str = "off",
) -> Evaluation:
    """Play a bag of pairs, or of one camera, into a depth_node of its own, in a child process and a
    ROS domain.

    Messages are forwarded as the bytes that were recorded, with their stamps shifted to now.
    Latency runs from the publication of a pair's last image to the arrival of its depth; age from
    the (shifted) stamp to the arrival. The node works for what is judged only: disparity is heard
    where the bag has true depth, odom where egomotion, the node's egomotion_method, is not "off".

    Raises:
        InputError: for anything but a bag, without ROS, or where the node does not come up (with
            the end of its log).
    """
    if not isinstance(source, Bag):
        raise InputError(f"{source.name}: expected a bag for --replay, got a folder of scenes")
    # Refuses what the node would, and names it.
    engine = load_engine(model, backend, max_disparity_px, source.mode)
    require_ros()
    options = EngineOptions.of(backend)
    if isinstance(engine, UpgradingEngine) and options.waits:
        make_ready(source, model, options, max_disparity_px)
    # Before ROS is loaded: only the sender's segment counts.
    os.environ.update(transport_environment())
    from .node_process import Listener, NodeProcess, Player

    domain_id = free_domain()
    parameters = node_parameters(
        source.topics, model, backend, max_disparity_px, sync_tolerance_s, egomotion
    )
    heard = topics_heard(source, engine.spec.is_metric, egomotion)
    with NodeProcess(parameters, domain_id) as node, Listener(domain_id, heard) as listener:
        player = Player(listener, message_kinds(source))
        node.wait_until(
            lambda: player.is_matched() and listener.is_matched(), _READY_S, "to subscribe"
        )
        time.sleep(_SETTLE_S)
        shift_ns, sent = play(source, player, node)
        _wait_for_the_last(listener, sent, shift_ns)
        counters, engine_ms = listener.counters(node, tuple(source.topics.images))
        run = Evaluation(
            source.name,
            f"{engine.spec.name} ({engine.model_hash})",
            listener.values.get("backend", engine.name),
            source.mode,
            replay=True,
            engine_ms=engine_ms,
        )
        run.notes.append(f"Played in ROS_DOMAIN_ID {domain_id}, apart from the robot's.")
        fill(run, sent, shift_ns, listener.arrivals, counters, listener.drop_log)
        true_poses = {}
        run.results = _judge_all(source, sent, shift_ns, listener, true_poses)
        if ODOMETRY in heard:
            _add_track(run, listener, shift_ns, true_poses, egomotion)
    return run


def topics_heard(source: Bag, is_metric: bool, egomotion: str) -> list[str]:
    """Name what is to be heard of the node, depth (of a model without metres: relative) first."""
    heard = [DEPTH if source.mode == "stereo" or is_metric else RELATIVE]
    if source.mode == "stereo" and source.topics.truth_depth is not None:
        heard.append(DISPARITY)
    if egomotion != "off":
        heard.append(ODOMETRY)
    return heard


def node_parameters(
    topics: Topics,
    model,
    backend: EngineOptions | str,
    max_disparity_px: int,
    sync_tolerance_s: float,
    egomotion: str,
) -> dict:
    """The parameters with which the node subscribes to the topics of a bag, as they are."""
    parameters = {
        **topic_parameters(topics),
        **EngineOptions.of(backend).to_parameters(),
        "egomotion_method": egomotion,
        "max_disparity_px": max_disparity_px,
        "sync_tolerance_s": sync_tolerance_s,
    }
    if model:
        parameters["model"] = str(Path(model).resolve())
    return parameters


@dataclass(frozen=True)
class Arrival:
    """One depth message on arrival: perf_counter and wall clock in nanoseconds."""

    perf_ns: int
    wall_ns: int


def fill(
    run: Evaluation,
    sent: Sent,
    shift_ns: int,
    arrivals: dict[int, Arrival],
    counters: NodeCounters,
    drop_log: dict[int, str],
) -> None:
    """Put times and the account of all pairs into the evaluation.

    Args:
        run: filled with them.
        sent: what was played.
        shift_ns: by which the stamps were shifted, nanoseconds.
        arrivals: by shifted stamp.
        counters: of the node.
        drop_log: causes of drops that the node named, by shifted stamp.
    """
    answered = {}
    for stamp_ns, arrival in arrivals.items():
        if stamp_ns - shift_ns in sent.pairs:
            answered[stamp_ns - shift_ns] = arrival
    run.frames_in = len(sent.pairs) + sent.singles
    run.dropped = account(sent, set(answered), counters)
    known = {stamp - shift_ns: cause for stamp, cause in drop_log.items()}
    causes = causes_of(sent, set(answered), run.dropped, known)
    run.causes = {str(stamp_ns): cause for stamp_ns, cause in causes.items()}
    if extra := surplus(sent, set(answered), counters):
        run.notes.append(f"the node counts {extra} drops more than pairs are missing.")
    for stamp_ns, arrival in sorted(answered.items()):
        run.latency_ms.append((arrival.perf_ns - sent.pairs[stamp_ns]) / 1e6)
        run.age_ms.append((arrival.wall_ns - stamp_ns - shift_ns) / 1e6)
    if len(arrivals) > len(answered):
        run.notes.append(
            f"{len(arrivals) - len(answered)} depth images have a stamp that was never sent."
        )


def _wait_for_the_last(listener, sent: Sent, shift_ns: int) -> None:
    """Wait until every pair is answered on every topic, or nothing has come for a while."""
    expected = {stamp + shift_ns for stamp in sent.pairs}
    quiet_since = time.monotonic()
    seen = -1
    while not listener.has_all(expected) and time.monotonic() - quiet_since < _QUIET_S:
        if listener.count != seen:
            quiet_since = time.monotonic()
            seen = listener.count
        time.sleep(0.02)


def _judge_all(
    bag: Bag, sent: Sent, shift_ns: int, listener, true_poses: dict
) -> list[FrameResult]:
    """Compare what the node published with the ground truth of the bag; runs after the replay, not
    beside it.

    true_poses: filled with world_T_camera of the ground truth, by stamp.
    """
    results = {}
    proxies = Proxies(None, len(bag))
    album = Album()
    for sample in bag:
        stamp_ns = sample.frame.stamp_ns
        true_poses[stamp_ns] = sample.world_T_camera
        if stamp_ns not in sent.pairs or stamp_ns + shift_ns not in listener.arrivals:
            continue
        results[stamp_ns] = FrameResult(sample.name)
        try:
            frame = rectified(sample.frame)
            estimate = _estimate(frame, listener, stamp_ns + shift_ns)
        except DepthRosError:
            continue
        result = results[stamp_ns] = judge(replace(sample, frame=frame), estimate)
        if result.error is None:
            result.proxies = proxies.update(frame, estimate, None)
        album.add(result)
    return list(results.values())


def _estimate(frame: Frame, listener, stamp_ns: int) -> Estimate:
    """What the node published of a frame, as an Estimate; raises ImageError where it cannot be
    read, or has another size.
    """
    metric = listener.message(DEPTH, stamp_ns)
    relative = listener.message(RELATIVE, stamp_ns)
    depth = None if metric is None else image_to_depth(metric)
    inv_depth = None if metric is not None else image_to_depth(relative)
    disparity = None
    if frame.rig is not None:
        disparity = _disparity(frame.rig, depth, listener.message(DISPARITY, stamp_ns))
    for found in (depth, inv_depth, disparity):
        if found is not None and found.shape != frame.left.shape[:2]:
            raise ImageError(f"expected a map of {frame.left.shape[:2]}, got {found.shape}")
    return Estimate(
        frame.stamp_ns,
        frame.frame_id,
        frame.rig,
        frame.left,
        depth=depth,
        inv_depth=inv_depth,
        disparity=disparity,
        right=frame.right,
        camera=frame.camera,
    )


def _disparity(rig: StereoRig, depth: np.ndarray, message) -> np.ndarray:
    """(H, W) float32 pixels as they were published, else as depth implies."""
    if message is None:
        return depth_to_disparity(depth, rig.left.fx, rig.baseline_m, rig.doffs_px)
    return image_to_array(message.image) - np.float32(rig.doffs_px)


def _add_track(run: Evaluation, listener, shift_ns: int, true_poses: dict, method: str) -> None:
    """Put the trajectory that the node published beside the ground truth."""
    heard = (
        (stamp - shift_ns, listener.message(ODOMETRY, stamp)) for stamp in listener.stamps(ODOMETRY)
    )
    run.track = odometry_to_track(
        heard, true_poses, {**listener.values, "egomotion_method": method}
    )
    if missing := len(run.results) - len(run.track):
        run.notes.append(
            f"odom skipped {missing} of the {len(run.results)} answered frames: ego-motion "
            "was busy."
        )

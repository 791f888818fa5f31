"""Play a bag over ROS 2 into the real node, at recorded rate, and account for every pair, or
image of one camera.
"""

from __future__ import annotations

import importlib.util
import os
import struct
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

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
from depth_ros.recordings.bag import SIDES, Bag, Topics, cdr_stamp_ns, open_reader, raw_messages
from depth_ros.recordings.decode import image_to_array, image_to_depth
from depth_ros.recordings.sample import Source, topic_parameters

from .accounting import NodeCounters, Sent, account, causes_of, surplus

_SETTLE_S = 1.0  # matched here is not yet matched at the node
_READY_S = 60  # loading a network on a busy machine takes long
_QUIET_S = 3  # without output for so long after the last pair, nothing comes any more
_PRELOAD_BYTES = 1 << 30
DEPTH, RELATIVE, DISPARITY, ODOMETRY = (
    "depth/image_rect",
    "inv_depth/image_rect",
    "disparity",
    "odom",
)


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
    Raises InputError for anything but a bag, without ROS, or where the node does not come up (with
    its last words).
    """
    if not isinstance(source, Bag):
        raise InputError(f"{source.name}: expected a bag for --replay, got a folder of scenes")
    engine = load_engine(
        model, backend, max_disparity_px, source.mode
    )  # refuses what the node would, and names it
    require_ros()
    options = EngineOptions.of(backend)
    if isinstance(engine, UpgradingEngine) and options.waits:
        make_ready(source, model, options, max_disparity_px)
    os.environ.update(
        transport_environment()
    )  # before ROS is loaded: only the sender's segment counts
    from .node_process import Listener, NodeProcess, Player

    domain_id = free_domain()
    parameters = node_parameters(
        source.topics, model, backend, max_disparity_px, sync_tolerance_s, egomotion
    )
    heard = topics_heard(source, engine.spec.is_metric, egomotion)
    with NodeProcess(parameters, domain_id) as node, Listener(domain_id, heard) as listener:
        player = Player(listener, _kinds(source))
        node.wait_until(
            lambda: player.is_matched() and listener.is_matched(), _READY_S, "to subscribe"
        )
        time.sleep(_SETTLE_S)
        shift_ns, sent = play(source, player, node)
        _wait_for_the_last(listener, sent, shift_ns)
        counters, engine_ms = listener.counters(node, tuple(source.topics.images))
        label = f"{engine.spec.name} ({engine.model_hash})"
        answered_by = listener.values.get("backend", engine.name)
        run = Evaluation(
            source.name, label, answered_by, source.mode, replay=True, engine_ms=engine_ms
        )
        run.notes.append(f"Played in ROS_DOMAIN_ID {domain_id}, apart from the robot's.")
        fill(run, sent, shift_ns, listener.arrivals, counters, listener.drop_log)
        truth = {}
        run.results = _judge_all(source, sent, shift_ns, listener, truth)
        if ODOMETRY in heard:
            _add_way(run, listener, shift_ns, truth, egomotion)
    return run


def topics_heard(source: Bag, is_metric: bool, egomotion: str) -> list[str]:
    """Name what is to be heard of the node, depth (of a model without metres: relative) first."""
    heard = [DEPTH if source.mode == "stereo" or is_metric else RELATIVE]
    if source.mode == "stereo" and source.topics.truth_depth is not None:
        heard.append(DISPARITY)
    return heard + ([ODOMETRY] if egomotion != "off" else [])


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
    return {**parameters, "model": str(Path(model).resolve())} if model else parameters


@dataclass(frozen=True)
class Entry:
    """One recorded message: its topic, log time and header stamp in nanoseconds, and its bytes."""

    topic: str
    log_ns: int
    stamp_ns: int
    raw: bytes


def read_entries(bag: Bag):
    """Yield the cameras' messages of a bag as Entry, in recorded order."""
    topics = (*bag.topics.infos.values(), *bag.topics.images.values())
    with open_reader(bag.path) as reader:
        for connection, log_ns, raw in raw_messages(reader, *topics):
            yield Entry(connection.topic, log_ns, cdr_stamp_ns(raw), bytes(raw))


def with_stamp(raw: bytes, stamp_ns: int) -> bytes:
    """Give the serialised message with another header.stamp; the message's first field must be a
    header.

    >>> cdr_stamp_ns(with_stamp(bytes(12), 5_000_000_007))
    5000000007
    """
    order = "<" if raw[1] & 1 else ">"
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return raw[:4] + struct.pack(f"{order}iI", seconds, nanoseconds) + raw[12:]


def play(bag: Bag, player, node) -> tuple[int, Sent]:
    """Publish every message at its recorded time; returns the shift of the stamps (ns) and what
    was sent.
    """
    from tqdm import tqdm

    entries = read_entries(bag)
    if sum(file.stat().st_size for file in bag.path.rglob("*") if file.is_file()) < _PRELOAD_BYTES:
        entries = list(entries)  # decompressing while playing would shake the rate
    sides = {topic: side for side, topic in bag.topics.images.items()}
    ledger, shift_ns, start = _Ledger(bag.tolerance_ns, tuple(bag.topics.images)), None, 0
    for entry in tqdm(entries, unit="msg", disable=None, leave=False):
        if shift_ns is None:
            start, first_log_ns = time.perf_counter_ns() + 100_000_000, entry.log_ns
            shift_ns = time.time_ns() + 100_000_000 - entry.stamp_ns
        time.sleep(max(0, start + entry.log_ns - first_log_ns - time.perf_counter_ns()) / 1e9)
        player.publish(entry.topic, with_stamp(entry.raw, entry.stamp_ns + shift_ns))
        if entry.topic in sides:
            ledger.add(sides[entry.topic], entry.stamp_ns, time.perf_counter_ns())
            node.check()
    return shift_ns or 0, ledger.close()


class _Ledger:
    """Note what was sent: which images are pairs is decided here by the recording, not by the
    node.
    """

    def __init__(self, tolerance_ns: int, sides: tuple[str, ...] = SIDES):
        self._tolerance_ns = tolerance_ns
        self._times: dict[str, dict[int, int]] = {side: {} for side in sides}
        self._messages = dict.fromkeys(sides, 0)

    def add(self, side: str, stamp_ns: int, sent_ns: int) -> None:
        """Note one image; a doubled stamp is the same instant."""
        self._messages[side] += 1
        self._times[side].setdefault(stamp_ns, sent_ns)

    def close(self) -> Sent:
        """Pair by nearest stamp within the tolerance, each image once; of one camera each image
        is one.
        """
        sent = Sent(messages=self._messages)
        if len(self._times) == 1:
            (sent.pairs,) = self._times.values()
            return sent
        left, right = self._times["left"], dict(self._times["right"])
        for stamp_ns, sent_ns in sorted(left.items()):
            partner = (
                stamp_ns
                if stamp_ns in right
                else min(right, key=lambda t: abs(t - stamp_ns), default=None)
            )
            if partner is None or abs(partner - stamp_ns) > self._tolerance_ns:
                sent.alone.append(stamp_ns)
                continue
            sent.pairs[stamp_ns] = max(sent_ns, right.pop(partner))
        sent.alone += right
        sent.singles = len(sent.alone)
        return sent


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
    """Put times and the account of all pairs into the evaluation. arrivals, drop_log (causes):
    by shifted stamp.
    """
    answered = {
        stamp - shift_ns: arrival
        for stamp, arrival in arrivals.items()
        if stamp - shift_ns in sent.pairs
    }
    run.frames_in = len(sent.pairs) + sent.singles
    run.dropped = account(sent, set(answered), counters)
    known = {stamp - shift_ns: cause for stamp, cause in drop_log.items()}
    run.causes = {
        str(stamp): cause
        for stamp, cause in causes_of(sent, set(answered), run.dropped, known).items()
    }
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
    quiet_since, seen = time.monotonic(), -1
    while not listener.has_all(expected) and time.monotonic() - quiet_since < _QUIET_S:
        if listener.count != seen:
            quiet_since, seen = time.monotonic(), listener.count
        time.sleep(0.02)


def _judge_all(bag: Bag, sent: Sent, shift_ns: int, listener, truth: dict) -> list[FrameResult]:
    """Compare what the node published with the ground truth of the bag; runs after the replay, not
    beside it.

    truth: filled with the true poses, by stamp.
    """
    results, proxies, album = {}, Proxies(None, len(bag)), Album()
    for sample in bag:
        stamp_ns = sample.frame.stamp_ns
        truth[stamp_ns] = sample.world_T_camera
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
    """What the node said of a frame, as an Estimate; raises ImageError where it cannot be read,
    or has another size.
    """
    name, depth = next(
        (topic, image_to_depth(message))
        for topic in (DEPTH, RELATIVE)
        if (message := listener.message(topic, stamp_ns)) is not None
    )
    rig, disparity = frame.rig, None
    if rig is not None and (message := listener.message(DISPARITY, stamp_ns)) is not None:
        disparity = image_to_array(message.image) - np.float32(rig.doffs_px)
    elif rig is not None:
        disparity = depth_to_disparity(depth, rig.left.fx, rig.baseline_m, rig.doffs_px)
    for found in (depth, disparity):
        if found is not None and found.shape != frame.left.shape[:2]:
            raise ImageError(f"expected a map of {frame.left.shape[:2]}, got {found.shape}")
    maps = (
        {"depth": depth, "inv_depth": None}
        if name == DEPTH
        else {"depth": None, "inv_depth": depth}
    )
    return Estimate(
        frame.stamp_ns,
        frame.frame_id,
        rig,
        frame.left,
        disparity=disparity,
        right=frame.right,
        camera=frame.camera,
        **maps,
    )


def _add_way(run: Evaluation, listener, shift_ns: int, truth: dict, method: str) -> None:
    """Put the way that the node published beside the true one."""
    heard = (
        (stamp - shift_ns, listener.message(ODOMETRY, stamp)) for stamp in listener.stamps(ODOMETRY)
    )
    run.track = odometry_to_track(heard, truth, {**listener.values, "egomotion_method": method})
    if missing := len(run.results) - len(run.track):
        run.notes.append(
            f"odom skipped {missing} of the {len(run.results)} answered frames: ego-motion "
            "was busy."
        )


def _kinds(bag: Bag) -> dict[str, str]:
    """The message type of each topic that is played: "Image", "CompressedImage" or "CameraInfo"."""
    image = "CompressedImage" if bag.topics.compressed else "Image"
    return {
        **dict.fromkeys(bag.topics.images.values(), image),
        **dict.fromkeys(bag.topics.infos.values(), "CameraInfo"),
    }

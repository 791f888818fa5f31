"""Play a bag over ROS 2 into the real node, at recorded rate, and account for every pair."""

from __future__ import annotations

import importlib.util
import os
import struct
import time
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.depth import depth_to_disparity
from ..core.errors import DepthRosError, InputError
from ..core.frame import Estimate
from ..engine.load import load_engine
from ..nodes.decode import image_to_depth
from ..prepare import rectified
from ..transport import transport_environment
from .account import NodeCounters, Sent, account, surplus
from .bag import SIDES, Bag, Topics, cdr_stamp_ns, open_reader, raw_messages
from .evaluate import Evaluation, FrameResult, judge
from .mono_bag import MonoBag
from .panel import Album
from .proxies import Proxies
from .sample import Source

_SETTLE_S = 1.0  # matched here is not yet matched at the node
_READY_S = 60  # loading a network on a busy machine takes long
_QUIET_S = 3  # without output for so long after the last pair, nothing comes any more
_PRELOAD_BYTES = 1 << 30


def require_ros() -> None:
    """Raise InputError where ROS 2 cannot be imported, and say where it comes from."""
    if importlib.util.find_spec("rclpy") is None:
        raise InputError("expected ROS 2 (source /opt/ros/.../setup.bash, or make setup), got no rclpy")


def replay(source: Source, model, backend: str, max_disparity_px: int, sync_tolerance_s: float = 0.0) -> Evaluation:
    """Play a bag into a depth_node of its own, in a child process and a ROS domain of their own.

    Messages are forwarded as the bytes that were recorded, with their stamps shifted to now. Latency runs from the
    publication of a pair's last image to the arrival of its depth; age from the (shifted) stamp to the arrival.
    Raises InputError for anything but a bag of pairs, without ROS, or where the node does not come up (with its
    last words).
    """
    if not isinstance(source, Bag):
        got = "one of a single camera" if isinstance(source, MonoBag) else "a folder of scenes"
        raise InputError(f"{source.name}: expected a bag for --replay, got {got}")
    engine = load_engine(model, backend, max_disparity_px)  # refuses here what the node would refuse, and names it
    require_ros()
    os.environ.update(transport_environment())  # before ROS is loaded: only the sender's segment counts
    from .ros import Listener, NodeProcess, Player

    domain_id = 1 + os.getpid() % 100
    parameters = node_parameters(source.topics, model, backend, max_disparity_px, sync_tolerance_s)
    with NodeProcess(parameters, domain_id) as node, Listener(domain_id) as listener:
        player = Player(listener, _kinds(source))
        node.wait_until(lambda: player.is_matched() and listener.is_matched(), _READY_S, "to subscribe")
        time.sleep(_SETTLE_S)
        shift_ns, sent = play(source, player, node)
        _wait_for_the_last(listener, sent, shift_ns)
        counters, engine_ms = listener.counters(node)
        run = Evaluation(source.name, f"{engine.spec.name} ({engine.model_hash})", engine.name, replay=True)
        fill(run, sent, shift_ns, listener.arrivals, counters)
        run.engine_ms = engine_ms
        run.results = _judge_all(source, sent, shift_ns, listener)
    return run


def node_parameters(topics: Topics, model, backend: str, max_disparity_px: int, sync_tolerance_s: float) -> dict:
    """The parameters with which the node subscribes to the topics of a bag, as they are."""
    parameters = {
        "backend": backend,
        "max_disparity_px": max_disparity_px,
        "sync_tolerance_s": sync_tolerance_s,
        "rectify": not topics.rectified,
        "image_transport": "compressed" if topics.compressed else "raw",
    }
    if model:
        parameters["model"] = str(Path(model).resolve())
    for side in SIDES:
        parameters[f"{side}_image_topic"] = topics.images[side].removesuffix("/compressed")
        parameters[f"{side}_info_topic"] = topics.infos[side]
    return parameters


@dataclass(frozen=True)
class Entry:
    """One recorded message: its topic, log time and header stamp in nanoseconds, and its bytes."""

    topic: str
    log_ns: int
    stamp_ns: int
    raw: bytes


def read_entries(bag: Bag):
    """Yield the stereo messages of a bag as Entry, in recorded order."""
    topics = (*bag.topics.infos.values(), *bag.topics.images.values())
    with open_reader(bag.path) as reader:
        for connection, log_ns, raw in raw_messages(reader, *topics):
            yield Entry(connection.topic, log_ns, cdr_stamp_ns(raw), bytes(raw))


def with_stamp(raw: bytes, stamp_ns: int) -> bytes:
    """Give the serialised message with another header.stamp; the message's first field must be a header.

    >>> cdr_stamp_ns(with_stamp(bytes(12), 5_000_000_007))
    5000000007
    """
    order = "<" if raw[1] & 1 else ">"
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return raw[:4] + struct.pack(f"{order}iI", seconds, nanoseconds) + raw[12:]


def play(bag: Bag, player, node) -> tuple[int, Sent]:
    """Publish every message at its recorded time; returns the shift of the stamps (ns) and what was sent."""
    from tqdm import tqdm

    entries = read_entries(bag)
    if sum(file.stat().st_size for file in bag.path.rglob("*") if file.is_file()) < _PRELOAD_BYTES:
        entries = list(entries)  # decompressing while playing would shake the rate
    sides = {topic: side for side, topic in bag.topics.images.items()}
    ledger, shift_ns, start = _Ledger(bag.tolerance_ns), None, 0
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
    """Note what was sent: which images are pairs is decided here by the recording, not by the node."""

    def __init__(self, tolerance_ns: int):
        self._tolerance_ns = tolerance_ns
        self._times: dict[str, dict[int, int]] = {side: {} for side in SIDES}
        self._messages = dict.fromkeys(SIDES, 0)

    def add(self, side: str, stamp_ns: int, sent_ns: int) -> None:
        """Note one image; a doubled stamp is the same instant."""
        self._messages[side] += 1
        self._times[side].setdefault(stamp_ns, sent_ns)

    def close(self) -> Sent:
        """Pair by nearest stamp within the tolerance, each image once."""
        left, right = self._times["left"], dict(self._times["right"])
        sent = Sent(messages=self._messages)
        for stamp_ns, sent_ns in sorted(left.items()):
            partner = stamp_ns if stamp_ns in right else min(right, key=lambda t: abs(t - stamp_ns), default=None)
            if partner is None or abs(partner - stamp_ns) > self._tolerance_ns:
                sent.singles += 1
                continue
            sent.pairs[stamp_ns] = max(sent_ns, right.pop(partner))
        sent.singles += len(right)
        return sent


@dataclass(frozen=True)
class Arrival:
    """One depth message on arrival: perf_counter and wall clock in nanoseconds."""

    perf_ns: int
    wall_ns: int


def fill(run: Evaluation, sent: Sent, shift_ns: int, arrivals: dict[int, Arrival], counters: NodeCounters) -> None:
    """Put times and the account of all pairs into the evaluation. arrivals: by shifted stamp."""
    answered = {stamp - shift_ns: arrival for stamp, arrival in arrivals.items() if stamp - shift_ns in sent.pairs}
    run.frames_in = len(sent.pairs) + sent.singles
    run.dropped = account(sent, set(answered), counters)
    if extra := surplus(sent, set(answered), counters):
        run.notes.append(f"the node counts {extra} drops more than pairs are missing.")
    for stamp_ns, arrival in sorted(answered.items()):
        run.latency_ms.append((arrival.perf_ns - sent.pairs[stamp_ns]) / 1e6)
        run.age_ms.append((arrival.wall_ns - stamp_ns - shift_ns) / 1e6)
    if len(arrivals) > len(answered):
        run.notes.append(f"{len(arrivals) - len(answered)} depth images have a stamp that was never sent.")


def _wait_for_the_last(listener, sent: Sent, shift_ns: int) -> None:
    """Wait until every pair is answered, or nothing has come for a while."""
    expected = {stamp + shift_ns for stamp in sent.pairs}
    quiet_since, seen = time.monotonic(), -1
    while not expected <= set(listener.arrivals) and time.monotonic() - quiet_since < _QUIET_S:
        if len(listener.arrivals) != seen:
            quiet_since, seen = time.monotonic(), len(listener.arrivals)
        time.sleep(0.02)


def _judge_all(bag: Bag, sent: Sent, shift_ns: int, listener) -> list[FrameResult]:
    """Compare what the node published with the ground truth of the bag; runs after the replay, not beside it."""
    results, proxies, album = {}, Proxies(None, len(bag)), Album()
    for sample in bag:
        stamp_ns = sample.frame.stamp_ns
        message = listener.depth_message(stamp_ns + shift_ns)
        if message is None or stamp_ns not in sent.pairs:
            continue
        results[stamp_ns] = FrameResult(sample.name)
        try:
            frame, depth = rectified(sample.frame), image_to_depth(message)
        except DepthRosError:
            continue
        if depth.shape != frame.left.shape[:2]:
            continue
        rig = frame.rig
        disparity = depth_to_disparity(depth, rig.left.fx, rig.baseline_m, rig.doffs_px)
        estimate = Estimate(stamp_ns, frame.frame_id, rig, frame.left, depth, disparity, right=frame.right)
        result = results[stamp_ns] = judge(replace(sample, frame=frame), estimate)
        if result.error is None:
            result.proxies = proxies.update(frame, estimate, None)
        album.add(result)
    return list(results.values())


def _kinds(bag: Bag) -> dict[str, str]:
    """The message type of each topic that is played: "Image", "CompressedImage" or "CameraInfo"."""
    image = "CompressedImage" if bag.topics.compressed else "Image"
    return {
        **dict.fromkeys(bag.topics.images.values(), image),
        **dict.fromkeys(bag.topics.infos.values(), "CameraInfo"),
    }

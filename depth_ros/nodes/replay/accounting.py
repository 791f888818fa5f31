"""Account for every pair of a replay: answered, or dropped with its cause.

Pure bookkeeping, no ROS.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

LOST_IN = "lost_before_node"
LOST_OUT = "lost_after_node"
NOT_IN_BAG = "unmatched_in_bag"
UNEXPLAINED = "unexplained"


@dataclass
class Sent:
    """What the player sent: pairs {stamp_ns of the left: perf_counter ns of its last message},
    messages by stream.

    singles: images that have no partner in the recording; alone: their stamps.
    """

    pairs: dict[int, int] = field(default_factory=dict)
    messages: dict[str, int] = field(default_factory=dict)
    singles: int = 0
    alone: list[int] = field(default_factory=list)


@dataclass
class NodeCounters:
    """What the node itself counted; None where it does not say. drops: pairs or messages by
    cause.
    """

    received: dict[str, int | None] = field(default_factory=dict)
    published: int | None = None
    drops: dict[str, int] = field(default_factory=dict)


# Causes that cost half a pair each: two of them may be one pair, and a loss on the way leaves its
# other half unmatched.
_HALVES = (
    "unmatched",
    "overflow",
    "late",
    "time_jump",
    "duplicate_stamp",
    "stamp_reversed",
    "bad_stamp",
)


def account(sent: Sent, answered: set[int], counters: NodeCounters) -> dict[str, int]:
    """Return the dropped pairs by cause; with the answered ones they add up to all pairs sent and
    the singles.

    A cause is taken only as often as there is evidence for it, whole pairs first: what the node
    dropped after pairing, what it published and did not arrive, what was sent and did not reach it,
    then its unmatched halves. The rest, if any, is called unexplained; evidence for more pairs than
    are missing is surplus().

    >>> account(Sent({1: 0, 2: 0, 3: 0}), {1}, NodeCounters(drops={"superseded": 1}))
    {'superseded': 1, 'unexplained': 1}
    """
    dropped = {NOT_IN_BAG: sent.singles} if sent.singles else {}
    missing = len(set(sent.pairs) - answered)

    def take(cause: str, evidence: int) -> None:
        nonlocal missing
        count = min(missing, max(0, evidence))
        if count:
            dropped[cause] = dropped.get(cause, 0) + count
            missing -= count

    for cause in sorted(set(counters.drops) - set(_HALVES)):
        take(cause, counters.drops[cause])
    if counters.published is not None:
        take(LOST_OUT, counters.published - len(answered & set(sent.pairs)))
    lost = 0
    for stream, received in counters.received.items():
        if received is not None:
            lost = max(lost, sent.messages[stream] - received)
    take(LOST_IN, lost)
    for cause in _HALVES:
        take(cause, counters.drops.get(cause, 0))
    take(UNEXPLAINED, missing)
    return dropped


def surplus(sent: Sent, answered: set[int], counters: NodeCounters) -> int:
    """Count the pairs that the node reports as dropped, or published in vain, beyond those that
    are missing.

    Above zero, one pair was counted twice, or one that was answered as dropped. Half pairs and
    losses on the way are left out: there two pieces of evidence for one pair are nothing unusual.

    >>> surplus(Sent({1: 0, 2: 0, 3: 0}), {1, 2}, NodeCounters(published=2, drops={"busy": 2}))
    1
    """
    arrived = len(answered & set(sent.pairs))
    claimed = sum(n for cause, n in counters.drops.items() if cause not in _HALVES)
    if counters.published is not None:
        claimed += max(0, counters.published - arrived)
    return max(0, claimed - (len(sent.pairs) - arrived))


def causes_of(
    sent: Sent, answered: set[int], dropped: dict[str, int], known: dict[int, str]
) -> dict[int, str]:
    """Return the cause of every dropped pair, {stamp_ns: cause}, in order of stamps.

    Args:
        sent: what was played.
        answered: stamps of the pairs that were answered.
        dropped: as account returns it.
        known: causes that the node itself named, by stamp. Where it named none for a pair, that is
            one of the causes of which account has more than the node named; several are joined by
            " or ".

    >>> causes_of(Sent({1: 0, 2: 0, 3: 0}), {1}, {"busy": 1, "lost_before_node": 1}, {3: "busy"})
    {2: 'lost_before_node', 3: 'busy'}
    """
    missing = sorted(set(sent.pairs) - answered)
    found = {stamp: known[stamp] for stamp in missing if stamp in known}
    left = Counter(dropped) - Counter(found.values())
    del left[NOT_IN_BAG]
    rest = " or ".join(sorted(left)) or UNEXPLAINED
    found |= {stamp: rest for stamp in missing if stamp not in found}
    return dict(sorted({**found, **dict.fromkeys(sent.alone, NOT_IN_BAG)}.items()))

"""Which topics of a recording are cameras: images with the camera_info of their own namespace,
and left with right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from depth_ros.core.camera import Calibration

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
INFO_TYPE = "sensor_msgs/msg/CameraInfo"
PICTURE, PERHAPS, DEPTH = range(
    3
)  # 16UC1 is thermal or infrared light, or millimetres: only who asks gets it alone
_NO_PICTURE = {
    "depth",
    "disparity",
    "confidence",
    "tof",
    "mask",
    "masks",
    "label",
    "labels",
    "semantic",
    "normals",
}
_NO_PICTURE |= {
    "segmentation",
    "groundtruth",
    "heatmap",
    "range",
    "depthplanar",
    "depthperspective",
    "depthvis",
}
_UNRECTIFIED = {"raw", "unrectified", "unrect"}
_RECTIFIED = {"rect", "rectified"}
_SECONDARY = {
    "ir",
    "infra",
    "infra1",
    "infra2",
    "infrared",
    "thermal",
    "lwir",
    "fisheye",
    "fisheye1",
    "aux",
}
_SIDE_WORDS = (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT"))
_SIDE_WORDS += (
    ("infra1", "infra2"),
)  # RealSense: a pair even where a driver has lost the baseline
_SIDE_LETTERS = re.compile(r"(?<![A-Za-z0-9])([lL])(?![A-Za-z0-9])")


@dataclass(frozen=True)
class TopicFact:
    """One topic as it was recorded.

    kind: message type. encoding: of the first image, or the format of the first compressed one.
    calibration: of the first camera_info, or None.
    """

    name: str
    kind: str
    encoding: str = ""
    calibration: Calibration | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.encoding!r}" if self.kind in IMAGE_TYPES else self.name


@dataclass(frozen=True)
class View:
    """One image topic, with its camera_info.

    nature: PICTURE, PERHAPS or DEPTH. rectified: what its name says. info: the camera_info topic,
    or None.
    """

    topic: str
    nature: int
    rectified: bool
    compressed: bool
    info: TopicFact | None

    @property
    def base(self) -> str:
        """The topic without its transport."""
        return without_transport(self.topic)

    @property
    def rank(self) -> tuple:
        """The least is taken first: rectified before raw, plain before compressed, colour before
        infrared.
        """
        secondary = bool(_SECONDARY & set(tokens(self.base)))
        return self.nature, not self.rectified, self.compressed, secondary, self.topic


@dataclass(frozen=True)
class Pair:
    """A left and a right view. by_number: of names like cam0 and cam1, which only their baseline
    makes a pair.
    """

    left: View
    right: View
    by_number: bool = False

    @property
    def is_complete(self) -> bool:
        """True where both have their camera_info."""
        return self.left.info is not None and self.right.info is not None

    @property
    def rank(self) -> tuple:
        """The least is taken first."""
        return not self.is_complete, *self.left.rank[:-1], self.by_number, self.left.topic


def find_views(facts: list[TopicFact]) -> list[View]:
    """Give every image topic as a view, the first choice first; depth and the like are views,
    too, by their nature.
    """
    infos = {fact.name: fact for fact in facts if fact.kind == INFO_TYPE}
    views = []
    for fact in facts:
        if fact.kind in IMAGE_TYPES:
            info = _info_of(fact.name, infos)
            rectified = is_rectified_name(fact.name) or (
                info is not None and "rect" in tokens(info.name)
            )
            views.append(
                View(fact.name, _nature(fact), rectified, fact.kind == IMAGE_TYPES[1], info)
            )
    return sorted(views, key=lambda view: view.rank)


def find_pairs(views: list[View]) -> list[Pair]:
    """Give the pairs among views, the first choice first: same names but for the side, same kind
    of image.
    """
    by_base: dict[tuple[str, bool], View] = {(view.base, view.compressed): view for view in views}
    pairs, used = [], set()
    for view in views:
        if view.nature == DEPTH:
            continue
        for base in right_names(view.base):
            right = by_base.get((base, view.compressed)) or _beside(base, view, views)
            if right is not None and right.nature != DEPTH and right.rectified == view.rectified:
                pairs.append(Pair(view, right))
                used |= {view.topic, right.topic}
                break
    for view in sorted(views, key=lambda one: _natural(one.topic)):
        right = next(
            (r for n in next_names(view.base) if (r := by_base.get((n, view.compressed)))), None
        )
        if (
            right is None
            or {view.topic, right.topic} & used
            or DEPTH in (view.nature, right.nature)
        ):
            continue
        if (pair := _by_baseline(view, right)) is not None:
            pairs.append(pair)
            used |= {view.topic, right.topic}
    return sorted(pairs, key=lambda pair: pair.rank)


def right_names(name: str) -> Iterator[str]:
    """Give what the right camera's topic may be called when this is the left one.

    >>> list(right_names("/left_arm/cam_left/image"))
    ['/left_arm/cam_right/image', '/right_arm/cam_right/image']
    >>> list(right_names("/cam_l/image_raw"))
    ['/cam_r/image_raw']
    """
    for left, right in _SIDE_WORDS:
        if left in name:
            yield right.join(name.rsplit(left, 1))
            if name.count(left) > 1:
                yield name.replace(left, right)
    found = list(_SIDE_LETTERS.finditer(name))
    if found:
        at = found[-1].start()
        yield f"{name[:at]}{'r' if name[at] == 'l' else 'R'}{name[at + 1 :]}"


def next_names(name: str) -> Iterator[str]:
    """Give the name with each of its numbers one higher, the last first.

    >>> list(next_names("/kitti/image_02/image_raw")), list(next_names("/d435/infra1/image"))
    (['/kitti/image_03/image_raw'], ['/d435/infra2/image', '/d436/infra1/image'])
    """
    for found in reversed(list(re.finditer(r"\d+", name))):
        digits = found.group()
        yield f"{name[: found.start()]}{int(digits) + 1:0{len(digits)}d}{name[found.end() :]}"


def is_rectified_name(topic: str) -> bool:
    """Tell what the name of an image topic says about its images.

    >>> [
    ...     is_rectified_name(t)
    ...     for t in ("/left/image_rect_color", "/infra1/image_rect_raw", "/left/color/rect/image")
    ... ]
    [True, False, True]
    """
    words = set(tokens(without_transport(topic)))
    return bool(words & _RECTIFIED) and not words & _UNRECTIFIED


def without_transport(topic: str) -> str:
    """The name of the topic that image_transport compresses."""
    return re.sub(r"/(compressed|compressedDepth)$", "", topic)


def tokens(topic: str) -> list[str]:
    """The words of a name, in small letters.

    >>> tokens("/front_left/imageRaw")
    ['front', 'left', 'image', 'raw']
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", topic)
    return [word for word in re.split(r"[^a-z0-9]+", apart.lower()) if word]


def _nature(fact: TopicFact) -> int:
    """Whether a topic's images are pictures: by encoding first, then by the words of its name."""
    encoding = fact.encoding.split(";")[0].strip()
    if "compressedDepth" in fact.encoding or encoding in ("32FC1", "64FC1", "16SC1"):
        return DEPTH
    if set(tokens(fact.name)) & _NO_PICTURE or "ground_truth" in fact.name:
        return DEPTH
    return PERHAPS if encoding == "16UC1" else PICTURE


def _info_of(topic: str, infos: dict[str, TopicFact]) -> TopicFact | None:
    """The camera_info of an image topic: beside it, in its own namespace, never in another one."""
    base = without_transport(topic)
    space, _, leaf = base.rpartition("/")
    names = [f"{base}/camera_info"]
    if is_rectified_name(base) or "image" not in leaf:
        names.append(f"{space}/camera_info_rect")
    before = leaf[: leaf.find("image")] if "image" in leaf else f"{leaf}_"
    names += [f"{space}/{before}{word}" for word in ("camera_info", "info") if before]
    names += [f"{space}/camera_info", f"{space}/camera_info_rect"]
    found = next((infos[name] for name in names if name in infos), None)
    if found is not None:
        return found
    here = [fact for name, fact in infos.items() if name.rpartition("/")[0] == space]
    return here[0] if len(here) == 1 and space else None


def _beside(base: str, left: View, views: list[View]) -> View | None:
    """A right view in the namespace where one of this name would be, rectified like the left
    one.
    """
    space = base.rpartition("/")[0]
    if space == left.base.rpartition("/")[0]:
        return None
    fitting = (
        view
        for view in views
        if view.base.rpartition("/")[0] == space
        and (view.rectified, view.compressed, view.nature)
        == (left.rectified, left.compressed, left.nature)
    )
    return next(fitting, None)


def _by_baseline(one: View, other: View) -> Pair | None:
    """Two numbered views as a pair, if P[3] says which of them is the right one."""
    if (
        one.info is None
        or other.info is None
        or None in (one.info.calibration, other.info.calibration)
    ):
        return None
    across = one.info.calibration.P[3] - other.info.calibration.P[3]
    if across == 0:
        return None
    return Pair(one, other, True) if across > 0 else Pair(other, one, True)


def _natural(name: str) -> list:
    """A key that sorts cam2 before cam10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]

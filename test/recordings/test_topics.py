"""Which topics are read: the names of real cameras, and recordings with more than one."""

from pathlib import Path

import pytest
import yaml

from depth_ros.core.camera import Calibration
from depth_ros.core.errors import InputError
from depth_ros.recordings.cameras import IMAGE_TYPES, INFO_TYPE, TopicFact, find_pairs, find_views
from depth_ros.recordings.requested_topics import Asked
from depth_ros.recordings.topics import choose_topics

CAMERAS = Path(__file__).resolve().parents[2] / "config" / "cameras"
EYE = (1, 0, 0, 0, 1, 0, 0, 0, 1)


def image(topic, encoding="mono8"):
    return TopicFact(topic, IMAGE_TYPES[topic.endswith("/compressed")], encoding)


def info(topic, tx=0.0):
    P = (200, 0, 100, tx, 0, 200, 80, 0, 0, 0, 1, 0)
    return TopicFact(
        topic,
        INFO_TYPE,
        calibration=Calibration(200, 160, "", (), (200, 0, 100, 0, 200, 80, 0, 0, 1), EYE, P),
    )


def camera(topic, encoding="mono8", tx=0.0, name="camera_info"):
    return [
        image(topic, encoding),
        info(f"{topic.removesuffix('/compressed').rpartition('/')[0]}/{name}", tx),
    ]


def pair(left, right, encoding="mono8", name="camera_info"):
    return camera(left, encoding, name=name) + camera(right, encoding, -20.0, name)


def choose(facts, mode="auto", **asked):
    return choose_topics(sorted(facts, key=lambda fact: fact.name), "bag", mode, Asked(**asked))


@pytest.mark.parametrize(
    "left, right, rectified",
    [
        ("/cam/left/image_rect", "/cam/right/image_rect", True),
        ("/zed/zed_node/left/image_rect_color", "/zed/zed_node/right/image_rect_color", True),
        ("/zed/zed_node/left/color/rect/image", "/zed/zed_node/right/color/rect/image", True),
        ("/camera/camera/infra1/image_rect_raw", "/camera/camera/infra2/image_rect_raw", False),
        ("/oak/left/image_raw", "/oak/right/image_raw", False),
        ("/oak/left/image_rect/compressed", "/oak/right/image_rect/compressed", True),
        ("/cam0/image_raw", "/cam1/image_raw", False),
        ("/kitti/camera_gray_left/image_raw", "/kitti/camera_gray_right/image_raw", False),
        ("/kitti/image_02/image_raw", "/kitti/image_03/image_raw", False),
        (
            "/firefly/vi_sensor/camera_left/image_raw",
            "/firefly/vi_sensor/camera_right/image_raw",
            False,
        ),
        ("/stereo/left/image", "/stereo/right/image", False),
        ("/stereo/left/image_mono", "/stereo/right/image_mono", False),
        ("/camera_l/image_rect", "/camera_r/image_rect", True),
        ("/stereo_camera/frontLeft/image_rect", "/stereo_camera/frontRight/image_rect", True),
        ("/left_arm/cam/left/image_rect", "/left_arm/cam/right/image_rect", True),
    ],
)
def test_names_of_pairs(left, right, rectified):
    topics = choose(pair(left, right))
    assert list(topics.images.values()) == [left, right] and topics.rectified == rectified
    assert topics.compressed == left.endswith("/compressed") and topics.others == ()
    spaces = [topic.removesuffix("/compressed").rpartition("/")[0] for topic in (left, right)]
    assert list(topics.infos.values()) == [f"{space}/camera_info" for space in spaces]


@pytest.mark.parametrize("file", sorted(CAMERAS.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_names_of_our_own_camera_files_are_found(file):
    values = yaml.safe_load(file.read_text())["/**"]["ros__parameters"]
    sides = ("left_", "right_") if values["mode"] == "stereo" else ("",)
    facts = []
    for side in sides:
        facts.append(image(values[f"{side}image_topic"]))
        facts.append(info(values[f"{side}info_topic"], -20.0 if side == "right_" else 0.0))
    topics = choose(facts)
    assert list(topics.images.values()) == [values[f"{side}image_topic"] for side in sides]
    assert list(topics.infos.values()) == [values[f"{side}info_topic"] for side in sides]


def test_isaacs_and_airsims_camera_info():
    topics = choose(pair("/left/image_rect", "/right/image_rect", name="camera_info_rect"))
    assert (
        topics.infos == {"left": "/left/camera_info_rect", "right": "/right/camera_info_rect"}
        and topics.rectified
    )
    hawk = [image(f"/hawk_0_{side}_rgb_image") for side in ("left", "right")]
    hawk += [info("/hawk_0_left_rgb_camera_info"), info("/hawk_0_right_rgb_camera_info", -20.0)]
    assert choose(hawk).infos["right"] == "/hawk_0_right_rgb_camera_info"
    scene = [image(f"/air/front_{side}/Scene") for side in ("left", "right")]
    scene += [info(f"/air/front_{side}/Scene/camera_info") for side in ("left", "right")]
    assert choose(scene).infos["left"] == "/air/front_left/Scene/camera_info"


def test_two_stereo_cameras_are_not_mixed():
    front, rear = (
        pair(f"/{n}/left/image_rect", f"/{n}/right/image_rect") for n in ("front", "rear")
    )
    topics = choose(front + rear)
    assert topics.images == {"left": "/front/left/image_rect", "right": "/front/right/image_rect"}
    assert "also there: the pair /rear/left/image_rect, /rear/right/image_rect" in topics.sentence()
    without = [fact for fact in front if fact.name != "/front/right/image_rect"]
    assert choose(without + rear).images["left"] == "/rear/left/image_rect"
    assert choose(front + rear, camera="/rear").infos["right"] == "/rear/right/camera_info"
    assert (
        choose(front + rear, left_image="/rear/left/image_rect").images["right"]
        == "/rear/right/image_rect"
    )
    with pytest.raises(
        InputError, match=r"expected images below /top \(--camera\), got images in /front/left, "
    ):
        choose(front + rear, camera="/top")


def test_rectified_before_raw_in_whatever_namespace():
    front, rear = (
        pair("/front/left/image_raw", "/front/right/image_raw"),
        pair("/rear/left/image_rect", "/rear/right/image_rect"),
    )
    assert choose(front + rear).images["left"] == "/rear/left/image_rect"


def test_four_numbered_cameras_are_two_pairs():
    facts = pair("/cam0/image_raw", "/cam1/image_raw") + pair("/cam2/image_raw", "/cam3/image_raw")
    found = [(one.left.topic, one.right.topic) for one in find_pairs(find_views(facts))]
    assert found == [("/cam0/image_raw", "/cam1/image_raw"), ("/cam2/image_raw", "/cam3/image_raw")]


def test_the_baseline_says_which_number_is_the_right_one():
    facts = camera("/cam0/image_raw", tx=-20.0) + camera("/cam1/image_raw")
    assert choose(facts).images == {"left": "/cam1/image_raw", "right": "/cam0/image_raw"}


def test_infrared_of_a_realsense_is_a_pair_even_without_its_baseline():
    facts = camera("/camera/infra1/image_rect_raw") + camera("/camera/infra2/image_rect_raw")
    facts += camera("/camera/color/image_raw", "rgb8") + camera(
        "/camera/depth/image_rect_raw", "16UC1"
    )
    topics = choose(facts)
    assert topics.images["right"] == "/camera/infra2/image_rect_raw"
    assert "also there: /camera/color/image_raw" in topics.sentence()
    assert choose(facts, image="camera/color/image_raw").images == {"": "/camera/color/image_raw"}


def test_numbers_without_a_baseline_are_no_pair_and_that_is_said():
    topics = choose(camera("/cam0/image_raw") + camera("/cam1/image_raw"))
    assert topics.images == {"": "/cam0/image_raw"}
    assert (
        "/cam0/image_raw and /cam1/image_raw are not taken for a pair: their P[3] tell no baseline"
        in topics.sentence()
    )
    assert (
        choose(
            camera("/cam0/image_raw") + camera("/cam1/image_raw"),
            left_image="/cam0/image_raw",
            right_image="/cam1/image_raw",
        ).mode
        == "stereo"
    )


@pytest.mark.parametrize(
    "depth, encoding",
    [
        ("/camera/aligned_depth_to_color/image_raw", "16UC1"),
        ("/a/depth_registered/image_rect", "32FC1"),
        ("/a/stereo/image_raw", "16UC1"),
        ("/a/tof/image_raw", "16UC1"),
        ("/a/confidence/image_rect", "mono8"),
    ],
)
def test_depth_is_no_picture(depth, encoding):
    topics = choose(camera("/camera/color/image_raw", "rgb8") + camera(depth, encoding))
    assert topics.images == {"": "/camera/color/image_raw"}
    assert f"recorded depth, not used as ground truth: {depth}" in topics.sentence()
    named = choose(camera("/camera/color/image_raw", "rgb8") + camera(depth, encoding), truth=depth)
    assert named.truth_depth == depth and "recorded depth" not in named.sentence()
    assert f"ground truth: {depth}" in named.sentence()
    assert (
        choose(
            camera("/camera/color/image_raw", "rgb8") + camera(depth, encoding), depth=depth
        ).depth
        == depth
    )


def test_sixteen_bits_alone_are_a_picture_only_where_they_are_a_pair_or_asked_for():
    thermal = camera("/thermal/image_raw", "16UC1")
    with pytest.raises(InputError, match="expected pictures .* got topics .*'16UC1'"):
        choose(thermal)
    assert choose(thermal, image="/thermal/image_raw").images == {"": "/thermal/image_raw"}
    assert choose(pair("/left/image_rect", "/right/image_rect", "16UC1")).mode == "stereo"
    with pytest.raises(InputError, match="'32FC1'"):
        choose(pair("/left/image_rect", "/right/image_rect", "32FC1"))


def test_a_camera_without_camera_info_does_not_hide_a_whole_one():
    topics = choose([image("/aux/image_raw"), *camera("/front/image_raw")])
    assert topics.images == {"": "/front/image_raw"}
    assert "also there: /aux/image_raw, without camera_info" in topics.sentence()


def test_what_is_missing_of_a_pair_is_named():
    facts = [
        fact
        for fact in pair("/left/image_rect", "/right/image_rect")
        if fact.name != "/left/camera_info"
    ]
    with pytest.raises(
        InputError, match="expected left CameraInfo for /left/image_rect on /left/camera_info"
    ):
        choose(facts)
    with pytest.raises(
        InputError, match="expected right images beside /left/image_rect, /right/image_rect say"
    ):
        choose(camera("/left/image_rect"), "stereo")
    with pytest.raises(InputError, match=r"expected images on /no \(--image-topic\)"):
        choose(facts, image="/no")


@pytest.mark.parametrize("ending", ["", "/compressed", "/compressedDepth"])
def test_ground_truth_is_that_of_the_same_namespace(ending):
    facts = pair("/rear/left/image_rect", "/rear/right/image_rect")
    for space in ("/front", "/rear"):
        facts.append(
            TopicFact(f"{space}/ground_truth/depth{ending}", IMAGE_TYPES[bool(ending)], "32FC1")
        )
    topics = choose(facts)
    assert topics.truth_depth == f"/rear/ground_truth/depth{ending}"
    assert topics.to_json()["truth_depth"] == topics.truth_depth

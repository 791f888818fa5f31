"""The node that one writes first, which `depth-ros bench --overhead` compares with: plain rclpy,
nothing tuned.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import rclpy
from sensor_msgs.msg import CameraInfo, Image

QUEUE = 10
SLOP_S = 0.005


class OwnSynchronizer:
    """What message_filters.ApproximateTimeSynchronizer does in Python, for machines without it: a
    queue for each topic;

    each arrival is compared with everything that waits in the other queues.
    """

    def __init__(self, topics: int, callback):
        self._queues = [OrderedDict() for _ in range(topics)]
        self._callback = callback

    def add(self, index: int, message) -> None:
        """Take a message; calls back with one message of each topic where all stamps lie within
        SLOP_S.
        """
        stamp_s = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
        self._queues[index][stamp_s] = message
        while len(self._queues[index]) > QUEUE:
            self._queues[index].popitem(last=False)
        near = []
        for queue in self._queues:
            candidates = sorted((abs(stamp_s - other), other) for other in queue)
            if not candidates or candidates[0][0] > SLOP_S:
                return
            near.append(candidates[0][1])
        self._callback(*(queue.pop(stamp) for queue, stamp in zip(self._queues, near, strict=True)))


def synchronize(node, topics: list[tuple[type, str]], callback) -> str:
    """Subscribe with default QoS and call back with matched messages; names the synchroniser
    that is used.
    """
    try:
        import message_filters
    except ImportError:
        own = OwnSynchronizer(len(topics), callback)
        for index, (kind, topic) in enumerate(topics):
            node.create_subscription(
                kind, topic, lambda message, index=index: own.add(index, message), 10
            )
        return "own synchroniser"
    filters = [message_filters.Subscriber(node, kind, topic) for kind, topic in topics]
    node.synchronizer = message_filters.ApproximateTimeSynchronizer(filters, QUEUE, SLOP_S)
    node.synchronizer.registerCallback(callback)
    return "message_filters"


def main() -> None:
    """Answer each pair with a depth image of ones: arrays of both images, tobytes() into the
    message.
    """
    rclpy.init()
    node = rclpy.create_node("naive")
    publisher = node.create_publisher(Image, "depth/image_rect", 10)
    depth = np.ones((1, 1), np.float32)

    def on_pair(left, right, left_info, right_info):
        nonlocal depth
        arrays = [
            np.array(image.data, np.uint8).reshape(image.height, image.width, 3)
            for image in (left, right)
        ]
        if depth.shape != arrays[0].shape[:2]:
            depth = np.ones(arrays[0].shape[:2], np.float32)
        out = Image(
            header=left.header,
            height=left.height,
            width=left.width,
            encoding="32FC1",
            step=4 * left.width,
        )
        out.data = depth.tobytes()
        publisher.publish(out)

    topics = [
        (kind, f"{side}/{name}")
        for kind, name in ((Image, "image_rect"), (CameraInfo, "camera_info"))
        for side in ("left", "right")
    ]
    synchronize(node, topics, on_pair)
    rclpy.spin(node)


if __name__ == "__main__":
    main()

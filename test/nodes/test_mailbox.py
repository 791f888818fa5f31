import threading

from depth_ros.nodes.mailbox import Mailbox


def test_mailbox_keeps_the_newest():
    box = Mailbox()
    assert [box.put(n) for n in (1, 2, 3)] == [None, 1, 2]
    assert box.take() == 3
    taken = []
    thread = threading.Thread(target=lambda: taken.append(box.take()))
    thread.start()
    box.put(4)
    thread.join(5)
    assert taken == [4]
    box.put(5)
    assert box.close() == 5
    assert box.take() is None

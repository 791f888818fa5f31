from depth_ros.nodes.input.calibration import CalibratedImage, CalibrationAttacher


def add_image(attacher, name, stamp_ns):
    """Add an image; (name, calibration) of what is complete with it."""
    return complete(attacher.add_image(CalibratedImage(stamp_ns, name)))


def complete(images):
    return [(image.message, image.calibration) for image in images]


def test_an_image_waits_for_its_own_calibration(make_calibration):
    old, new = make_calibration(0.1), make_calibration(0.2)
    attacher = CalibrationAttacher()
    attacher.add_info(10, old)
    assert add_image(attacher, "first", 10) == [("first", old)]
    assert add_image(attacher, "second", 20) == []
    assert attacher.is_waiting
    assert complete(attacher.add_info(20, new)) == [("second", new)]
    assert not attacher.is_waiting


def test_an_image_keeps_its_stamp_and_size(make_calibration):
    attacher = CalibrationAttacher()
    attacher.add_info(10, make_calibration())
    (image,) = attacher.add_image(CalibratedImage(10, "image", size_bytes=77))
    assert (image.stamp_ns, image.size_bytes) == (10, 77)


def test_a_calibration_of_another_stamp_does_not_end_the_wait(make_calibration):
    attacher = CalibrationAttacher()
    assert add_image(attacher, "first", 20) == []
    assert attacher.add_info(10, make_calibration(0.1)) == []
    assert complete(attacher.add_info(20, make_calibration(0.2))) == [
        ("first", make_calibration(0.2))
    ]


def test_a_latched_calibration_delays_one_image_only(make_calibration):
    latched = make_calibration(0.1)
    attacher = CalibrationAttacher()
    attacher.add_info(0, latched)
    assert add_image(attacher, "first", 10) == []
    assert add_image(attacher, "second", 20) == [("first", latched), ("second", latched)]
    assert add_image(attacher, "third", 30) == [("third", latched)]


def test_after_a_lost_camera_info_images_wait_again(make_calibration):
    old, new = make_calibration(0.1), make_calibration(0.2)
    attacher = CalibrationAttacher()
    attacher.add_info(10, old)
    add_image(attacher, "first", 10)
    assert add_image(attacher, "second", 20) == []  # its camera_info is lost
    assert add_image(attacher, "third", 30) == [("second", old), ("third", old)]
    assert attacher.add_info(30, old) == []  # late, but with the image's stamp
    assert add_image(attacher, "fourth", 40) == []
    assert complete(attacher.add_info(40, new)) == [("fourth", new)]


def test_without_any_calibration_nothing_is_made_up():
    attacher = CalibrationAttacher()
    assert add_image(attacher, "first", 10) == []
    assert add_image(attacher, "second", 20) == [("first", None)]
    assert add_image(attacher, "third", 30) == [("second", None)]


def test_an_image_that_was_late_gets_the_calibration_of_its_time(make_calibration):
    """It comes 20 frames late; meanwhile the camera was set to half its size."""
    attacher = CalibrationAttacher()
    full, half = make_calibration(), make_calibration(width=48, height=28)
    for stamp_ns in range(100, 130):
        attacher.add_info(stamp_ns, full if stamp_ns < 115 else half)
    for stamp_ns, expected in ((110, full), (114, full), (115, half)):
        assert add_image(attacher, "late", stamp_ns) == [("late", expected)]


def test_a_slow_camera_info_is_that_in_force(make_calibration):
    attacher = CalibrationAttacher()
    old, new = make_calibration(), make_calibration(model="equidistant")
    attacher.add_info(100, old)
    attacher.add_info(200, new)
    add_image(attacher, "A", 150)
    assert add_image(attacher, "B", 250) == [("A", old), ("B", new)]


def test_an_image_that_is_no_newer_does_not_wait(make_calibration):
    """The pairing is to refuse it at once, and its camera_info may never come."""
    attacher = CalibrationAttacher()
    calibration = make_calibration()
    attacher.add_info(100, calibration)
    assert add_image(attacher, "first", 100) == [("first", calibration)]
    assert add_image(attacher, "older", 50) == [("older", calibration)]
    assert add_image(attacher, "again", 50) == [("again", calibration)]
    assert add_image(attacher, "next", 150) == []  # this one's may still come

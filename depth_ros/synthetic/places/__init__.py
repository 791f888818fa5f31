"""Random streets and rooms of true size, each with a camera in it and a list of the things in it
that may move.

A network that is to see metres in one picture needs what real pictures have: a ground to stand on,
a camera at the height of a car's roof or of a hand, and cars, people, doors, tables of their
everyday size.
"""

from depth_ros.synthetic.places.place import Mover, Place, camera_pose
from depth_ros.synthetic.places.room import random_room
from depth_ros.synthetic.places.street import random_street

__all__ = ["Mover", "Place", "camera_pose", "random_room", "random_street"]

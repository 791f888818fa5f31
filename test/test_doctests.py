"""The example of every docstring holds."""

import doctest
import importlib
import pkgutil

import pytest

import depth_ros.core
import depth_ros.engine
import depth_ros.estimator
import depth_ros.odometry

PACKAGES = (depth_ros.core, depth_ros.engine, depth_ros.estimator, depth_ros.odometry)
MODULES = [
    module.name
    for package in PACKAGES
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
]


@pytest.mark.parametrize("name", ["depth_ros", "depth_ros.files", *MODULES])
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0

"""The numeric example of every docstring holds."""

import doctest
import importlib
import pkgutil

import pytest

import depth_ros.core
import depth_ros.engine

MODULES = [
    module.name
    for package in (depth_ros.core, depth_ros.engine)
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0

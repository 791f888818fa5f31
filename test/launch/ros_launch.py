"""A small stand-in for launch and launch_ros: what our launch files use, with the checks that the
real ones make.

The real ones come with ROS only. Behaviour follows launch 3.x / launch_ros 0.2x: a second
declaration of an argument without default is required, substitutions are performed late,
ParameterValue reads its text as YAML of the given type.
"""

import importlib.util
import logging
import sys
from pathlib import Path
from types import ModuleType

import yaml

from depth_ros.nodes.transport import transport_environment

ROOT = Path(__file__).resolve().parents[2]


class LaunchContext:
    def __init__(self, arguments=None):
        self.launch_configurations = dict(arguments or {})


class LaunchDescription:
    def __init__(self, entities=()):
        self.entities = list(entities)


class LaunchConfiguration:
    def __init__(self, variable_name):
        self.variable_name = variable_name

    def perform(self, context):
        if self.variable_name not in context.launch_configurations:
            raise LookupError(f"launch configuration '{self.variable_name}' does not exist")
        return context.launch_configurations[self.variable_name]


class DeclareLaunchArgument:
    def __init__(self, name, *, default_value=None, description=None, choices=None):
        if not (default_value is None or isinstance(default_value, (str, LaunchConfiguration))):
            raise TypeError(
                f"{name}: default_value must be text or a substitution, got {default_value!r}"
            )
        if choices is not None and default_value is not None and default_value not in choices:
            raise RuntimeError(
                f"{name}: default value {default_value!r} is not among the choices {choices}"
            )
        self.name, self.default_value, self.description, self.choices = (
            name,
            default_value,
            description,
            choices,
        )

    def execute(self, context):
        if self.name not in context.launch_configurations:
            if self.default_value is None:
                raise RuntimeError(f"required launch argument '{self.name}' was not provided")
            context.launch_configurations[self.name] = text(self.default_value, context)
        value = context.launch_configurations[self.name]
        if self.choices is not None and value not in self.choices:
            raise RuntimeError(f"argument '{self.name}': {value!r} is not among {self.choices}")
        return []


class OpaqueFunction:
    def __init__(self, *, function, args=None, kwargs=None):
        self.function, self.args, self.kwargs = function, args or [], kwargs or {}

    def execute(self, context):
        return self.function(context, *self.args, **self.kwargs) or []


class ParameterValue:
    def __init__(self, value, *, value_type=None):
        self.value, self.value_type = value, value_type

    def evaluate(self, context):
        raw = text(self.value, context)
        value = raw if self.value_type is str else yaml.safe_load(raw)
        if self.value_type is not None and type(value) is not self.value_type:
            raise ValueError(f"expected {self.value_type.__name__}, got {raw!r}")
        return value


class Node:
    """Only keywords that launch_ros.actions.Node and ExecuteProcess know."""

    def __init__(
        self,
        *,
        executable,
        package=None,
        name=None,
        namespace=None,
        parameters=None,
        remappings=None,
        arguments=None,
        additional_env=None,
        output="log",
    ):
        for parameter in parameters or []:
            if not isinstance(parameter, (str, Path, dict, LaunchConfiguration)):
                raise TypeError(f"parameters: expected files or dictionaries, got {parameter!r}")
        for pair in remappings or []:
            if not (isinstance(pair, tuple) and len(pair) == 2):
                raise TypeError(f"remappings: expected pairs, got {pair!r}")
        self.package, self.executable, self.name, self.namespace = (
            package,
            executable,
            name,
            namespace,
        )
        self.parameters, self.remappings, self.arguments = (
            parameters or [],
            remappings or [],
            arguments or [],
        )
        self.additional_env, self.output = additional_env or {}, output

    def execute(self, context):
        return []


class ExecuteProcess:
    """Only keywords that the real one knows; cmd is texts and substitutions."""

    def __init__(self, *, cmd, additional_env=None, output="log"):
        if not all(isinstance(word, str) or hasattr(word, "perform") for word in cmd):
            raise TypeError(f"cmd: expected texts or substitutions, got {cmd!r}")
        self.cmd, self.additional_env, self.output = cmd, additional_env or {}, output

    def execute(self, context):
        return []


class SetEnvironmentVariable:
    def __init__(self, name, value):
        self.name, self.value = name, value

    def execute(self, context):
        return []


class GroupAction:
    """What it includes sees no configuration of ours, as with forwarding=False."""

    def __init__(self, actions, *, scoped=True, forwarding=True):
        if forwarding or not scoped:
            raise NotImplementedError("only groups of their own are used")
        self.actions = list(actions)

    def execute(self, context):
        return self.actions


class FindPackageShare:
    absent = ()

    def __init__(self, package):
        self.package = package

    def perform(self, context):
        if self.package in self.absent:
            raise LookupError(f"package {self.package!r} not found")
        return f"/share/{self.package}"


class PathJoinSubstitution:
    def __init__(self, substitutions):
        self.substitutions = substitutions

    def perform(self, context):
        return "/".join(text(part, context) for part in self.substitutions)


class PythonLaunchDescriptionSource:
    def __init__(self, launch_file_path):
        self.location = launch_file_path


class IncludeLaunchDescription:
    def __init__(self, launch_description_source, *, launch_arguments=None):
        self.source, self.launch_arguments = launch_description_source, list(launch_arguments or [])

    def execute(self, context):
        return []


def text(value, context):
    """Perform what may be text or a substitution."""
    return value.perform(context) if hasattr(value, "perform") else value


def run(description, arguments):
    """Execute the entities in order, as LaunchService does; returns (what is started or
    included, context).
    """
    context, started = LaunchContext(arguments), []
    pending = list(description.entities)
    while pending:
        entity = pending.pop(0)
        pending = entity.execute(context) + pending
        if isinstance(entity, (Node, ExecuteProcess, IncludeLaunchDescription)):
            started.append(entity)
    return started, context


def _named(*kinds):
    return {kind.__name__: kind for kind in kinds}


def install(monkeypatch):
    """Put the stand-ins where the launch file imports from, for one test; a real launch was
    imported by nobody yet.
    """
    contents = {
        "launch": _named(LaunchDescription),
        "launch.actions": _named(
            DeclareLaunchArgument,
            OpaqueFunction,
            ExecuteProcess,
            GroupAction,
            IncludeLaunchDescription,
            SetEnvironmentVariable,
        ),
        "launch.launch_description_sources": _named(PythonLaunchDescriptionSource),
        "launch.substitutions": _named(LaunchConfiguration, PathJoinSubstitution),
        "launch_ros.substitutions": _named(FindPackageShare),
        "launch.logging": {"get_logger": logging.getLogger},
        "launch_ros": {},
        "launch_ros.actions": _named(Node),
        "launch_ros.parameter_descriptions": _named(ParameterValue),
    }
    for name, members in contents.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "depth_ros.nodes.launching", raising=False)


def load(monkeypatch, file, **environment):
    """Give the launch description of a file, with variables of the environment as given."""
    for name in (
        "FASTDDS_DEFAULT_PROFILES_FILE",
        "FASTRTPS_DEFAULT_PROFILES_FILE",
        *transport_environment(),
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    install(monkeypatch)
    spec = importlib.util.spec_from_file_location("launch_file", ROOT / "launch" / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description()


def start(description, **arguments):
    """Launch; returns the one node, its parameter file, the parameters that go before it, and
    the context.
    """
    (node,), context = run(description, arguments)
    return node, *parameters_of(node, context), context


def parameters_of(node, context):
    """Give a node's parameter file and the parameters that go before it."""
    file, *overrides = node.parameters
    values = {
        name: value.evaluate(context) if isinstance(value, ParameterValue) else value
        for group in overrides
        for name, value in group.items()
    }
    return Path(text(file, context)), values


def declared(description):
    return [entity for entity in description.entities if isinstance(entity, DeclareLaunchArgument)]

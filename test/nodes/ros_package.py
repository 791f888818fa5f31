"""tf2_msgs for machines whose ROS comes from wheels, which lack it: generated and compiled by the
wheels' own tools.

Needs gcc, g++, Python's headers and catkin-pkg. As a program: python ros_package.py FOLDER.
"""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np

PACKAGE = "tf2_msgs"
MESSAGE = "geometry_msgs/TransformStamped[] transforms\n"  # all of tf2_msgs/msg/TFMessage.msg
NEEDS = ("geometry_msgs", "std_msgs", "builtin_interfaces")
PREFIX = Path(sys.prefix)
XML = f"""<package format="3"><name>{PACKAGE}</name><version>0.0.0</version>
<description>TF messages</description>
<maintainer email="nobody@example.org">nobody</maintainer><license>BSD</license>
<depend>geometry_msgs</depend></package>"""
# library: what it is made of, and what of ROS it needs beside its like in the packages above
KINDS = {
    "rosidl_generator_c": (
        ("c/msg/detail/*__functions.c", "c/msg/detail/*__description.c"),
        ("rosidl_runtime_c",),
    ),
    "rosidl_typesupport_fastrtps_c": (
        ("c/msg/detail/*__type_support_c.cpp",),
        ("rosidl_typesupport_fastrtps_c", "rosidl_typesupport_fastrtps_cpp", "fastcdr"),
    ),
    "rosidl_typesupport_introspection_c": (
        ("c/msg/detail/*__type_support.c",),
        ("rosidl_typesupport_introspection_c",),
    ),
    "rosidl_typesupport_c": (("c/msg/*__type_support.cpp",), ("rosidl_typesupport_c",)),
    "rosidl_generator_py": ((f"python/{PACKAGE}/msg/*_s.c",), ()),
}


def build(folder: Path) -> dict[str, str]:
    """Generate and compile; returns what the environment of a process needs to import it."""
    generate(folder)
    lib, package = folder / "lib", folder / "python" / PACKAGE
    made = []
    for kind, (patterns, needed) in KINDS.items():
        sources = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
        made.append(lib / f"lib{PACKAGE}__{kind}.so")
        others = [name for need in NEEDS if (name := library(f"{need}__{kind}"))]
        compile_library(folder, made[-1], sources, [*others, *map(library, needed), *made[:-1]])
    for kind in ("c", "fastrtps_c", "introspection_c"):
        name = f"{PACKAGE}_s__rosidl_typesupport_{kind}{sysconfig.get_config_var('EXT_SUFFIX')}"
        source = package / f"_{PACKAGE}_s.ep.rosidl_typesupport_{kind}.c"
        compile_library(folder, package / name, [source], made)
    return {"PYTHONPATH": str(folder / "python"), "LD_LIBRARY_PATH": str(lib)}


def generate(folder: Path) -> None:
    """Write the C and Python sources, and lay them out as the include path wants them."""
    os.environ.setdefault("AMENT_PREFIX_PATH", str(PREFIX))
    from rosidl_adapter.cli import TranslateMsgToIDL
    from rosidl_generator_c.cli import GenerateC
    from rosidl_generator_py.cli import GeneratePython
    from rosidl_generator_type_description.cli import HashTypeDescription
    from rosidl_typesupport_c.cli import GenerateCTypesupport
    from rosidl_typesupport_fastrtps_c.cli import GenerateFastRTPSCTypesupport
    from rosidl_typesupport_introspection_c.cli import GenerateIntrospectionCTypesupport

    source, c = folder / "source", folder / "c"
    for path in (source / "msg", folder / "include", folder / "lib"):
        path.mkdir(parents=True)
    (folder / "include" / PACKAGE).symlink_to(c)
    (source / "package.xml").write_text(XML)
    (source / "msg" / "TFMessage.msg").write_text(MESSAGE)
    shares = [str(PREFIX / "share" / need) for need in NEEDS]
    idl = TranslateMsgToIDL("idl").translate(PACKAGE, [f"{source}:msg/TFMessage.msg"], [], c)
    hashes = HashTypeDescription("hash").generate_type_hashes(PACKAGE, idl, shares, c)
    GenerateC("c").generate(PACKAGE, idl, shares, c, hashes)
    for generator in (
        GenerateFastRTPSCTypesupport,
        GenerateIntrospectionCTypesupport,
        GenerateCTypesupport,
    ):
        generator("typesupport").generate(PACKAGE, idl, shares, c)
    GeneratePython("py").generate(PACKAGE, idl, shares, folder / "python" / PACKAGE)
    (folder / "python" / PACKAGE / "__init__.py").touch()


def library(name: str) -> Path | None:
    """Find one of the wheels' libraries."""
    path = PREFIX / "lib" / f"lib{name}.so"
    return path if path.exists() else None


def compile_library(
    folder: Path, out: Path, sources: list[Path], libraries: list[Path | None]
) -> None:
    """Make a shared library; raises RuntimeError with what the compiler says."""
    ours, theirs = folder / "include", PREFIX / "include"
    includes = [
        ours,
        theirs,
        *sorted(theirs.iterdir()),
        sysconfig.get_paths()["include"],
        np.get_include(),
    ]
    rpaths = [f"-Wl,-rpath,{path}" for path in (folder / "lib", PREFIX / "lib")]
    command = [
        "g++" if sources[0].suffix == ".cpp" else "gcc",
        "-shared",
        "-fPIC",
        "-O0",
        "-w",
        "-o",
        str(out),
        *(f"-I{path}" for path in includes),
        *map(str, sources),
        *(str(path) for path in libraries if path),
        *rpaths,
        f"-Wl,-soname,{out.name}",
        "-Wl,--allow-shlib-undefined",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))

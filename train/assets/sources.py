"""Where models come from: package, version, licence and hash of everything that released weights
were trained on.
"""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from depth_ros.core.errors import InputError


@dataclass(frozen=True)
class Source:
    """A package of models.

    Attributes:
        name: what `python -m train assets` calls it.
        kind: "sweethome" (.sh3f files) or "gazebo" (a checkout with models and worlds).
        package: where to get it.
        version: of the package, or the commit.
        licence: SPDX identifier, or one a file.
        credit: who is to be named.
        sha256: hash by file name; of a checkout the commit is checked instead.
        worlds: world files of a checkout.
    """

    name: str
    kind: str
    package: str
    version: str
    licence: str
    credit: str
    sha256: dict[str, str]
    worlds: tuple[str, ...] = ()

    def check(self, folder: Path) -> None:
        """Raise InputError unless the folder holds what this source names, bit by bit."""
        if self.kind == "gazebo":
            found = _commit(folder)
            if found != self.version:
                raise InputError(
                    f"{folder}: expected commit {self.version} of {self.package}, got {found}"
                )
            return
        for name, expected in self.sha256.items():
            path = folder / name
            if not path.exists():
                raise InputError(f"{folder}: expected {name} of {self.package}, got no such file")
            found = _sha256(path)
            if found != expected:
                raise InputError(f"{path}: expected SHA-256 {expected}, got {found}")


def _commit(folder):
    done = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(f"{folder}: expected a git checkout, got: {done.stderr.strip()}")
    return done.stdout.strip()


def _sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


_SWEETHOME_SHA256 = {
    "BlendSwap-CC-0.sh3f": "7ef093fe70cedbb160bdb532d86a84580459635e34130c16777f549eba1993dc",
    "BlendSwap-CC-BY.sh3f": "29ae78937b4d5dbe93db74067817a984fa411f017b007fd666bc40368bdb0c83",
    "KatorLegaz.sh3f": "f512443b5d3a6903497573095f971f44334b3165ab32182133051fa9487764a6",
    "Reallusion.sh3f": "dd553207876ccec6372dde7aaea6b2dcf2d631997fcdb8a9856a639e0db9aa9b",
    "Scopia.sh3f": "b4505451b1e8ab339c101c0afddfef4e1a07b95aa8c821c61ec41487afd43850",
}
_AMAZON = "Amazon.com, Inc. or its affiliates (AWS RoboMaker)"

SOURCES = {
    source.name: source
    for source in (
        Source(
            "sweethome",
            "sweethome",
            "Debian package sweethome3d-furniture (apt-get download, dpkg-deb -x; its folder "
            "usr/share/sweethome3d/furniture)",
            "1.8-1",
            "CC0-1.0 (BlendSwap-CC-0), CC-BY-3.0 (the others)",
            "Andrew Kator and Jennifer Legaz; Reallusion; Scopia Visual Interfaces Systems; "
            "the Blend Swap contributors; converted by Emmanuel Puybaret, eTeks",
            _SWEETHOME_SHA256,
        ),
        Source(
            "small-house",
            "gazebo",
            "https://github.com/aws-robotics/aws-robomaker-small-house-world",
            "dd44be6205b2e6577bf641300dacc1699cb2ca81",
            "MIT-0",
            _AMAZON,
            {},
            ("worlds/small_house.world",),
        ),
        Source(
            "bookstore",
            "gazebo",
            "https://github.com/aws-robotics/aws-robomaker-bookstore-world",
            "ed542eb41809d5c5f1c67f32d4ba24e0e90886b3",
            "MIT-0",
            _AMAZON,
            {},
            ("worlds/bookstore.world",),
        ),
        Source(
            "small-warehouse",
            "gazebo",
            "https://github.com/aws-robotics/aws-robomaker-small-warehouse-world",
            "3c23a698bf0b4e366ddf8b084af507c519bd3483",
            "MIT-0",
            _AMAZON,
            {},
            ("worlds/no_roof_small_warehouse.world", "worlds/small_warehouse.world"),
        ),
        Source(
            "gazebo-models",
            "gazebo",
            "https://github.com/osrf/gazebo_models",
            "8163eb4b5e7e21985c6591d1c0bfb56468c0093f",
            "CC-BY-3.0",
            "Nathan Koenig, Open Source Robotics Foundation and contributors",
            {},
        ),
    )
}

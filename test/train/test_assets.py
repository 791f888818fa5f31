"""From models that users have to meshes of the rasterised world: sizes, axes, creases, textures,
hashes, credits.
"""

import json
import subprocess
import zipfile

import numpy as np
import pytest

trimesh = pytest.importorskip("trimesh", reason="trimesh reads the models (requirements-train.txt)")

from PIL import Image  # noqa: E402

from depth_ros.core.errors import InputError  # noqa: E402
from depth_ros.synthetic.raster.assets import AssetFolder, ModelEntry  # noqa: E402
from depth_ros.synthetic.raster.bank import procedural_library  # noqa: E402
from depth_ros.synthetic.raster.furniture import furnished, use_of  # noqa: E402
from train.assets.convert import corner_normals  # noqa: E402
from train.assets.gazebo import world_models  # noqa: E402
from train.assets.sources import SOURCES, Source  # noqa: E402
from train.assets.store import convert  # noqa: E402

# A wedge: x 0..2, y (up) 0..1, z 0..4; its slope faces +x and up; one textured face
WEDGE = """mtllib wedge.mtl
v 0 0 0
v 2 0 0
v 0 1 0
v 0 0 4
v 2 0 4
v 0 1 4
vt 0 0
vt 1 0
vt 1 1
vt 0 1
usemtl skin
f 2/1 3/2 6/3
f 2/1 6/3 5/4
usemtl plain
f 1/1 3/2 2/3
f 4/1 5/2 6/3
f 1/1 2/2 5/3
f 1/1 5/3 4/4
f 1/1 4/2 6/3
f 1/1 6/3 3/4
"""
CATALOGUE = """id=Test
id#1=Test#wedge
name#1=Wedge
category#1=Office
model#1=/test/wedge/wedge.obj
width#1=50.0
depth#1=80.0
height#1=30.0
elevation#1=12.0
creator#1=Ada
"""


def wedge_files(folder):
    folder.mkdir(parents=True)
    (folder / "wedge.obj").write_text(WEDGE)
    (folder / "wedge.mtl").write_text(
        "newmtl skin\nmap_Kd skin.png\nnewmtl plain\nKd 0.2 0.4 0.6\n"
    )
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4, :, 0] = 255  # the upper half is red
    Image.fromarray(pixels).save(folder / "skin.png")


@pytest.fixture
def furniture(tmp_path):
    """A folder with one .sh3f file, and the source that describes it."""
    wedge_files(tmp_path / "zip" / "test" / "wedge")
    folder = tmp_path / "furniture"
    folder.mkdir()
    with zipfile.ZipFile(folder / "Test.sh3f", "w") as file:
        file.writestr("PluginFurnitureCatalog.properties", CATALOGUE)
        for path in (tmp_path / "zip").rglob("*.*"):
            file.write(path, path.relative_to(tmp_path / "zip"))
    return folder, Source("sweethome", "sweethome", "a test", "1", "CC0-1.0", "nobody", {})


def test_furniture_gets_its_true_size_and_stands_on_the_floor(furniture, tmp_path):
    folder, source = furniture
    assert convert(source, folder, tmp_path / "out", pytest.fail) == 1
    assets = AssetFolder(tmp_path / "out")
    (entry,) = assets.models.values()
    assert entry.size_m == pytest.approx((0.5, 0.3, 0.8))
    assert entry.elevation_m == pytest.approx(0.12)
    assert (entry.author, entry.title, entry.licence) == ("Ada", "Wedge", "CC-BY-3.0")
    model = assets.load(entry.name)
    np.testing.assert_allclose(model.vertices.min(0), [-0.25, -0.3, -0.4], atol=1e-5)
    np.testing.assert_allclose(model.vertices.max(0), [0.25, 0.0, 0.4], atol=1e-5)
    # the ridge (x = 0 in the file) is the highest: y points down
    ridge = model.vertices[model.vertices[:, 1] < -0.29]
    np.testing.assert_allclose(ridge[:, 0], -0.25, atol=1e-5)
    # sides of the order of the corners, and their normals, point outwards
    corner = model.vertices[model.faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    outward = corner.mean(1) - model.vertices.mean(0)
    assert ((normal * outward).sum(1) > 0).all()
    assert ((normal[:, None] * model.normals[model.faces]).sum(-1) > 0).all()
    colored = model.texture_of == -1
    np.testing.assert_allclose(model.colors[colored], [[0.2, 0.4, 0.6]], atol=0.01)
    assert model.textures.shape == (1, 256, 256, 4)


def test_textures_are_the_right_way_up(furniture, tmp_path):
    folder, source = furniture
    convert(source, folder, tmp_path / "out", pytest.fail)
    assets = AssetFolder(tmp_path / "out")
    model = assets.load(next(iter(assets.models)))
    part = int(np.flatnonzero(model.texture_of == 0)[0])
    used = np.unique(model.faces[model.starts[part] : model.starts[part + 1]])
    # vt 1 1 of the file is the upper right corner of the picture: row 0 here
    far_ridge = used[np.argmin(model.vertices[used] @ [1, 1, 1])]
    row = np.clip(int(model.uv[far_ridge, 1] * 255), 0, 255)
    assert model.uv[far_ridge, 1] == pytest.approx(0.0, abs=1e-4)
    assert model.textures[0, row, 128, 0] == 255


def test_a_stopped_conversion_goes_on(furniture, tmp_path):
    folder, source = furniture
    convert(source, folder, tmp_path / "out", pytest.fail)
    path = next((tmp_path / "out" / "models").glob("*.npz"))
    before = path.stat().st_mtime_ns
    assert convert(source, folder, tmp_path / "out", pytest.fail) == 1
    assert path.stat().st_mtime_ns == before
    path.unlink()
    assert convert(source, folder, tmp_path / "out", pytest.fail) == 1
    assert path.exists()


def test_other_files_than_named_are_refused(furniture, tmp_path):
    folder, _ = furniture
    source = Source("x", "sweethome", "a test", "1", "CC0-1.0", "nobody", {"Test.sh3f": "0" * 64})
    with pytest.raises(InputError, match="expected SHA-256 000"):
        source.check(folder)
    with pytest.raises(InputError, match="no such file"):
        source.check(tmp_path)
    with pytest.raises(InputError, match="git checkout"):
        SOURCES["small-house"].check(tmp_path)


def test_broken_models_are_reported_and_left_out(furniture, tmp_path):
    folder, source = furniture
    with zipfile.ZipFile(folder / "Bad.sh3f", "w") as file:
        file.writestr("PluginFurnitureCatalog.properties", CATALOGUE)
        file.writestr("test/wedge/wedge.obj", "v 0 0 0\n")
    told = []
    assert convert(source, folder, tmp_path / "out", told.append) == 1
    assert len(told) == 1 and "wedge.obj" in told[0]


SDF = """<?xml version="1.0"?><sdf version="1.6"><model name="thing"><link name="link">
<pose>0 0 0.5 0 0 0</pose><visual name="v"><geometry><box><size>1 2 4</size></box></geometry>
<material><diffuse>1 0 0 1</diffuse></material></visual></link></model></sdf>"""
WORLD = """<?xml version="1.0"?><sdf version="1.6"><world name="w"><model name="a">
<include><uri>model://thing</uri></include><pose>3 1 0.25 0 0 1.5707963</pose>
</model></world></sdf>"""


def test_gazebo_models_and_worlds_turn_into_optical_axes(tmp_path):
    root = tmp_path / "checkout"
    (root / "models" / "thing").mkdir(parents=True)
    (root / "models" / "thing" / "model.sdf").write_text(SDF)
    (root / "a.world").write_text(WORLD)
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    source = Source(
        "small-house", "gazebo", "a", head.stdout.strip(), "MIT-0", "b", {}, ("a.world",)
    )
    assert convert(source, root, tmp_path / "out", pytest.fail) == 1
    assets = AssetFolder(tmp_path / "out")
    # forward x, left y, up z become z, -x, -y
    model = assets.load("small-house-thing")
    np.testing.assert_allclose(model.vertices.min(0), [-1, -2.5, -0.5], atol=1e-5)
    np.testing.assert_allclose(model.vertices.max(0), [1, 1.5, 0.5], atol=1e-5)
    np.testing.assert_allclose(model.colors, [[1, 0, 0]])
    ((name, matrix),) = assets.world("a")
    assert name == "small-house-thing"
    np.testing.assert_allclose(matrix[:3, 3], [-1, -0.25, 3], atol=1e-6)
    # a quarter turn to the left about the vertical: forward becomes left
    np.testing.assert_allclose(matrix[:3, :3] @ [0, 0, 1], [-1, 0, 0], atol=1e-6)
    assert "MIT-0" in (tmp_path / "out" / "CREDITS.md").read_text()
    assert world_models(root / "a.world", "x")[0]["model"] == "x-thing"


def test_normals_are_smooth_but_for_creases():
    ball = trimesh.creation.icosphere(3)
    smooth = corner_normals(ball.vertices, ball.faces)
    np.testing.assert_allclose(smooth, ball.vertices[ball.faces], atol=0.02)
    cube = trimesh.creation.box()
    flat = corner_normals(cube.vertices, cube.faces)
    np.testing.assert_allclose(flat, np.repeat(cube.face_normals[:, None], 3, 1), atol=1e-9)


def entry(name="a", source="sweethome", **values):
    row = {"category": "", "size_m": (1.0, 1.0, 1.0), "triangles": 10, **values}
    return ModelEntry(name=name, source=source, **row)


@pytest.mark.parametrize(
    ("model", "use"),
    [
        (entry(size_m=(0.1, 0.2, 0.1)), "small"),
        (entry(title="Chair", size_m=(0.5, 0.9, 0.6)), "seat"),
        (entry(title="Desk", size_m=(1.2, 0.7, 0.6)), "table"),
        (entry(elevation_m=1.9, size_m=(0.4, 0.3, 0.2)), "hanging"),
        (entry(opening=True), "opening"),
        (entry(category="Characters"), "person"),
        (entry(category="Vehicles", size_m=(1.8, 1.5, 4.4)), "vehicle"),
        (entry("gazebo-models-oak_tree", "gazebo-models"), "tree"),
        (entry("gazebo-models-house_1", "gazebo-models"), "building"),
        (entry("gazebo-models-ground_plane", "gazebo-models"), None),
        (entry("small-house-RoomWall_01", "small-house"), None),
    ],
)
def test_models_are_used_where_they_belong(model, use):
    assert use_of(model) == use


def test_textures_of_models_join_the_library(furniture, tmp_path):
    folder, source = furniture
    convert(source, folder, tmp_path / "out", pytest.fail)
    library = procedural_library(0, 2, cutouts=2)
    joined, stock = furnished(library, AssetFolder(tmp_path / "out"), seed=0)
    meshes = sorted(stock.uses["big"][0].meshes, key=lambda pair: len(pair[0].faces))
    ((mesh, material), (_, plain)) = meshes
    assert len(joined.bank.textures) == len(library.bank.textures) + 2  # white, and its own
    np.testing.assert_array_equal(
        joined.bank.textures[: len(library.bank.textures)], library.bank.textures
    )
    own = joined.bank.textures[material.texture]
    assert own[:120, :, 0].min() == 255 and own[136:, :, 0].max() == 0
    np.testing.assert_allclose(plain.tint, np.array([0.2, 0.4, 0.6]) ** 2, atol=0.01)
    assert len(mesh.faces) == 2
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert index[0]["triangles"] == 8

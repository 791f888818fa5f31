"""Draws scenes with OpenGL, on a GPU or in software (Mesa's llvmpipe), without a window. Needs
`moderngl` and EGL.
"""

from __future__ import annotations

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.errors import EngineError
from depth_ros.synthetic.raster.projection import clip_T_camera, clip_T_world_of_sun
from depth_ros.synthetic.raster.scene import PART_TEXELS, Bank, Scene, Truth, packed
from depth_ros.synthetic.raster.shaders import PASSES, PROGRAMS

_SHADOW_PX = 1024
_ATTRIBUTES = ("3f 3f 2f 1f", "position", "normal", "uv", "part")
_SUPERSAMPLING = 2


class Renderer:
    """One OpenGL context with a bank of textures; `load` a scene, then ask for pictures and truth.

    Args:
        bank: the textures that scenes refer to.

    Raises:
        EngineError: moderngl is not installed, or the machine has no EGL.
    """

    def __init__(self, bank: Bank):
        self._gl = _context()
        self._programs = {
            name: self._gl.program(vertex_shader=vertex, fragment_shader=fragment)
            for name, (vertex, fragment) in PROGRAMS.items()
        }
        self._frames = {}
        self._loaded = []
        self._full = self._gl.buffer(np.float32([-1, -1, 3, -1, -1, 3]).tobytes())
        self._shadow = self._gl.depth_texture((_SHADOW_PX, _SHADOW_PX))
        self._shadow.compare_func = "<="
        self._shadow.filter = (self._gl.NEAREST, self._gl.NEAREST)
        self._shadow.repeat_x = False
        self._shadow.repeat_y = False
        self._shadow_frame = self._gl.framebuffer(depth_attachment=self._shadow)
        self._textures = None
        self._cutouts = None
        self.use(bank)

    def use(self, bank: Bank) -> None:
        """Upload another bank of textures; scenes loaded before it are void."""
        self._activate()
        for old in (self._textures, self._cutouts):
            if old is not None:
                old.release()
        self._textures = self._array(np.pad(bank.textures, ((0, 0),) * 3 + ((0, 1),)))
        self._cutouts = self._array(bank.cutouts[..., None])
        linear = (bank.textures[:, ::4, ::4].astype(np.float32) / 255) ** 2
        self.mean_colors = linear.mean((1, 2))

    def load(self, scene: Scene, eye: np.ndarray) -> None:
        """Upload a scene, and draw its shadows; eye (3,) m is about where it will be seen from."""
        self._activate()
        for old in self._loaded:
            old.release()
        geometry = packed(scene, self.mean_colors, eye)
        self._light = scene.light
        vertices = self._gl.buffer(geometry.vertices.tobytes())
        rows = len(geometry.table)
        self._table = self._gl.texture((PART_TEXELS, rows), 4, geometry.table.tobytes(), dtype="f4")
        self._table.filter = (self._gl.NEAREST, self._gl.NEAREST)
        self._loaded = [vertices, self._table]
        self._batches = []
        for name, faces in geometry.faces.items():
            index = self._gl.buffer(faces.tobytes())
            self._loaded.append(index)
            self._batches.append((name, vertices, index))
        self._draw_shadows()

    def truth(self, camera: Camera, world_T_camera: np.ndarray) -> Truth:
        """Measure what each pixel of a camera at world_T_camera (4, 4) sees first."""
        self._activate()
        frame = self._frame("truth", camera.height, camera.width)
        frame.use()
        frame.clear()
        self._draw("truth", camera, world_T_camera, PASSES)
        shape = (camera.height, camera.width)
        depth = _read(frame, 1, 1).reshape(shape)
        rest = _read(frame, 0, 4).reshape(*shape, 4)
        seen = depth > 0
        normal = np.where(seen[..., None], rest[..., :3], np.float32(np.nan))
        instance = np.rint(rest[..., 3]).astype(np.int32)
        return Truth(np.where(seen, depth, np.float32(np.nan)), normal, instance)

    def picture(self, camera: Camera, world_T_camera: np.ndarray) -> np.ndarray:
        """Draw what a camera at world_T_camera (4, 4) sees, 4 samples a pixel.

        Returns:
            (H, W, 3) float32, square root of the linear light, not limited to 1.
        """
        self._activate()
        fine = camera.resized(camera.height * _SUPERSAMPLING, camera.width * _SUPERSAMPLING)
        frame = self._frame("color", fine.height, fine.width)
        frame.use()
        frame.clear()
        self._draw("color", fine, world_T_camera, PASSES[:-1])
        self._draw_sky(fine, world_T_camera)
        self._gl.enable(self._gl.BLEND)
        self._draw("color", fine, world_T_camera, PASSES[-1:])
        self._gl.disable(self._gl.BLEND)
        coarse = self._frame("resolve", camera.height, camera.width)
        coarse.use()
        self._gl.disable(self._gl.DEPTH_TEST)
        frame.color_attachments[0].use(0)
        self._programs["resolve", ""]["fine"] = 0
        self._over_all(self._programs["resolve", ""])
        pixels = _read(coarse, 0, 4).reshape(camera.height, camera.width, 4)
        return np.ascontiguousarray(pixels[..., :3])

    def depth(self, camera: Camera, world_T_camera: np.ndarray) -> np.ndarray:
        """Measure only the depth (H, W) float32 m of what is seen first, NaN in the sky."""
        self._activate()
        frame = self._frame("depth", camera.height, camera.width)
        frame.use()
        frame.clear()
        self._draw("depth", camera, world_T_camera, PASSES)
        depth = _read(frame, 0, 1).reshape(camera.height, camera.width)
        return np.where(depth > 0, depth, np.float32(np.nan))

    def close(self) -> None:
        """Free the context."""
        self._gl.release()

    def _activate(self):
        """Make this renderer's context the current one: a process may have several."""
        self._gl.__enter__()

    def _array(self, layers):
        """A texture array with mipmaps of (N,S,S,C) uint8."""
        count, height, width, channels = layers.shape
        data = np.ascontiguousarray(layers).tobytes()
        array = self._gl.texture_array((width, height, count), channels, data, alignment=1)
        array.build_mipmaps()
        array.filter = (self._gl.LINEAR_MIPMAP_NEAREST, self._gl.LINEAR)
        array.repeat_x = True
        array.repeat_y = True
        return array

    def _frame(self, kind, height, width):
        """The framebuffer of this kind and size, made once."""
        key = (kind, height, width)
        if key not in self._frames:
            size = (width, height)
            if kind == "truth":
                colors = [
                    self._gl.texture(size, 4, dtype="f4"),
                    self._gl.texture(size, 1, dtype="f4"),
                ]
            elif kind == "depth":
                colors = [self._gl.texture(size, 1, dtype="f4")]
            elif kind == "color":
                colors = [self._gl.texture(size, 4, dtype="f2")]
            else:
                colors = [self._gl.texture(size, 4, dtype="f4")]
            depth = None if kind == "resolve" else self._gl.depth_renderbuffer(size)
            self._frames[key] = self._gl.framebuffer(colors, depth)
        return self._frames[key]

    def _draw(self, kind, camera, world_T_camera, passes):
        """Draw the batches of some passes with the programs of one kind."""
        self._gl.enable(self._gl.DEPTH_TEST)
        camera_T_world = np.linalg.inv(world_T_camera)
        clip_T_world = clip_T_camera(camera) @ camera_T_world
        for name, vertices, index in self._batches:
            if name not in passes:
                continue
            program = self._programs[kind, name]
            self._set(program, "clip_T_world", clip_T_world.T)
            self._set(program, "depth_of_world", camera_T_world[2])
            self._set(program, "eye", world_T_camera[:3, 3])
            self._triangles(program, vertices, index)

    def _triangles(self, program, vertices, index):
        self._bind(program)
        layout = _layout(program)
        array = self._gl.vertex_array(
            program, [(vertices, *layout)], index_buffer=index, skip_errors=True
        )
        array.render()
        array.release()

    def _bind(self, program):
        """Bind textures and set the light of the scene."""
        for unit, (name, texture) in enumerate(
            (
                ("table", self._table),
                ("cutouts", self._cutouts),
                ("textures", self._textures),
                ("shadow", self._shadow),
            )
        ):
            if name in program:
                texture.use(unit)
                program[name] = unit
        light = self._light
        lamps = np.zeros((2, 3))
        colors = np.zeros((2, 3))
        lamps[: len(light.lamps)] = light.lamps
        colors[: len(light.lamps)] = light.lamp_colors
        for name, value in {
            "towards_sun": light.towards_sun,
            "sun": light.sun,
            "sky": light.sky,
            "ground": light.ground,
            "lamp_0": lamps[0],
            "lamp_1": lamps[1],
            "lamp_color_0": colors[0],
            "lamp_color_1": colors[1],
            "environment": light.environment,
            "fog": light.fog,
            "sky_gain": light.sky_gain,
            "haze": 0.8 * light.sky_gain * np.asarray(light.sky),
            "shadow_on": float(light.shadow_center is not None),
        }.items():
            self._set(program, name, value)
        if light.shadow_center is not None:
            bias = np.diag([0.5, 0.5, 0.5, 1.0])
            bias[:3, 3] = [0.5, 0.5, 0.5 - 2e-3]
            self._set(program, "shadow_T_world", (bias @ clip_T_world_of_sun(light)).T)

    def _set(self, program, name, value):
        if name in program:
            program[name].write(np.asarray(value, np.float32).tobytes())

    def _draw_shadows(self):
        """Draw the scene's depth as the sun sees it."""
        if self._light.shadow_center is None:
            return
        self._shadow_frame.use()
        self._shadow_frame.clear(depth=1.0)
        self._gl.enable(self._gl.DEPTH_TEST)
        for name, vertices, index in self._batches:
            if name == "panes":
                continue
            program = self._programs["shadow", name]
            self._set(program, "clip_T_world", clip_T_world_of_sun(self._light).T)
            self._triangles(program, vertices, index)

    def _draw_sky(self, camera, world_T_camera):
        """Fill what no part covers."""
        program = self._programs["sky", ""]
        clip_R = np.linalg.inv(clip_T_camera(camera)[[0, 1, 3]][:, :3])
        self._set(program, "world_R_clip", (world_T_camera[:3, :3] @ clip_R).T)
        self._bind(program)
        self._gl.depth_func = "<="
        self._over_all(program)
        self._gl.depth_func = "<"

    def _over_all(self, program):
        array = self._gl.vertex_array(program, [(self._full, "2f", "corner")])
        array.render()
        array.release()


def _layout(program):
    """Attributes of the vertex buffer; those that a program does not use are skipped."""
    formats = _ATTRIBUTES[0].split()
    names = _ATTRIBUTES[1:]
    spans = {"3f": 12, "2f": 8, "1f": 4}
    used = [f if n in program else f"{spans[f]}x" for f, n in zip(formats, names)]
    return " ".join(used), *(name for name in names if name in program)


def _read(frame, attachment, components):
    data = frame.read(components=components, attachment=attachment, dtype="f4", alignment=1)
    return np.frombuffer(data, np.float32)


def _context():
    try:
        import moderngl
    except ImportError as error:
        raise EngineError(
            "the rasterised world needs the Python package moderngl, which is not installed: "
            "pip install 'depth_ros[synthetic]'"
        ) from error
    try:
        context = moderngl.create_standalone_context(backend="egl")
    except Exception as error:  # moderngl raises plain Exceptions
        raise EngineError(
            "expected an EGL driver to render with (Debian: libegl1 libegl-mesa0 libgl1-mesa-dri), "
            f"got: {error}"
        ) from error
    context.blend_func = context.SRC_ALPHA, context.ONE_MINUS_SRC_ALPHA
    return context

"""The page itself: moments go to Rerun's recording, which a browser shows or a file keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depth_ros.core.axes import body_R_optical
from depth_ros.core.errors import InputError
from depth_ros.files import replacing

from .snapshot import Moment, cloud, depth_picture, picture, sigma_picture

_MEMORY = "500MiB"  # what a browser that comes later still gets; the oldest goes first
_SPIN_RAD_S = 0.15  # of the cloud; a hand on the mouse stops it
_PATH_POINTS = 2000
_MAGIC = b"RRF"  # every .rrd begins with it, and the number of its format


def load_rerun():
    """Import rerun; raises InputError that says how to get it."""
    try:
        import rerun
    except ImportError as error:
        raise InputError(
            f"expected rerun for the page (pip install rerun-sdk), got: {error}"
        ) from error
    return rerun


class Page:
    """A recording that grows. save: a file to write instead of serving; raises InputError where it
    cannot be written.

    with: the file is complete when the block ends.
    """

    def __init__(self, name: str, save: Path | None = None):
        self._rr = load_rerun()
        self._recording = self._rr.RecordingStream("depth_ros", recording_id=None)
        self._way: list[np.ndarray] = []
        self._file = None if save is None else replacing(save)
        self.blueprint = blueprint(self._rr)
        if self._file is not None:
            try:
                part = self._file.__enter__()
                self._recording.save(str(part), default_blueprint=self.blueprint)
            except (OSError, RuntimeError) as error:
                raise InputError(f"{save}: expected to write a file here, got: {error}") from error
        self._recording.log("odom", self._rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
        self._name = name
        self._note = ""
        self._seen = False
        self.say("name", name)

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *error) -> None:
        self._recording.flush()
        self._recording.disconnect()
        if self._file is not None:
            self._file.__exit__(*error)

    def serve(
        self, port: int, data_port: int, host: str = "127.0.0.1", open_browser: bool = False
    ) -> str:
        """Serve the page; gives its address. host: by which name the browser reaches this
        machine.
        """
        self._recording.serve_grpc(
            grpc_port=data_port,
            default_blueprint=self.blueprint,
            server_memory_limit=_MEMORY,
            newest_first=True,
        )
        return serve_viewer(self._rr, port, data_port, host, open_browser)

    def show(self, moment: Moment) -> None:
        """Send one instant; what it does not know is left as it was."""
        rr = self._rr
        log = self._recording.log
        self._recording.set_time("stamp", timestamp=np.datetime64(moment.stamp_ns, "ns"))
        if moment.image is not None:
            log("pictures/image", _jpeg(rr, picture(moment.image)))
        if moment.depth is not None:
            log("pictures/depth", _jpeg(rr, depth_picture(moment.depth)))
            if moment.sigma is not None:
                log("pictures/sigma", _jpeg(rr, sigma_picture(moment.depth, moment.sigma)))
            if not moment.relative:
                self._step_back(moment.depth)
                points, colours = cloud(moment.depth, moment.camera, moment.image)
                log(
                    "odom/camera/points",
                    rr.Points3D(points, colors=colours, radii=rr.Radius.ui_points(2.0)),
                )
        self._move(moment.odom_T_camera)
        for name, value in moment.figures.items():
            log(f"figures/{name}", rr.Scalars(float(value)))

    def _step_back(self, depth: np.ndarray) -> None:
        """Once, at the first cloud: look at the middle of it, a street from farther away than a
        desk.
        """
        known = depth[np.isfinite(depth)]
        if self._seen or not known.size:
            return
        self._seen = True
        self._recording.send_blueprint(
            blueprint(self._rr, float(np.clip(np.median(known), 0.5, 20)))
        )

    def say(self, name: str, words: str) -> None:
        """Show a text (Markdown) on the page."""
        self._recording.log(
            f"text/{name}", self._rr.TextDocument(words, media_type="text/markdown"), static=True
        )

    def note(self, words: str) -> None:
        """Show a note below the name, where it is new."""
        if words != self._note:
            self._note = words
            self.say("name", f"{self._name}\n\n{words}")

    def _move(self, odom_T_camera: np.ndarray | None) -> None:
        """Place the camera, and lengthen its way."""
        rr = self._rr
        pose = odom_T_camera
        if pose is None:
            pose = np.eye(4)
            pose[:3, :3] = body_R_optical
        self._recording.log(
            "odom/camera", rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3])
        )
        if odom_T_camera is None:
            return
        self._way.append(pose[:3, 3].copy())
        if len(self._way) > _PATH_POINTS:
            self._way = self._way[::2]
        if len(self._way) > 1:
            self._recording.log(
                "odom/way", rr.LineStrips3D([np.array(self._way)], colors=[[47, 111, 176]])
            )


def open_saved(
    path: Path, port: int, data_port: int, host: str, open_browser: bool = False
) -> tuple[str, object]:
    """Serve a file that a page has saved; gives the address, and what serves it as long as it is
    held.

    Raises InputError where there is no such file, or one that is not Rerun's.
    """
    rr = load_rerun()
    if not path.is_file():
        raise InputError(
            f"{path}: expected a file that `depth-ros view --save` has written, got "
            "nothing at this path"
        )
    with path.open("rb") as file:
        if not file.read(4).startswith(_MAGIC):
            raise InputError(
                f"{path}: expected a file that `depth-ros view --save` has written, got "
                "another kind"
            )
    recording = rr.RecordingStream("depth_ros_file")
    recording.serve_grpc(grpc_port=data_port)
    recording.log_file_from_path(str(path))
    return serve_viewer(rr, port, data_port, host, open_browser), recording


def serve_viewer(rr, port: int, data_port: int, host: str, open_browser: bool) -> str:
    """Serve the viewer's own files, which come with the wheel: nothing is asked of the Internet."""
    data = f"rerun+http://{host}:{data_port}/proxy"
    try:
        rr.serve_web_viewer(web_port=port, open_browser=open_browser, connect_to=data)
    except RuntimeError as error:
        raise InputError(f"port {port}: expected to serve the page there, got: {error}") from error
    return f"http://{host}:{port}/?url={data.replace('+', '%2B')}&renderer=webgl"


def blueprint(rr, distance_m: float = 5.0):
    """Lay the page out: pictures left, the turning cloud in the middle, rates and drops below.

    distance_m: of what is looked at, ahead of the camera.
    """
    import rerun.blueprint as rrb

    titles = {
        "image": "Camera",
        "depth": "Inverse depth: red near, blue far",
        "sigma": "Uncertainty: dark is sure",
    }
    views = [
        rrb.Spatial2DView(origin=f"pictures/{key}", name=title) for key, title in titles.items()
    ]
    # seen from behind the camera, in its own axes (x right, y down, z ahead): the way moves, the
    # cloud stays near
    position = (0.4 * distance_m, -0.6 * distance_m, -distance_m)
    target = (0.0, 0.0, distance_m)
    eye = rrb.EyeControls3D(
        kind=rrb.Eye3DKind.Orbital,
        spin_speed=_SPIN_RAD_S,
        position=position,
        look_target=target,
        eye_up=(0.0, -1.0, 0.0),
    )
    scene = rrb.Spatial3DView(
        origin="odom/camera", contents="odom/**", name="Points and way", eye_controls=eye
    )
    plots = [
        rrb.TimeSeriesView(origin=f"figures/{key}", name=key)
        for key in ("rates_hz", "times_ms", "drops")
    ]
    return rrb.Blueprint(
        rrb.Vertical(
            rrb.Horizontal(rrb.Vertical(*views), scene, column_shares=[1, 2]),
            rrb.Horizontal(*plots, rrb.TextDocumentView(origin="text/name", name="About")),
            row_shares=[3, 1],
        ),
        rrb.BlueprintPanel(state="hidden"),
        rrb.SelectionPanel(state="hidden"),
        rrb.TimePanel(state="collapsed", timeline="stamp", play_state="following"),
        auto_views=False,
    )


def _jpeg(rr, content: bytes):
    return rr.EncodedImage(contents=content, media_type="image/jpeg")

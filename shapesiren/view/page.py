"""The viewer's page (viser): points, surface, a slice to drag, a level to choose, a point to ask about.

All that is drawn is in box coordinates; what is said of a point is in the user's.
"""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..pointcloud.header import CloudHeader
from ..pointcloud.units import suffix
from ..reports.maps import Map, colour_bar
from ..reports.page import text
from ..surface.query import intersect_rays
from .run_watcher import Array, RunWatcher

LEGEND = '<div style="padding: 0 1em; font-size: 0.8em">{}</div>'
DRAWN_POINTS = 60_000  # of the cloud that are drawn, a random choice
RESOLUTION, LIVE_RESOLUTION = 128, 48  # cells along the longest side of a surface; of one that a fit changes every second
AMBIENT = 0.8  # light from everywhere
LOOK_SECONDS = 0.5  # between looks at the run folder
LONGEST_PAUSE = 20.0  # seconds between them when the viewer has used up its share of a core


@dataclass
class SliceHandle:
    """What a slice is dragged by, and the axis that it moves along."""

    control: Any
    axis: int

    def remove(self) -> None:
        self.control.remove()


class Viewer:
    """Serves the page of one run until it is stopped.

    Parameters
    ----------
    folder : of the run; what is not there yet is waited for
    host, port : where the page is served; a taken port is replaced by the next free one
    up : the vertical axis, x, y or z; auto: as the scan tells, as soon as there is one

    Raises
    ------
    InputError : viser is missing, or the run has no surface
    """

    def __init__(self, folder: Path, host: str = "127.0.0.1", port: int = 8080, up: str = "auto") -> None:
        try:
            import viser
        except ImportError:
            raise InputError("the package viser is missing", where="view", hint="pip install 'shapesiren[live]'") from None
        self.run = RunWatcher(folder)
        self.cloud = self.run.cloud()
        with contextlib.redirect_stdout(io.StringIO()):  # its banner
            self.server = viser.ViserServer(host=host, port=port, label=f"shapesiren: {folder.name}", verbose=False)
        self.host, self.port = host, self.server.get_port()
        self.asked_up = None if up == "auto" else up
        self._turn_upright()
        self.server.scene.configure_default_lights(cast_shadow=False)
        # what the lamps do not reach, the inside of a bowl or what one looks at from below, is seen as well
        self.server.scene.add_light_ambient("/ambient", intensity=AMBIENT)
        self.drawing = threading.Lock()  # viser calls back in threads of its own
        self.stopped = threading.Event()
        self.shown = ""  # which surface
        self.drawn: dict[str, Any] = {}  # handles of what is in the scene, by name
        self._add_panel()
        if self.cloud is not None:
            self._draw_points(self.cloud)

    def _turn_upright(self) -> None:
        """Stand what is shown on its feet, and look at it from a little above."""
        up = self.asked_up or self.run.vertical() or "y"
        self.server.scene.set_up_direction(f"+{up}")  # type: ignore[arg-type]
        self.server.initial_camera.position = {"x": (0.6, 1.7, 1.0), "y": (1.0, 0.6, 1.7), "z": (1.0, -1.7, 0.7)}[up]
        self.server.initial_camera.look_at = (0.0, 0.0, 0.0)

    @property
    def address(self) -> str:
        return f"http://{'localhost' if self.host in ('127.0.0.1', '0.0.0.0') else self.host}:{self.port}"

    # ---- The panel ----------------------------------------------------------------------------------
    def _add_panel(self) -> None:
        gui = self.server.gui
        self.status = gui.add_markdown("waiting for the fit")
        self.show_points = gui.add_checkbox("points", True)
        self.show_surface = gui.add_checkbox("surface", True)
        self.show_bars = gui.add_checkbox("error bars", False, hint="of a mesh that was made with --uncertainty")
        self.show_measured = gui.add_checkbox("measured or invented", self.run.completed(), hint="how far the nearest point is")
        self.legend = gui.add_html("")
        self.level = gui.add_slider("level, % of the box", -20.0, 20.0, 0.1, 0.0)
        self.show_slice = gui.add_checkbox("slice", False)
        self.axis = gui.add_dropdown("slice across", ("x", "y", "z"), initial_value="z")
        self.place = gui.add_slider("slice at", -1.0, 1.0, 0.01, 0.0)
        self.asking = gui.add_checkbox("ask at a point", False)
        self.answer = gui.add_markdown("Click the surface, or tick the box above and drag the handle.")
        for box in (self.show_points, self.show_surface, self.asking):
            box.on_update(lambda _: self._show_and_hide())
        self.level.on_update(lambda _: self._surface_changed())
        self.show_bars.on_update(lambda _: self._coloured(self.show_bars, self.show_measured))
        self.show_measured.on_update(lambda _: self._coloured(self.show_measured, self.show_bars))
        for control in (self.show_slice, self.axis, self.place):
            control.on_update(lambda _: self.draw_slice())
        self.pointer = self.server.scene.add_transform_controls("/ask", scale=0.25, disable_rotations=True, visible=False)
        self.pointer.on_update(lambda _: self.describe_point(np.array(self.pointer.position)[None]))
        self.server.scene.on_click()(self._clicked)

    def _show_and_hide(self) -> None:
        """Show and hide what the boxes say."""
        for name, control in (("points", self.show_points), ("surface", self.show_surface)):
            if name in self.drawn:
                self.drawn[name].visible = control.value
        self.pointer.visible = self.asking.value

    def _surface_changed(self) -> None:
        if self.draw_surface() and not self.run.fitting:
            self.status.content = f"fitted; {self.shown}"

    def _coloured(self, chosen: Any, other: Any) -> None:
        """Colours were chosen, or given up: one kind of them at a time."""
        if chosen.value and other.value:
            other.value = False  # which draws the surface
        else:
            self.draw_surface()

    # ---- What is drawn ---------------------------------------------------------------------------------
    def _draw_points(self, cloud: dict[str, Array]) -> None:
        """``cloud``: the ingested arrays, with ``points`` (n, 3)."""
        points = cloud["points"]
        index = np.random.default_rng(0).choice(len(points), min(DRAWN_POINTS, len(points)), replace=False)
        plain = np.tile(np.array([[60, 110, 170]], np.uint8), (len(index), 1))
        self.drawn["points"] = self.server.scene.add_point_cloud(
            "/points",
            points[index],
            cloud["colours"][index] if "colours" in cloud else plain,
            point_size=0.006,
            point_shape="circle",
            precision="float32",
            visible=self.show_points.value,
        )

    def draw_surface(self) -> bool:
        """Make the surface anew; whether there is one."""
        with self.drawing:
            field = self.run.field
            if field is None:
                return False
            resolution = LIVE_RESOLUTION if self.run.fitting else RESOLUTION
            made = self.run.mesh() if self.level.value == 0 else None
            self.shown = "the run's mesh" if made is not None else "level set of the field, untrimmed"
            if made is None:
                made = self.run.surface(resolution, self.level.value / 100 * field.frame.scale)
            if made is None:
                return False
            vertices, faces = made
            shown = self._colours(vertices)
            if shown is not None:
                import trimesh

                # each face from both sides: without a material of its own a mesh has no back
                both = np.concatenate([vertices, vertices]), np.concatenate([faces, faces[:, ::-1] + len(vertices)])
                coloured = trimesh.Trimesh(*both, vertex_colors=np.tile(shown.colours(), (2, 1)), process=False)
                self.drawn["surface"] = self.server.scene.add_mesh_trimesh(
                    "/surface", coloured, visible=self.show_surface.value
                )
                return True
            self.drawn["surface"] = self.server.scene.add_mesh_simple(
                "/surface",
                vertices.astype(np.float32),
                faces.astype(np.uint32),
                color=(205, 190, 168),
                side="double",
                visible=self.show_surface.value,
            )
            return True

    def _colours(self, vertices: Array) -> Map | None:
        """What the surface is coloured by, if by anything; its colour bar goes into the panel, or why there is none."""
        shown, said = None, ""
        if self.show_measured.value:
            shown = self.run.measured(vertices)
        elif self.show_bars.value:
            shown = self.run.error_bars(vertices)
            said = "" if shown else "This run's mesh has no error bars: `shapesiren mesh --uncertainty` makes them."
        self.legend.content = LEGEND.format(text(said) if shown is None else colour_bar(shown) + text(shown.note))
        return shown

    def draw_slice(self) -> None:
        """Make the slice anew, or remove it if its box is not ticked."""
        with self.drawing:
            if not self.show_slice.value:
                for name in ("slice", "slice handle"):
                    if name in self.drawn:
                        self.drawn.pop(name).remove()
                return
            axis = "xyz".index(self.axis.value)
            made = self.run.slice(axis, self.place.value)
            if made is None:
                return
            picture, centre, size = made
            # the picture's own axes (x to the right, y down, z into the screen) on the plane's two axes
            right, above = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
            turn = quaternion(np.stack([right, -above, np.cross(right, -above)], 1))
            self.drawn["slice"] = self.server.scene.add_image(
                "/slice", picture, float(size[0]), float(size[1]), wxyz=turn, position=centre
            )
            self._add_slice_handle(axis, centre)

    def _add_slice_handle(self, axis: int, centre: Array) -> None:
        """The handle that drags the slice along its axis, unless it is there; ``centre`` (3,) is where it stands."""
        held = self.drawn.get("slice handle")
        if held is not None:
            if held.axis == axis:
                return
            self.drawn.pop("slice handle").remove()
        free = (axis == 0, axis == 1, axis == 2)
        control = self.server.scene.add_transform_controls(
            "/grip", scale=0.3, active_axes=free, disable_sliders=True, disable_rotations=True, position=centre
        )
        self.drawn["slice handle"] = SliceHandle(control, axis)

        @control.on_update
        def _(_: Any) -> None:
            place = float(np.clip(np.round(control.position[axis], 2), -1, 1))
            if place != self.place.value:
                self.place.value = place  # type: ignore[misc]  # which draws the slice

    # ---- What is said of a point -------------------------------------------------------------------------
    def describe_point(self, point: Array) -> None:
        """Say what the field is at a box point (1, 3)."""
        field = self.run.field
        if field is None:
            return
        user = field.frame.to_user(point)
        distance, normal = float(field(user)[0]), field.normal(user)[0]
        words = [
            f"**point** {', '.join(f'{v:.6g}' for v in user[0])}{suffix(CloudHeader.of(field.header).units)}",
            f"**distance** {distance:.4g}{suffix(CloudHeader.of(field.header).units)}",
            f"**normal** {', '.join(f'{v:.3f}' for v in normal)}",
        ]
        self.answer.content = "\n\n".join(words)

    def _clicked(self, event: Any) -> None:
        """Describe the surface's point under a click, if there is one, and mark it."""
        field = self.run.field
        if field is None:
            return
        origin, direction = np.array(event.ray_origin)[None], np.array(event.ray_direction)[None]
        distance, points, _ = intersect_rays(field, field.frame.to_user(origin), direction)
        if np.isfinite(distance[0]):
            point = field.frame.to_box(points)
            self.drawn["asked"] = self.server.scene.add_icosphere("/asked", 0.012, (220, 60, 60), position=point[0])
            self.describe_point(point)

    # ---- Following the run --------------------------------------------------------------------------
    def look(self) -> None:
        """Look at the run folder once, and draw what is new."""
        if self.cloud is None:
            self.cloud = self.run.cloud()
            if self.cloud is not None:
                self._turn_upright()
                self._draw_points(self.cloud)
        if not self.run.refresh():
            return
        there = self.draw_surface()
        if self.show_slice.value:
            self.draw_slice()
        state = f"fitting: {self.run.progress()}" if self.run.fitting else "fitted"
        shown = state if self.run.fitting else f"{state}; {self.shown}"
        self.status.content = shown if there else f"{state}; no surface yet"

    def follow(self, until: Callable[[], bool] = lambda: False, core_share: float = 1.0) -> None:
        """Keep looking until ``until()`` is true or the viewer is stopped.

        ``core_share``: how much of one core that may take, in (0, 1]; while a fit runs beside it, the looks are spaced so.
        """
        while not until() and not self.stopped.is_set():
            spent, start = time.process_time(), time.monotonic()
            self.look()
            spent = time.process_time() - spent
            pause = LOOK_SECONDS
            if self.run.fitting or core_share < 1:
                pause = max(pause, spent / core_share - (time.monotonic() - start))
            self.stopped.wait(min(pause, LONGEST_PAUSE))

    def stop(self) -> None:
        self.stopped.set()
        self.server.stop()


def quaternion(rotation: Array) -> NDArray[np.float64]:
    """A rotation matrix (3, 3) as w, x, y, z."""
    from scipy.spatial.transform import Rotation

    return np.roll(Rotation.from_matrix(rotation).as_quat(), 1)

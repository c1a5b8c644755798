"""The viewer's page (viser): points, surface, a slice to drag, a level to choose, a point to ask about."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..surface.query import intersect_rays
from .run_watcher import RunWatcher

POINTS = 60_000
# Beside a fit: coarse surfaces, and no more than this share of one core
LIVE_RESOLUTION, LIVE_SHARE = 48, 0.04
RESOLUTION = 128
LOOK = 0.5  # seconds between looks at the run folder


@dataclass
class Grip:
    """A handle in the scene, and the axis that it moves along."""

    handle: Any
    axis: int

    def remove(self) -> None:
        self.handle.remove()


class Viewer:
    """Serves one run until it is told to stop.

    Parameters
    ----------
    host, port : where the page is served; a taken port is replaced by the next free one
    up : the vertical axis
    """

    def __init__(self, folder: Path, host: str = "127.0.0.1", port: int = 8080, up: str = "y") -> None:
        try:
            import viser
        except ImportError:
            raise InputError("the package viser is missing", where="view", hint="pip install 'shapesiren[live]'") from None
        self.source = RunWatcher(folder)
        self.cloud = self.source.cloud()
        with contextlib.redirect_stdout(io.StringIO()):  # its banner
            self.server = viser.ViserServer(host=host, port=port, label=f"shapesiren: {folder.name}", verbose=False)
        self.host, self.port = host, self.server.get_port()
        self.server.scene.set_up_direction(f"+{up}")  # type: ignore[arg-type]
        self.server.initial_camera.position = {"x": (0.6, 1.7, 1.0), "y": (1.0, 0.6, 1.7), "z": (1.0, -1.7, 0.7)}[up]
        self.server.initial_camera.look_at = (0.0, 0.0, 0.0)
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.drawn: dict[str, Any] = {}
        self._panel()
        if self.cloud is not None:
            self._points()

    @property
    def address(self) -> str:
        return f"http://{'localhost' if self.host in ('127.0.0.1', '0.0.0.0') else self.host}:{self.port}"

    # ---- The panel ----------------------------------------------------------------------------------
    def _panel(self) -> None:
        gui = self.server.gui
        self.status = gui.add_markdown("waiting for the fit")
        self.show_points = gui.add_checkbox("points", True)
        self.show_surface = gui.add_checkbox("surface", True)
        self.level = gui.add_slider("level, % of the box", -20.0, 20.0, 0.1, 0.0)
        self.show_slice = gui.add_checkbox("slice", False)
        self.axis = gui.add_dropdown("slice across", ("x", "y", "z"), initial_value="z")
        self.place = gui.add_slider("slice at", -1.0, 1.0, 0.01, 0.0)
        self.asking = gui.add_checkbox("ask at a point", False)
        self.answer = gui.add_markdown("Click the surface, or tick the box above and drag the handle.")
        for box in (self.show_points, self.show_surface, self.asking):
            box.on_update(lambda _: self._visible())
        self.level.on_update(lambda _: self._level_moved())
        for control in (self.show_slice, self.axis, self.place):
            control.on_update(lambda _: self.draw_slice())
        self.handle = self.server.scene.add_transform_controls("/ask", scale=0.25, disable_rotations=True, visible=False)
        self.handle.on_update(lambda _: self.ask(np.array(self.handle.position)[None]))
        self.server.scene.on_click()(self._clicked)

    def _visible(self) -> None:
        """Show and hide what the boxes say."""
        for name, control in (("points", self.show_points), ("surface", self.show_surface)):
            if name in self.drawn:
                self.drawn[name].visible = control.value
        self.handle.visible = self.asking.value

    def _level_moved(self) -> None:
        self.draw_surface()

    # ---- What is drawn, all in box coordinates ---------------------------------------------------------
    def _points(self) -> None:
        assert self.cloud is not None
        points = self.cloud["points"]
        index = np.random.default_rng(0).choice(len(points), min(POINTS, len(points)), replace=False)
        colours = (
            self.cloud["colours"][index]
            if "colours" in self.cloud
            else np.tile(np.array([[60, 110, 170]], np.uint8), (len(index), 1))
        )
        self.drawn["points"] = self.server.scene.add_point_cloud(
            "/points",
            points[index],
            colours,
            point_size=0.006,
            point_shape="circle",
            precision="float32",
            visible=self.show_points.value,
        )

    def draw_surface(self) -> bool:
        """Make the surface anew; whether there is one."""
        with self.lock:
            field = self.source.field
            if field is None:
                return False
            resolution = LIVE_RESOLUTION if self.source.fitting else RESOLUTION
            made = self.source.surface(resolution, self.level.value / 100 * field.frame.scale)
            if made is None:
                return False
            vertices, faces = made
            self.drawn["surface"] = self.server.scene.add_mesh_simple(
                "/surface",
                vertices.astype(np.float32),
                faces.astype(np.uint32),
                color=(205, 190, 168),
                side="double",
                visible=self.show_surface.value,
            )
            return True

    def draw_slice(self) -> None:
        with self.lock:
            if not self.show_slice.value:
                for name in ("slice", "grip"):
                    if name in self.drawn:
                        self.drawn.pop(name).remove()
                return
            axis = "xyz".index(self.axis.value)
            made = self.source.slice(axis, self.place.value)
            if made is None:
                return
            picture, centre, size = made
            # the picture's own axes (x to the right, y down, z into the screen) on the plane's two axes
            right, above = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
            turn = quaternion(np.stack([right, -above, np.cross(right, -above)], 1))
            self.drawn["slice"] = self.server.scene.add_image(
                "/slice", picture, float(size[0]), float(size[1]), wxyz=turn, position=centre
            )
            self._grip(axis, centre)

    def _grip(self, axis: int, centre: np.ndarray) -> None:
        """The handle that drags the slice along its axis."""
        if "grip" in self.drawn and self.drawn["grip"].axis == axis:
            return
        if "grip" in self.drawn:
            self.drawn.pop("grip").handle.remove()
        free = (axis == 0, axis == 1, axis == 2)
        handle = self.server.scene.add_transform_controls(
            "/grip", scale=0.3, active_axes=free, disable_sliders=True, disable_rotations=True, position=centre
        )
        self.drawn["grip"] = Grip(handle, axis)

        @handle.on_update
        def _(_: Any) -> None:
            place = float(np.clip(np.round(handle.position[axis], 2), -1, 1))
            if place != self.place.value:
                self.place.value = place  # type: ignore[misc]  # which draws the slice

    def ask(self, at: np.ndarray) -> None:
        """Say what the field is at one box point (1, 3)."""
        field = self.source.field
        if field is None:
            return
        user = field.frame.to_user(at)
        distance, normal = float(field(user)[0]), field.normal(user)[0]
        words = [
            f"**point** {', '.join(f'{v:.6g}' for v in user[0])}",
            f"**distance** {distance:.4g}",
            f"**normal** {', '.join(f'{v:.3f}' for v in normal)}",
        ]
        self.answer.content = "\n\n".join(words)

    def _clicked(self, event: Any) -> None:
        field = self.source.field
        if field is None:
            return
        origin, direction = np.array(event.ray_origin)[None], np.array(event.ray_direction)[None]
        distance, points, _ = intersect_rays(field, field.frame.to_user(origin), direction)
        if np.isfinite(distance[0]):
            at = field.frame.to_box(points)
            self.drawn["asked"] = self.server.scene.add_icosphere("/asked", 0.012, (220, 60, 60), position=at[0])
            self.ask(at)

    # ---- Following the run --------------------------------------------------------------------------
    def look(self) -> None:
        """Look at the run folder once, and draw what is new."""
        if self.cloud is None:
            self.cloud = self.source.cloud()
            if self.cloud is not None:
                self._points()
        if not self.source.refresh():
            return
        there = self.draw_surface()
        if self.show_slice.value:
            self.draw_slice()
        state = f"fitting: {self.source.progress()}" if self.source.fitting else "fitted"
        self.status.content = state if there else f"{state}; no surface yet"

    def follow(self, until: Any = lambda: False, share: float = 1.0) -> None:
        """Keep looking until ``until()``. ``share``: of one core, at most, while a fit is running beside it."""
        while not until() and not self.stopped.is_set():
            spent, start = time.process_time(), time.monotonic()
            self.look()
            spent = time.process_time() - spent
            pause = max(LOOK, spent / share - (time.monotonic() - start)) if self.source.fitting or share < 1 else LOOK
            self.stopped.wait(min(pause, 20))

    def stop(self) -> None:
        self.stopped.set()
        self.server.stop()


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """A rotation matrix (3, 3) as w, x, y, z."""
    from scipy.spatial.transform import Rotation

    return np.roll(Rotation.from_matrix(rotation).as_quat(), 1)


def lower_priority() -> None:
    """Give way to everything else on this machine."""
    if hasattr(os, "nice"):
        os.nice(19)
    import torch

    torch.set_num_threads(1)

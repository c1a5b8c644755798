"""A Blender add-on in one file: choose a scan and what its mesh is for, press a button, and the mesh appears.

    Edit > Preferences > Add-ons > Install from Disk > this file; then 3D View > N > Shapesiren

It calls the command line, so shapesiren need not fit Blender's Python: install it anywhere (pip install shapesiren) and name
the program in the add-on's preferences if it is not on the path. Blender stays usable while a fit runs; Esc ends it, and the
same button goes on from there.
"""

from __future__ import annotations

import json
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

bl_info = {
    "name": "Shapesiren",
    "author": "the shapesiren authors",
    "version": (1, 0, 0),
    "blender": (3, 6, 0),
    "location": "3D View > Sidebar > Shapesiren",
    "description": "From a scan to a watertight mesh",
    "category": "Import-Export",
}

PROFILES = ("anything", "print", "survey", "museum", "research")  # tests hold them to those of the command line
POLL_SECONDS = 0.25
MESSAGE = 200  # characters of a line that are shown


# ---- Without Blender: the command, and what it says --------------------------------------------------
def program(named: str) -> list[str] | None:
    """The words that call shapesiren: the program that is named, or what is found; None if there is none."""
    named = named.strip()
    if named:
        path = Path(named).expanduser()
        if path.name.lower().startswith("python"):
            return [str(path), "-m", "shapesiren"] if path.is_file() else None
        return [str(path)] if path.is_file() else None
    found = shutil.which("shapesiren")
    return [found] if found else None


def commands(words: list[str], scan: str, out: str, profile: str, resolution: int) -> list[list[str]]:
    """The command lines of a run. profile : "anything" for the defaults; resolution : cells of the longest side, 0 as usual"""
    fit, mesh = [*words, "fit", scan, "--out", out], [*words, "mesh", out]
    if profile != "anything":
        fit += ["--for", profile]
    if resolution:
        mesh += ["--resolution", str(resolution)]
    return [fit, mesh]


def run_folder(scan: str, chosen: str) -> str:
    """Where the run goes: what is chosen, or a folder beside the scan that is named after it."""
    return chosen or str(Path(scan).parent / "runs" / Path(scan).stem)


def progress_of(line: str) -> str:
    """What to show of a line of the command's output: without colours, and short."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).strip()
    return plain if len(plain) <= MESSAGE else plain[: MESSAGE - 1] + "…"


def outcome(folder: str) -> tuple[Path, str]:
    """The mesh of a finished run, and a line about it. Raises FileNotFoundError if there is none."""
    manifest = json.loads((Path(folder) / "run.json").read_text(encoding="utf-8"))
    mesh = Path(folder) / "mesh.ply"
    if not mesh.is_file():
        raise FileNotFoundError(mesh)
    found = manifest["stages"]["mesh"]["facts"].get("verification", {})
    kind = "watertight" if found.get("watertight") else "open"
    return mesh, f"{found.get('faces', 0):,} faces, {kind}, {found.get('components', 0)} parts"


class Job:
    """Commands that run one after the other, beside Blender, until one fails. Their lines are read in a thread, for a pipe that
    nobody reads stops whoever writes."""

    def __init__(self, lines: list[list[str]]) -> None:
        self.waiting = list(lines)
        self.lines: queue.Queue[str] = queue.Queue()
        self.last = ""
        self._start()

    def _start(self) -> None:
        flags = {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}
        self.process = subprocess.Popen(
            self.waiting.pop(0),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            **flags,
        )
        self.reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self.reader.start()

    def _read(self, pipe: IO[str]) -> None:
        for line in pipe:
            self.lines.put(line)

    def poll(self) -> int | None:
        """The exit code, None while there is more to do; ``last`` is then the last line that was written."""
        code = self.process.poll()
        if code is not None:
            self.reader.join(timeout=5)
        while not self.lines.empty():
            self.last = progress_of(self.lines.get()) or self.last
        if code == 0 and self.waiting:
            self._start()
            return None
        return code

    def wait(self) -> int:
        """The exit code, when all is done."""
        while (code := self.poll()) is None:
            time.sleep(POLL_SECONDS)
        return code

    def stop(self) -> None:
        """End it as Ctrl-C would: what was fitted is kept."""
        self.waiting.clear()
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()


# ---- In Blender -----------------------------------------------------------------------------------------
try:
    import bpy
except ImportError:  # read by a test, or by python: what stands above is all there is
    bpy = None

if bpy is not None:

    class ShapesirenPreferences(bpy.types.AddonPreferences):
        bl_idname = __name__

        program: bpy.props.StringProperty(
            name="Program",
            subtype="FILE_PATH",
            description="shapesiren, or the python that it is installed in; empty: on the path",
        )

        def draw(self, context):
            self.layout.prop(self, "program")

    class ShapesirenSettings(bpy.types.PropertyGroup):
        scan: bpy.props.StringProperty(name="Scan", subtype="FILE_PATH", description="A point cloud or a mesh")
        out: bpy.props.StringProperty(name="Run folder", subtype="DIR_PATH", description="Empty: runs/ beside the scan")
        profile: bpy.props.EnumProperty(name="For", items=[(p, p.capitalize(), f"--for {p}") for p in PROFILES])
        resolution: bpy.props.IntProperty(
            name="Resolution", min=0, max=4096, description="Cells along the longest side; 0: as usual"
        )
        status: bpy.props.StringProperty()

    class SHAPESIREN_OT_run(bpy.types.Operator):
        """Fit the scan and bring its mesh in"""

        bl_idname = "shapesiren.run"
        bl_label = "Make a mesh"

        @classmethod
        def poll(cls, context):
            return bool(context.scene.shapesiren.scan)

        def start(self, context):
            settings = context.scene.shapesiren
            addon = context.preferences.addons.get(__name__)
            words = program(addon.preferences.program if addon else "")
            if words is None:
                self.report({"ERROR"}, "shapesiren is not found: name it in the add-on's preferences (pip install shapesiren)")
                return False
            scan = bpy.path.abspath(settings.scan)
            self.folder = run_folder(scan, bpy.path.abspath(settings.out) if settings.out else "")
            self.job = Job(commands(words, scan, self.folder, settings.profile, settings.resolution))
            return True

        def finish(self, context, code):
            if code:
                self.report({"ERROR"}, self.job.last or f"shapesiren ended with {code}")
                return {"CANCELLED"}
            try:
                mesh, told = outcome(self.folder)
            except (OSError, KeyError, ValueError) as e:
                self.report({"ERROR"}, f"no mesh in {self.folder}: {e}")
                return {"CANCELLED"}
            bring_in(mesh)
            context.scene.shapesiren.status = told
            self.report({"INFO"}, told)
            return {"FINISHED"}

        def execute(self, context):
            """Without a window, as scripts call it: waits until it is done."""
            if not self.start(context):
                return {"CANCELLED"}
            return self.finish(context, self.job.wait())

        def invoke(self, context, event):
            if not self.start(context):
                return {"CANCELLED"}
            self.timer = context.window_manager.event_timer_add(POLL_SECONDS, window=context.window)
            context.window_manager.modal_handler_add(self)
            return {"RUNNING_MODAL"}

        def modal(self, context, event):
            if event.type == "ESC":
                self.job.stop()
                context.window_manager.event_timer_remove(self.timer)
                context.scene.shapesiren.status = "stopped; the same button goes on"
                return {"CANCELLED"}
            if event.type != "TIMER":
                return {"PASS_THROUGH"}
            code = self.job.poll()
            context.scene.shapesiren.status = self.job.last
            for area in context.screen.areas if context.screen else ():
                area.tag_redraw()
            if code is None:
                return {"PASS_THROUGH"}
            context.window_manager.event_timer_remove(self.timer)
            return self.finish(context, code)

    class SHAPESIREN_PT_panel(bpy.types.Panel):
        bl_label = "Shapesiren"
        bl_space_type = "VIEW_3D"
        bl_region_type = "UI"
        bl_category = "Shapesiren"

        def draw(self, context):
            settings, layout = context.scene.shapesiren, self.layout
            for name in ("scan", "profile", "resolution", "out"):
                layout.prop(settings, name)
            layout.operator("shapesiren.run")
            if settings.status:
                layout.label(text=settings.status)

    def bring_in(path):
        """The mesh as an object of the scene, named after its run."""
        if hasattr(bpy.ops.wm, "ply_import"):
            bpy.ops.wm.ply_import(filepath=str(path))
        else:
            bpy.ops.import_mesh.ply(filepath=str(path))
        made = bpy.context.view_layer.objects.active
        made.name = path.parent.name
        return made

    CLASSES = (ShapesirenPreferences, ShapesirenSettings, SHAPESIREN_OT_run, SHAPESIREN_PT_panel)

    def register():
        for kind in CLASSES:
            bpy.utils.register_class(kind)
        bpy.types.Scene.shapesiren = bpy.props.PointerProperty(type=ShapesirenSettings)

    def unregister():
        del bpy.types.Scene.shapesiren
        for kind in reversed(CLASSES):
            bpy.utils.unregister_class(kind)

    if __name__ == "__main__":
        register()

"""The Blender add-on: its parts without Blender; and inside it, where bpy is installed."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from shapesiren.profiles import MEANINGS

PATH = Path(__file__).parents[1] / "pipelines" / "blender" / "shapesiren_addon.py"


@pytest.fixture(scope="module")
def addon():
    spec = importlib.util.spec_from_file_location("shapesiren_addon", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_offers_what_the_command_line_has(addon):
    assert set(addon.PROFILES) == {"anything", *MEANINGS}


def test_the_command_lines_are_understood(addon, here):
    """Each option is one of the command that it is given to."""
    fit, mesh = addon.commands(["shapesiren"], "a.ply", "runs/a", "print", 256)
    assert fit == ["shapesiren", "fit", "a.ply", "--out", "runs/a", "--for", "print"]
    assert mesh == ["shapesiren", "mesh", "runs/a", "--resolution", "256"]
    assert addon.commands(["s"], "a.ply", "o", "anything", 0) == [["s", "fit", "a.ply", "--out", "o"], ["s", "mesh", "o"]]
    for line in (fit, mesh):
        text = here(line[1], "--help").stdout
        assert all(word in text for word in line if word.startswith("--"))
    missing = here(*fit[1:])
    assert missing.returncode == 2 and "a.ply" in missing.stderr and "Usage" not in missing.stderr


def test_the_program_is_found_or_missed(addon, tmp_path, monkeypatch):
    python = Path(sys.executable)
    assert addon.program(str(python)) == [str(python), "-m", "shapesiren"]
    assert addon.program(str(tmp_path / "python3")) is None and addon.program(str(tmp_path / "shapesiren")) is None
    (tmp_path / "shapesiren").write_text("#!/bin/sh\n")
    (tmp_path / "shapesiren").chmod(0o755)
    assert addon.program(f" {tmp_path / 'shapesiren'} ") == [str(tmp_path / "shapesiren")]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert addon.program("") == [str(tmp_path / "shapesiren")]
    monkeypatch.setenv("PATH", "")
    assert addon.program("") is None
    assert addon.run_folder("/scans/a b.ply", "") == str(Path("/scans/runs/a b")) and addon.run_folder("a.ply", "x") == "x"


def test_jobs_run_in_turn_tell_their_last_line_and_end_at_what_fails(addon):
    def python(code):
        return [sys.executable, "-c", code]

    job = addon.Job([python("print('\\x1b[32mone\\x1b[0m')"), python("print('x' * 70000); print('two'); print()")])
    assert job.wait() == 0 and job.last == "two"  # more than a pipe holds, and an empty line says nothing
    job = addon.Job([python("import sys; print('error: no'); sys.exit(2)"), python("print('never')")])
    assert job.wait() == 2 and job.last == "error: no"
    job = addon.Job([python("import time; time.sleep(60)"), python("print('never')")])
    assert job.poll() is None
    job.stop()
    assert job.wait() != 0 and job.last == ""
    assert len(addon.progress_of("y" * 1000)) == addon.MESSAGE


def test_the_outcome_of_a_run(addon, quick_run, tmp_path):
    mesh, told = addon.outcome(str(quick_run))
    assert mesh == quick_run / "mesh.ply" and "faces, watertight, 1 parts" in told
    (tmp_path / "run.json").write_text((quick_run / "run.json").read_text())
    with pytest.raises(FileNotFoundError):
        addon.outcome(str(tmp_path))


@pytest.mark.extra(reason="bpy is 800 MB, and made for one Python alone")
def test_inside_blender(quick_run, tmp_path):
    """Registered in a Blender without a window, the button makes the mesh of a scan appear: here of a program that is done."""
    if importlib.util.find_spec("bpy") is None:
        pytest.skip("bpy is not installed")
    program = tmp_path / "shapesiren"
    program.write_text('#!/bin/sh\necho "$@" >> ' + str(tmp_path / "asked") + "\n")
    program.chmod(0o755)
    code = f"""
import importlib.util, os, sys, bpy
spec = importlib.util.spec_from_file_location("shapesiren_addon", {str(PATH)!r})
addon = importlib.util.module_from_spec(spec)
sys.modules["shapesiren_addon"] = addon
spec.loader.exec_module(addon)
os.environ["PATH"] = {str(tmp_path)!r} + os.pathsep + os.environ["PATH"]
addon.register()
settings = bpy.context.scene.shapesiren
assert not bpy.ops.shapesiren.run.poll()
settings.scan, settings.out, settings.profile = "scan.ply", {str(quick_run)!r}, "print"
assert bpy.ops.shapesiren.run() == {{"FINISHED"}}
made = bpy.data.objects[{quick_run.name!r}]
print("FACES", len(made.data.polygons), settings.status)
addon.unregister()
assert not hasattr(bpy.types.Scene, "shapesiren")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("FACES"))
    assert int(line.split()[1]) > 1000 and f"{int(line.split()[1]):,} faces, watertight" in line
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0].startswith("fit ") and asked[0].endswith("--for print") and asked[1] == f"mesh {quick_run}"

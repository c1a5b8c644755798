"""Stages that take long say that they are at work, and what is left."""

import io
import os
import pty
import re
import subprocess
import sys
import time

import pytest

from shapesiren.cli import working as shown
from shapesiren.cli.working import Work, working
from shapesiren.runtime.working import listening, working_at


def test_nobody_need_listen():
    working_at("anything", 0.5)
    told = []
    with listening(lambda *event: told.append(event)):
        working_at("this", 0.25)
    working_at("that")
    assert told == [("this", 0.25)]


def test_the_time_left_goes_by_the_share(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(shown.time, "monotonic", lambda: clock[0])
    work = Work("mesh")
    clock[0] += 7  # imports
    assert work.line() == "mesh: 7 s"
    work.told("the level set", 0.0)
    clock[0] += 10
    assert work.line() == "mesh: the level set, 17 s"
    work.told("vertices", 0.25)
    assert work.line() == "mesh: vertices, 17 s, about 30 s left"
    clock[0] += 20
    assert work.line() == "mesh: vertices, 37 s, about 10 s left"
    clock[0] += 20
    assert work.left() is None  # never less than nothing


def test_plain_lines_while_it_is_silent(monkeypatch, capsys):
    monkeypatch.setattr(shown, "LINE_SECONDS", 0.05)
    with working("evaluate", quiet=False):
        working_at("distances")
        time.sleep(0.2)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2 and set(lines) == {"evaluate: distances, 0 s"}
    with working("evaluate", quiet=True):
        time.sleep(0.1)
    with pytest.raises(ValueError, match="x"), working("evaluate", quiet=False):
        raise ValueError("x")
    assert capsys.readouterr().err == ""


def test_a_mesh_tells_how_far_it_is(quick_run):
    from shapesiren.field import Field
    from shapesiren.stages.ingest import unpack
    from shapesiren.surface.extract import extract
    from shapesiren.surface.settings import MeshSettings

    told = []
    arrays = unpack(quick_run / "cloud.npz").arrays
    with listening(lambda *event: told.append(event)):
        extract(Field.load(quick_run / "field.safetensors"), arrays, MeshSettings(resolution=32))
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[0] == 0 and shares[1] >= 0.1 and shares[-1] < 1 and len(shares) >= 6


PROGRAM = """
import sys, time
from shapesiren.cli import working as w
w.SILENT_SECONDS = 0.1
with w.working("mesh", False):
    time.sleep(0.6)
    print("a line of the stage", file=sys.stderr)
    time.sleep(0.4)
"""


def test_on_a_terminal_one_line_that_goes_again():
    master, slave = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=slave, env={**os.environ, "TERM": "xterm"})
    assert process.wait(60) == 0
    os.close(slave)
    seen = io.BytesIO()
    try:
        while data := os.read(master, 4096):
            seen.write(data)
    except OSError:
        pass
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.getvalue().decode())
    assert "mesh: " in text and "a line of the stage" in text

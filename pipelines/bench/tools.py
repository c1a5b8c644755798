"""Programs that make a surface of a scan, each as a command: ours, the peers, and any other.

A template is words with {input} (the scan, a binary PLY with normals if the case has them) and {output} (the mesh to write, a
PLY) in them; {folder} is an empty one, {python} this Python. Commands that follow each other are joined by `&&`. No shell reads
it.
"""

from __future__ import annotations

import os
import shlex
import signal
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import peers

POLL = 0.05  # seconds between looks at the memory of a command
PEER = Path(__file__).with_name("peer.py")


class ToolError(Exception):
    """What a tool did not do, in one line."""


Settings = tuple[tuple[str, str], ...]  # (what it is, command) of each


@dataclass(frozen=True)
class Tool:
    """A program under test.

    clean, noisy : its settings for points without and with noise; the one of least error counts, as if tuned by hand
    few_clean, few_noisy : of these, where there are many cases; all of them if empty
    clean_shapes : it is tried on these alone
    """

    name: str
    clean: Settings
    noisy: Settings = ()
    few_clean: Settings = ()
    few_noisy: Settings = ()
    clean_shapes: bool = False

    def settings(self, noise: bool, few: bool) -> Settings:
        """Those to try on a case."""
        every = self.noisy if noise and self.noisy else self.clean
        return ((self.few_noisy if noise else self.few_clean) if few else every) or every


@dataclass(frozen=True)
class Cost:
    """Wall time in seconds, and the largest memory of all its processes together in MiB (Linux; None elsewhere)."""

    seconds: float
    peak_mib: float | None


def of_template(template: str, name: str | None = None) -> Tool:
    """A tool from what the user typed. Raises ToolError if it cannot be run on a scan."""
    fields = {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}
    lacking = {"input", "output"} - fields
    if lacking or fields - {"input", "output", "folder", "python"}:
        raise ToolError(
            f"--tool {template!r}: a command with {{input}} and {{output}} in it; {{folder}} and {{python}} may be there too"
        )
    return Tool(name or Path(shlex.split(template)[0]).name, (("", template),))


def shapesiren(preset: str, resolution: int = 512) -> Tool:
    """Ours: two commands, as a user gives them."""
    run = "{folder}/run"
    fit = f"{{python}} -m shapesiren fit {{input}} --out {run} --preset {preset} --quiet"
    mesh = f"{{python}} -m shapesiren mesh {run} --resolution {resolution} -o {{output}} --quiet"
    return Tool(f"shapesiren {preset}", (("", f"{fit} && {mesh}"),))


def paper(seconds: int, resolution: int = 512) -> Tool:
    """The recipe of Sitzmann et al. 2020, by their settings, for so many seconds; of clean shapes, which it is for."""
    (told, command), *_ = shapesiren("paper", resolution).clean
    timed = command.replace("--preset paper", f"--preset paper --time {seconds}s")
    return Tool(f"the paper's recipe, {seconds} s", ((told, timed),), clean_shapes=True)


def poissonrecon() -> Tool:
    """PoissonRecon 18.74, tuned: the best of some settings against the truth, which no user knows."""

    def command(setting: peers.Setting) -> tuple[str, str]:
        words = f"--depth {setting.depth} --samples {setting.samples:g} --weight {setting.weight:g}"
        told = f"depth {setting.depth}, {setting.samples:g} a node, weight {setting.weight:g}"
        return told, f"{{python}} {PEER} poissonrecon {{input}} {{output}} {words}"

    sets = (peers.CLEAN, peers.NOISY, peers.SOME_CLEAN, peers.SOME_NOISY)
    return Tool("PoissonRecon 18.74, tuned", *(tuple(map(command, some)) for some in sets))


def open3d(depths: Sequence[int] = (8, 10)) -> Tool:
    """Open3D's screened Poisson, at the better of two depths."""
    return Tool(
        "Open3D Poisson", tuple((f"depth {d}", f"{{python}} {PEER} open3d {{input}} {{output}} --depth {d}") for d in depths)
    )


def run(template: str, scan: Path, mesh: Path, limit: float) -> Cost:
    """Run a template's commands, one after the other.

    Raises ToolError if one ends with another status than 0, takes longer than ``limit`` seconds, or leaves no mesh.
    """
    most: float | None = None
    with tempfile.TemporaryDirectory() as folder:
        places = {"input": str(scan), "output": str(mesh), "folder": folder, "python": sys.executable}
        start = time.perf_counter()
        for part in template.split("&&"):
            words = [word.format(**places) for word in shlex.split(part)]
            peak = _run(words, start + limit)
            most = peak if most is None or peak is None else max(most, peak)
        seconds = time.perf_counter() - start
    if not mesh.is_file() or not mesh.stat().st_size:
        raise ToolError(f"no mesh at {{output}} after: {template}")
    return Cost(seconds, most)


def _run(words: list[str], deadline: float) -> float | None:
    most: float | None = None
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(words, stdout=said, stderr=said, start_new_session=True)
        except OSError as error:
            raise ToolError(f"{words[0]}: {error.strerror or error}") from None
        try:
            while process.poll() is None:
                if time.perf_counter() > deadline:
                    raise ToolError(f"{words[0]}: stopped, it took longer than --limit")
                now = memory_of(process.pid)
                most = now if most is None or now is None else max(most, now)
                time.sleep(POLL)
        finally:
            _end(process)
        if process.returncode:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
            raise ToolError(f"{words[0]} ended with status {process.returncode}: {lines[-1] if lines else 'it said nothing'}")
    return most


def _end(process: subprocess.Popen[bytes]) -> None:
    """It and what it started, if they still run."""
    if process.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()


def memory_of(pid: int) -> float | None:
    """Resident memory, in MiB, of a process and all that descend from it; None where /proc does not tell."""
    status = Path(f"/proc/{pid}/status")
    try:
        rows = dict(row.split(":", 1) for row in status.read_text().splitlines() if ":" in row)
        children = [int(c) for task in Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()]
    except (OSError, ValueError):
        return None
    own = float(rows["VmRSS"].split()[0]) / 1024 if "VmRSS" in rows else 0.0
    return own + sum(memory_of(child) or 0.0 for child in children)

"""The live viewer in a real browser, beside a fit and after it."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from shapesiren.view.run_watcher import RunWatcher, paint
from tests.browser import model_in, pixels
from tests.conftest import QUICK_ARGS


def start(*arguments, cwd=None):
    return subprocess.Popen(
        [sys.executable, "-m", "shapesiren", *map(str, arguments)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=cwd,
    )


def address(process, lines, seconds=90):
    """The viewer's address, from what was said so far."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        line = process.stderr.readline()
        lines.append(line)
        found = re.search(r"(?:live|view): (http://localhost:\d+)", line)
        if found:
            return found[1]
        assert line or process.poll() is None, "".join(lines)
    raise AssertionError("".join(lines))


@pytest.fixture
def tab(chromium):
    context = chromium.new_context(viewport={"width": 1000, "height": 700})
    page = context.new_page()
    page.wrong = []
    page.on("pageerror", lambda e: page.wrong.append(str(e)))
    yield page
    assert not page.wrong
    context.close()


def picture(tab):
    """The middle of the page, away from the panel."""
    return pixels(tab.locator("body"))[100:680, 50:650]


def test_view_of_a_run(quick_run, tab):
    process = start("view", quick_run, "--port", 8731)
    try:
        tab.goto(address(process, []))
        tab.get_by_text("fitted").wait_for(timeout=60_000)
        tab.wait_for_timeout(2000)
        plain = picture(tab)
        assert model_in(plain).mean() > 0.03
        tab.get_by_label("slice", exact=True).click()
        tab.wait_for_timeout(2000)
        assert np.abs(picture(tab) - plain).max(2).mean() > 3  # the slice is there
        rows, columns = np.argwhere(model_in(plain)).mean(0)
        tab.get_by_label("slice", exact=True).click()
        tab.wait_for_timeout(1000)
        for dx, dy in ((0, 0), (-60, 0), (60, 0), (0, -40), (0, 40)):  # one of these is the torus and not its hole
            tab.mouse.click(50 + columns + dx, 100 + rows + dy)
            tab.wait_for_timeout(700)
            text = tab.inner_text("body")
            if "normal" in text:
                break
        assert abs(float(re.search(r"distance\s+(-?[\d.e-]+)", text)[1])) < 0.01
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()


def test_a_fit_that_is_watched(torus_scan, tmp_path, tab):
    """The surface appears and changes; the viewer is killed and opened again, and the fit does not mind."""
    settings = [*QUICK_ARGS, "--time", "300s", "--live", "--port", 8741]
    fit = start("fit", torus_scan, "--out", tmp_path / "run", *settings)
    lines: list[str] = []
    second = None
    try:
        tab.goto(address(fit, lines))
        seen = steps_seen(tab, 2)
        assert model_in(seen[1][1]).mean() > 0.02
        wait_for_another(tab, seen[0][1])
        viewer = next(p for p in children(fit.pid) if "--beside" in p.cmdline())
        os.kill(viewer.pid, signal.SIGKILL)
        tab.goto("about:blank")
        second = start("view", tmp_path / "run", "--port", 8751)
        tab.goto(address(second, []))
        again = steps_seen(tab, 2)
        assert seen[0][0] < seen[1][0] < again[0][0] < again[1][0]
        fit.send_signal(signal.SIGINT)
        fit.communicate(timeout=60)
        assert fit.returncode == 130  # stopped, with its state saved
        assert (tmp_path / "run" / "checkpoint.safetensors").exists()
        assert not list((tmp_path / "run").glob(".live*"))
    finally:
        fit.kill()
        if second is not None:
            second.kill()


def steps_seen(tab, count, seconds=60):
    """Different steps that the page shows, with the picture at each."""
    seen, deadline = [], time.monotonic() + seconds
    while len(seen) < count:
        assert time.monotonic() < deadline, tab.inner_text("body")
        text = re.search(r"fitting: step ([\d,]+)", tab.inner_text("body"))
        step = int(text[1].replace(",", "")) if text else None
        if step and (not seen or seen[-1][0] != step):
            tab.wait_for_timeout(500)
            seen.append((step, picture(tab)))
        tab.wait_for_timeout(200)
    return seen


def wait_for_another(tab, before, seconds=30):
    """Until the page shows another picture: the browser draws a surface some time after it shows its step."""
    deadline = time.monotonic() + seconds
    while np.abs(picture(tab) - before).max() <= 20:
        assert time.monotonic() < deadline, "the surface does not change"
        tab.wait_for_timeout(200)


def children(pid):
    import psutil

    return psutil.Process(pid).children(recursive=True)


def test_what_the_viewer_shows(quick_run, tmp_path):
    source = RunWatcher(quick_run)
    assert source.cloud() is not None
    assert source.refresh()
    assert not source.refresh()  # nothing new
    assert not source.fitting
    vertices, _ = source.surface(40)
    assert np.abs(source.field.box_values(vertices)).max() < 0.03
    wider, _ = source.surface(40, level=0.05)
    assert np.abs(source.field(source.field.frame.to_user(wider)) - 0.05).max() < 0.03
    assert source.surface(40, level=50.0) is None
    made, centre, size = source.slice(2, 0.1, samples=64)
    assert made.shape[2] == 3
    assert centre[2] == 0.1
    assert max(made.shape[:2]) == 64
    assert size[0] / size[1] == pytest.approx(made.shape[1] / made.shape[0], rel=0.05)
    assert RunWatcher(tmp_path).cloud() is None  # not there yet: the viewer waits
    assert not RunWatcher(tmp_path).refresh()


def test_painted_level_lines():
    x = np.linspace(-1, 1, 201)
    values = np.tile(x, (50, 1))  # a true distance: lines at equal steps
    shown = paint(values, 0.25).astype(float).sum(2)[25]
    dark = np.flatnonzero((shown[1:-1] < shown[:-2] - 5) & (shown[1:-1] <= shown[2:])) + 1
    assert np.diff(x[dark]) == pytest.approx(0.25, abs=0.03)
    assert shown.argmin() == 100  # zero is the darkest

"""The live viewer in a real browser, beside a fit and after it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

import shapesiren
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan, write_scan
from shapesiren.reports.maps import sequential
from shapesiren.surface.io import read_mesh
from shapesiren.view.run_watcher import RunWatcher, paint
from tests.browser import LIMIT, model_in, pixels, still, until
from tests.conftest import QUICK_ARGS


def start(*arguments, cwd=None):
    return subprocess.Popen(
        [sys.executable, "-m", "shapesiren", *map(str, arguments)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=cwd,
    )


def address(process, lines, seconds=LIMIT):
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
    context.set_default_timeout(LIMIT * 1000)
    page = context.new_page()
    page.wrong = []
    page.on("pageerror", lambda e: page.wrong.append(str(e)))
    try:
        yield page
        assert not page.wrong
    finally:
        context.close()


def picture(tab):
    """The middle of the page, away from the panel."""
    return pixels(tab.locator("body"))[100:680, 50:650]


@pytest.mark.slow
def test_view_of_a_run(quick_run, tab):
    process = start("view", quick_run, "--port", 8731)
    try:
        tab.goto(address(process, []))
        tab.get_by_text("fitted; the run's mesh").wait_for()
        plain = still(tab, lambda: picture(tab), lambda p: model_in(p).mean() > 0.03)
        tab.get_by_label("slice", exact=True).click()
        until(tab, lambda: picture(tab), lambda p: np.abs(p - plain).max(2).mean() > 3)  # the slice is there
        tab.get_by_label("slice", exact=True).click()
        until(tab, lambda: picture(tab), lambda p: np.abs(p - plain).max(2).mean() < 0.5)  # and gone
        tab.get_by_role("checkbox", name="error bars").click()
        tab.get_by_text("has no error bars").wait_for()
        tab.get_by_role("checkbox", name="measured or invented").click()
        tab.get_by_text("Blue is measured").wait_for()  # beside the colour bar
        until(tab, lambda: picture(tab), lambda p: (p[..., 2] - p[..., 0] > 40).mean() > 0.02)
        assert not tab.get_by_role("checkbox", name="error bars").is_checked()  # one kind of colours at a time
        inside = distance_transform_edt(model_in(plain))
        row, column = np.unravel_index(inside.argmax(), inside.shape)  # in the middle of the torus' tube
        tab.mouse.click(50 + int(column), 100 + int(row))
        tab.get_by_text("normal").wait_for()
        assert abs(float(re.search(r"distance\s+(-?[\d.e-]+)", tab.inner_text("body"))[1])) < 0.01
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == 0
    finally:
        process.kill()


@pytest.mark.slow
def test_a_fit_that_is_watched(torus_scan, tmp_path, tab):
    """The surface appears and changes; the viewer is killed and opened again, and the fit does not mind."""
    settings = [*QUICK_ARGS, "--time", "1800s", "--live", "--port", 8741]
    fit = start("fit", torus_scan, "--out", tmp_path / "run", *settings)
    lines: list[str] = []
    second = None
    try:
        page = address(fit, lines)
        tab.goto(page)
        first = step_after(tab, 0)
        surface = until(tab, lambda: picture(tab), lambda p: model_in(p).mean() > 0.02)
        later = step_after(tab, first)
        until(tab, lambda: picture(tab), lambda p: np.abs(p - surface).max() > 20)  # it changes
        viewer = next(p for p in children(fit.pid) if serves(p, int(page.rsplit(":", 1)[1])))
        os.kill(viewer.pid, signal.SIGKILL)
        tab.goto("about:blank")
        second = start("view", tmp_path / "run", "--port", 8751)
        tab.goto(address(second, []))
        step_after(tab, step_after(tab, later))
        fit.send_signal(signal.SIGINT)
        fit.communicate(timeout=LIMIT)
        assert fit.returncode == 130  # stopped, with its state saved
        assert (tmp_path / "run" / "checkpoint.safetensors").exists()
        assert not list((tmp_path / "run").glob(".live*"))
    finally:
        fit.kill()
        if second is not None:
            second.kill()


def step_after(tab, step):
    """The step that the page shows, as soon as it is a later one."""

    def shown():
        text = re.search(r"fitting: step ([\d,]+)", tab.inner_text("body"))
        return int(text[1].replace(",", "")) if text else 0

    return until(tab, shown, lambda found: found > step)


def children(pid):
    import psutil

    return psutil.Process(pid).children(recursive=True)


def serves(process, port):
    return any(c.laddr.port == port for c in process.net_connections() if c.status == "LISTEN")


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_run_s_own_mesh_is_shown(quick_run, tmp_path):
    """And not the field's level set, which is trimmed, filled and thinned out nowhere; one of an earlier field is not."""
    run = tmp_path / "run"
    shutil.copytree(quick_run, run)
    watcher = RunWatcher(run)
    assert watcher.mesh() is None  # before a field was read
    assert watcher.refresh() and not watcher.refresh()
    made = read_mesh(run / "mesh.ply")
    vertices, faces = watcher.mesh()
    assert np.array_equal(faces, made.faces)
    assert watcher.field.frame.to_user(vertices) == pytest.approx(made.vertices, abs=1e-6)
    assert len(faces) != len(watcher.surface(128)[1])
    shapesiren.mesh(run, resolution=40)
    assert watcher.refresh()  # it follows a mesh that is made again
    assert len(watcher.mesh()[1]) < len(faces)
    os.utime(run / "field.safetensors")  # fitted again since
    assert watcher.refresh() and watcher.mesh() is None


def test_painted_level_lines():
    x = np.linspace(-1, 1, 201)
    values = np.tile(x, (50, 1))  # a true distance: lines at equal steps
    shown = paint(values, 0.25).astype(float).sum(2)[25]
    dark = np.flatnonzero((shown[1:-1] < shown[:-2] - 5) & (shown[1:-1] <= shown[2:])) + 1
    assert np.diff(x[dark]) == pytest.approx(0.25, abs=0.03)
    assert shown.argmin() == 100  # zero is the darkest


def test_error_bars_colour_the_surface(tmp_path):
    source, run = tmp_path / "box.ply", tmp_path / "run"
    write_scan(source, scan("box", Scanner(points=6000, noise=0.002)))
    shapesiren.fit(source, out=run, preset="fast", settings={"local": {"units": 64, "far_units": 64}})
    shapesiren.mesh(run, resolution=48)
    watcher = RunWatcher(run)
    assert watcher.refresh()
    vertices, _ = watcher.surface(32)
    assert watcher.error_bars(vertices) is None  # of a mesh without
    shapesiren.mesh(run, resolution=48, uncertainty=True)
    colours = watcher.error_bars(vertices).colours()
    assert colours.shape == vertices.shape and colours.dtype == np.uint8
    assert len(np.unique(colours, axis=0)) > 1
    measured = watcher.measured(vertices)
    assert measured.high == 10 and np.quantile(measured.values, 0.99) < 5  # a closed scan, with points everywhere
    beside = watcher.measured(vertices + np.array([0.0, 0.0, 0.6]))
    assert (beside.values > 5).mean() > 0.5
    blue, red = measured.colours()[np.argmin(measured.values)], beside.colours()[np.argmax(beside.values)]
    assert blue[2] > blue[0] + 50 and red[0] > red[2] + 50


def test_heat_goes_from_dark_to_bright():
    colours = sequential("", "", np.array([0.0, 0.5, 1.0, 9.0] + 300 * [1.0])).colours()[:4].astype(int).sum(1)
    assert colours[0] < colours[1] < colours[2] == colours[3]

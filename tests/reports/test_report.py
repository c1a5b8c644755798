"""The report and the comparison: whole, offline, and drawn by a real browser."""

import csv
import json
import re

import numpy as np
import pytest
from markupsafe import escape

import shapesiren
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan, write_scan
from shapesiren.reports import page
from shapesiren.reports.shape import nice
from tests.browser import model_in, opened, pixels, still, until
from tests.conftest import QUICK


@pytest.mark.slow
def test_the_page_is_whole(quick_run, tmp_path):
    made = shapesiren.report(quick_run, out=tmp_path / "copy.html")
    text = made.read_text()
    assert (tmp_path / "copy.html").read_text() == text
    assert len(text.encode()) < 15e6  # as the README promises
    body = text.split("<main>")[1].split("</main>")[0]
    assert not re.search(r'(src|href)="(?!data:)', body)  # nothing is fetched
    for heading in ("Surface", "Distance", "Six sides", "Slices of the field", "Verification", "Losses", "How it was made"):
        assert f"<h2>{heading}</h2>" in body
    assert body.count("data:image/jpeg") == 6 + 3 + 2  # six sides; on paper the mesh and its maps; the worst places, twice
    command = json.loads((quick_run / "run.json").read_text())["stages"]["fit"]["command"]
    assert command
    assert str(escape(command)) in body  # the command that made it
    manifest = json.loads((quick_run / "run.json").read_text())
    metrics = json.loads((quick_run / "metrics.json").read_text())
    shown = [manifest["source"]["sha256"], page.show(manifest["stages"]["mesh"]["facts"]["verification"]["faces"])]
    shown += [page.show(value) for value in metrics["surface"].values()]
    assert [figure for figure in shown if figure not in body] == []
    assert "learning_rate = 0.001" in body
    before = made.stat().st_mtime_ns
    shapesiren.report(quick_run)
    assert made.stat().st_mtime_ns == before  # skipped: nothing has changed


@pytest.mark.slow
def test_text_is_escaped(tmp_path, torus_scan):
    scan = tmp_path / "<img src=x onerror=alert(1)>.ply"
    scan.write_bytes(torus_scan.read_bytes())
    run = tmp_path / "a<b>"
    shapesiren.fit(scan, out=run, settings=QUICK, steps=200)
    shapesiren.mesh(run)
    text = shapesiren.report(run).read_text().split("<main>")
    assert "<img src=x" not in text[0] + text[1].split("</main>")[0]


@pytest.mark.slow
@pytest.mark.parametrize("width", [1100, 390])
def test_a_report_in_a_browser(trefoil_report, chromium, width):
    with opened(chromium, trefoil_report, width=width) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        view = tab.locator(".chart").first

        def drawn(picture):
            return 0.05 < model_in(picture).mean() < 0.7

        for scheme in ("dark", "light"):
            tab.emulate_media(color_scheme=scheme)
            for place in (tab.locator("h1"), view):  # the page, and the charts with it
                until(tab, lambda p=place: pixels(p)[1, 1].mean(), lambda b, s=scheme: b < 60 if s == "dark" else b > 200)
            mesh = still(tab, lambda: pixels(view), drawn)
        mask = model_in(mesh)
        rows, columns = np.argwhere(mask).mean(0) / mask.shape
        assert abs(rows - 0.5) < 0.15
        assert abs(columns - 0.5) < 0.15
        if width < 600:  # nothing of it is cut off, and no toolbar lies on a legend
            assert not mask[:, 0].any() and not mask[:, -1].any()
            assert not tab.evaluate(
                "[...document.querySelectorAll('.modebar-btn')].some(b => b.getBoundingClientRect().width > 0)"
            )

        def coloured(picture):  # viridis; the clay of the mesh is nearly grey
            return (np.ptp(picture, axis=2) > 60).mean()

        assert coloured(mesh) < 0.01
        tab.get_by_role("button", name="distance", exact=True).first.click()
        heat = still(tab, lambda: pixels(view), lambda p: coloured(p) > 0.03)
        box = view.bounding_box()
        tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        tab.mouse.down()
        tab.mouse.move(box["x"] + box["width"] / 2 + 80, box["y"] + box["height"] / 2, steps=4)
        tab.mouse.up()
        until(tab, lambda: pixels(view), lambda p: np.abs(p - heat).mean() > 1)  # it turned
        bars = [bar for bar in tab.locator("svg.bar").all() if bar.is_visible()]
        assert bars
        assert all(np.ptp(pixels(bar), axis=2).max() > 100 for bar in bars)


@pytest.fixture(scope="session")
def trefoil_report(tmp_path_factory):
    """Of a run that is evaluated, of a shape without colours of its own."""
    folder = tmp_path_factory.mktemp("trefoil")
    write_scan(folder / "trefoil.ply", scan("trefoil", Scanner(points=40_000)))
    run = folder / "trefoil"
    shapesiren.fit(folder / "trefoil.ply", out=run, settings=QUICK, steps=300)
    shapesiren.mesh(run)
    shapesiren.evaluate(run)
    return shapesiren.report(run)


@pytest.mark.slow
def test_compare(quick_run, trefoil_report, tmp_path, chromium, here):
    runs = [quick_run, trefoil_report.parent]
    for name in ("t.md", "t.csv", "t.html"):
        assert here("compare", *runs, "-o", tmp_path / name).returncode == 0
    with open(tmp_path / "t.csv") as file:
        table = {row[0]: row[1:] for row in csv.reader(file)}
    assert table["figure"] == ["torus", "trefoil"]
    assert table["fit.steps"] == ["400", "300"]  # a setting that differs
    assert "net.width" not in table  # one that does not
    metrics = [json.loads((run / "metrics.json").read_text()) for run in (quick_run, trefoil_report.parent)]
    assert [float(v) for v in table["evaluate, surface, accuracy"]] == [m["surface"]["accuracy"] for m in metrics]
    assert "| mesh, verification, watertight | yes |" in (tmp_path / "t.md").read_text()
    with opened(chromium, tmp_path / "t.html") as tab:
        views = tab.locator(".chart[data-together=surfaces]")
        assert views.count() == 2
        for view in views.all():
            until(tab, lambda v=view: model_in(pixels(v)).mean(), lambda share: share > 0.03)

        def eyes():
            charts = "[...document.querySelectorAll('.chart[data-together=surfaces]')]"
            return tab.evaluate(charts + ".map(d => d.layout.scene.camera.eye)")

        before = eyes()
        box = views.nth(0).bounding_box()
        tab.mouse.move(box["x"] + 200, box["y"] + 200)
        tab.mouse.down()
        tab.mouse.move(box["x"] + 280, box["y"] + 230, steps=5)
        tab.mouse.up()
        # the one was turned, the other turns with it
        until(tab, eyes, lambda e: e[0] != before[0] and e[0] == pytest.approx(e[1], rel=1e-6))
        tab.get_by_role("button", name="scan", exact=True).first.click()
        pressed = tab.locator("button[aria-pressed=true]")
        until(tab, pressed.all_inner_texts, lambda texts: texts == ["scan", "scan"])


def test_nice_steps():
    assert [nice(v) for v in (0.9, 1.1, 0.021, 300.0)] == [1.0, 2.0, 0.05, 500.0]


def test_numbers_as_people_read_them():
    shown = [page.show(v) for v in (None, True, 1234567, 0.000123456, 12345.6, 0.5, "x")]
    assert shown == ["-", "yes", "1,234,567", "0.0001235", "12,346", "0.5", "x"]

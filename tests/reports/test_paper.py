"""The report on paper: printed by Chromium to PDF, and what is on its pages."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pypdfium2
import pytest

import shapesiren
from shapesiren.metrics.deviations import Place
from shapesiren.reports.page import show
from tests.conftest import CHROMIUM_ARGUMENTS

OLD = Path(__file__).parents[1] / "data" / "old_runs" / "shape"
A4 = (595.3, 841.9)  # points
WHITE = 250


@pytest.fixture(scope="module")
def judged_run(tmp_path_factory):
    run = Path(shutil.copytree(OLD, tmp_path_factory.mktemp("paper") / "run"))
    told = shapesiren.evaluate(run, samples=4000)
    shapesiren.evaluate(run, samples=4000, tolerance=told["deviation"]["p68_3"])  # which is refused
    shapesiren.report(run)
    return run


def test_the_page_and_the_evaluation_say_the_same(judged_run):
    text = (judged_run / "report.html").read_text()
    told = json.loads((judged_run / "metrics.json").read_text())["surface"]
    for row, name in (("mesh to the input points", "accuracy"), ("the input points to mesh", "completeness")):
        first = re.search(rf'<th>{row} \({name}\)</th><td class="number">([^<]*)<', text)
        assert first is not None and first[1] == show(told[name])
    assert text.index("<h2>Acceptance</h2>") < text.index("<h2>What came out</h2>") < text.index("<h2>Surface</h2>")


def pages(pdf):
    return [(pdf[i], pdf[i].get_textpage().get_text_range()) for i in range(len(pdf))]


def check(pdf, run):
    """What holds of a report's pages, however they were printed."""
    held = json.loads((run / "metrics.json").read_text())
    found = pages(pdf)
    texts = [text for _, text in found]
    assert "FAIL" in texts[0] and "of the input points within" in " ".join(texts[0].split())
    assert "68.3 % within" in texts[0]
    assert "What the figures mean" in "".join(texts) and "How it was made" in "".join(texts)
    rows = [" ".join(Place.of(place).coordinates) for place in held["deviation"]["places"]]
    together = [" ".join(text.split()) for text in texts]
    assert len(rows) == 10 and [row for row in rows if not any(row in text for text in together)] == []  # none is cut
    assert "mesh and scan" not in "".join(texts)  # nothing to press on paper
    pictures = 0
    for page, _ in found:
        assert page.get_size() == pytest.approx(A4, abs=1.5)
        pixels = np.asarray(page.render(scale=0.5).to_pil().convert("RGB"))
        border = np.concatenate([pixels[:4].reshape(-1, 3), pixels[-4:].reshape(-1, 3), pixels[:, :8].reshape(-1, 3)])
        assert border.min() > WHITE  # white, and nothing runs off the sheet
        assert pixels[:, -8:].min() > WHITE
        pictures += sum(1 for o in page.get_objects(max_depth=6) if o.type == pypdfium2.raw.FPDF_PAGEOBJ_IMAGE)
    assert pictures >= 2 + 3 + 6  # the worst places twice, the surface and its maps, six sides
    return found


@pytest.mark.slow
def test_printed_from_the_command_line(judged_run, chromium_path, tmp_path):
    out = tmp_path / "report.pdf"
    paper = ["--headless", "--no-pdf-header-footer", "--virtual-time-budget=20000", f"--print-to-pdf={out}"]
    page = (judged_run / "report.html").as_uri()
    subprocess.run([chromium_path, *CHROMIUM_ARGUMENTS, *paper, page], capture_output=True, timeout=120, check=True)
    found = check(pypdfium2.PdfDocument(out), judged_run)
    # The histogram is drawn: red bars beyond the tolerance and green ones within it, on the page of the verdict.
    pixels = np.asarray(found[0][0].render(scale=1).to_pil().convert("RGB")).astype(int)
    red, green, blue = pixels[300:].transpose(2, 0, 1)
    assert ((red > 150) & (green < 100)).sum() > 50 and ((green > 120) & (red < 90) & (blue < 130)).sum() > 200


@pytest.mark.slow
def test_printed_from_a_dark_window(judged_run, chromium):
    context = chromium.new_context(color_scheme="dark", viewport={"width": 1300, "height": 900})
    try:
        tab = context.new_page()
        tab.goto((judged_run / "report.html").as_uri())
        tab.wait_for_function("document.documentElement.dataset.ready === 'true'")
        tab.evaluate("document.documentElement.dataset.theme = 'dark'")
        before = tab.locator(".main-svg").first.bounding_box()
        printed = tab.pdf(prefer_css_page_size=True, print_background=True)
        after = tab.locator(".main-svg").first.bounding_box()
    finally:
        context.close()
    check(pypdfium2.PdfDocument(printed), judged_run)
    assert after == before  # the screen is as it was

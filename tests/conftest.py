"""Shared fixtures, and the rule for skips in CI.

The suite needs nothing outside the repository. Data that may not be shipped is tried where it lies, in tests that are marked
as extras; these skip, with their reason, where it is absent."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from shapesiren import doctor
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan, write_scan

# real scans and models beside the repository; whose they are and where they come from is written there
# what tests compare with, besides what the project asks for: a small installation has none of them
OF_TESTS = {
    *("open3d", "llvmlite", "charset_normalizer", "onnxruntime", "playwright", "pypdfium2"),
    *("ezdxf", "rasterio", "nbclient", "nbformat", "ipykernel"),
}
REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI a skip is a failure, unless the test needs a GPU, or is an extra that says why it may be absent."""
    report = yield
    absent = call.excinfo.value if call.excinfo is not None else None
    # trimesh says so in an error that was made anew, without the name
    told = re.search(r"No module named '(\w+)", str(absent)) if isinstance(absent, ModuleNotFoundError) else None
    name = told[1] if told else ""
    if report.failed and name and may_be_absent(name):
        report.outcome, report.longrepr = "skipped", (str(item.path), 0, f"Skipped: {name} is not installed")
    excused = item.get_closest_marker("gpu") or item.get_closest_marker("extra")
    if report.skipped and os.environ.get("SHAPESIREN_CI") and not excused:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in CI: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """A file of tests that imports what is not installed skips where it may."""
    report = yield
    absent = re.search(r"ModuleNotFoundError: No module named '(\w+)", str(report.longrepr)) if report.failed else None
    if absent and may_be_absent(absent[1]):
        report.outcome, report.longrepr = "skipped", (str(collector.path), 0, f"Skipped: {absent[1]} is not installed")
    return report


def may_be_absent(module: str) -> bool:
    """Whether a module may be missing here: of what a small installation leaves out, or of what tests compare with."""
    known = doctor.missing(ModuleNotFoundError("", name=module)) is not None or module.split(".")[0] in OF_TESTS
    return known and not os.environ.get("SHAPESIREN_CI")


def pytest_collection_modifyitems(items):
    for item in items:
        extra = item.get_closest_marker("extra")
        if extra is not None and not extra.kwargs.get("reason"):
            raise pytest.UsageError(f"{item.nodeid}: extra needs a reason why it may be absent: extra(reason=...)")
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])  # files that take long come first: begun last, they leave a core idle


@pytest.fixture(scope="session")
def real_data():
    """From the name of a real scan or model to its path; tests that ask for one are marked as `extra`."""

    def path(name: str) -> Path:
        if not (REAL_DATA / name).is_file():
            pytest.skip(f"{name} may not be shipped, and is not at {REAL_DATA}")
        return REAL_DATA / name

    return path


@pytest.fixture(scope="session")
def torus_scan(tmp_path_factory) -> Path:
    """A clean scan of the torus: 20,000 oriented points."""
    path = tmp_path_factory.mktemp("scan") / "torus.ply"
    write_scan(path, scan("torus", Scanner(points=20_000)))
    return path


@pytest.fixture
def one_thread():
    """Bit-for-bit comparisons need one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def here(monkeypatch, capfd):
    """The command line in this process, which spares the seconds that imports take: returncode, stdout, stderr."""
    from shapesiren.cli import main

    def run(*words, cwd=".", may_lack=False):
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["shapesiren", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        if (absent := re.search(r"the package (\S+) is missing", err)) and not may_lack:
            pytest.skip(f"{absent[1]} is not installed")
        return SimpleNamespace(returncode=ended.value.code, stdout=out, stderr=err)

    return run


# Small, but with real data paths: a fit of a few seconds.
QUICK = {
    "net": {"kind": "siren", "width": 64, "hidden_layers": 2},
    "batch": {"on_surface": 500, "off_surface": 500, "eikonal": 250},
    "ingest": {"guide_samples": 30_000, "guide_depth": 6},
    "fit": {"steps": 400, "learning_rate": 1e-3},
    "loss": {"on_surface": 300.0, "normal": 30.0, "eikonal": 5.0, "direction": 1.0},
    "mesh": {"resolution": 64},
    "evaluate": {"samples": 20_000},
    "report": {"size": 96},  # its pictures are what a page takes longest for
}
QUICK_ARGS = [a for section, values in QUICK.items() for k, v in values.items() for a in ("--set", f"{section}.{k}={v}")]


@pytest.fixture(scope="session")
def quick_run(tmp_path_factory, torus_scan):
    """A finished run of the torus, evaluated: for tests that only look at one."""
    import shapesiren

    run = tmp_path_factory.mktemp("quick") / "torus"
    shapesiren.fit(torus_scan, out=run, settings=QUICK)
    shapesiren.mesh(run)
    shapesiren.evaluate(run)
    return run


CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def chromium_path() -> str:
    import shutil

    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("SHAPESIREN_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium here; SHAPESIREN_CHROMIUM names one")
    return path


@pytest.fixture(scope="session")
def chromium(chromium_path):
    """A headless Chromium with WebGL in software."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()

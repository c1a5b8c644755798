"""Shared fixtures. Tests that need the real scans skip, with a reason, where those are absent; in CI they may not."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from shapesiren.pointcloud.synthetic.scanner import Scanner, scan, write_scan

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI a skip is a failure, unless the test needs a GPU."""
    report = yield
    if report.skipped and os.environ.get("SHAPESIREN_CI") and not item.get_closest_marker("gpu"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in CI: {report.longrepr}"
    return report


def pytest_configure(config):
    config.addinivalue_line("markers", "gpu: needs a CUDA device")


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the real scans of ../shared/data are not here")
    return SHARED


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

    def run(*words, cwd="."):
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["shapesiren", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return SimpleNamespace(returncode=ended.value.code, stdout=out, stderr=err)

    return run


# Small, but with real data paths: a fit of a few seconds.
QUICK = {
    "net": {"width": 64, "hidden_layers": 2},
    "batch": {"on_surface": 500, "off_surface": 500, "eikonal": 250},
    "ingest": {"guide_samples": 30_000, "guide_depth": 6},
    "fit": {"steps": 400, "learning_rate": 1e-3},
    "loss": {"on_surface": 300.0, "normal": 30.0, "eikonal": 5.0, "direction": 1.0},
    "mesh": {"resolution": 64},
    "evaluate": {"samples": 20_000},
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


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium with WebGL in software."""
    import shutil

    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("SHAPESIREN_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium here; SHAPESIREN_CHROMIUM names one")
    arguments = [
        "--no-sandbox",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()

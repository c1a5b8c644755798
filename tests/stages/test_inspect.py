"""How long a fit takes is told where it could be measured; else that the machine is busy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from shapesiren.config import resolve
from shapesiren.fitting.events import Progress
from shapesiren.fitting.loop import Outcome
from shapesiren.pointcloud.guide import samples
from shapesiren.stages import inspect as stage
from shapesiren.tasks import TASKS

SHAPE = TASKS["shape"]


@pytest.fixture(scope="module")
def config():
    return resolve(SHAPE.config_type, SHAPE.presets, [("", {"net": {"kind": "siren", "width": 16}, "fit": {"steps": 5000}})])


def told(monkeypatch, torus_scan, config, step, seconds, rate, cores):
    """What is told where trials end so, and have so many cores."""

    def fit_task(*args, listeners=(), **kwargs):
        if rate is not None:
            for listen in listeners:
                listen(Progress(step, 1.0, seconds, 0.0, rate, 0.0, {}))
        return replace(Outcome(True, 0, 0.0, {}, 0, 0, "float32"), step=step, seconds=seconds)

    clock = iter(range(1000))
    monkeypatch.setattr(stage, "fit_task", fit_task)
    monkeypatch.setattr(stage.time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(stage.time, "process_time", lambda: cores * float(next(clock)))
    facts = stage.inspect(SHAPE, [torus_scan], config, torch.device("cpu"), lambda _: None)
    return facts, SHAPE.summary("inspect", facts)[-1]


def test_an_estimate_is_a_range_by_how_the_pace_varied(monkeypatch, torus_scan, config):
    """One half second in which others had the machine neither decides alone nor is left out."""

    def fit_task(*args, listeners=(), **kwargs):
        for rate in (160.0, 150.0, 40.0, 155.0):
            for listen in listeners:
                listen(Progress(200, 1.0, 2.4, 0.0, rate, 0.0, {}))
        return Outcome(True, 200, 2.4, {}, 0, 0, "float32")

    monkeypatch.setattr(stage, "fit_task", fit_task)
    facts = stage.inspect(SHAPE, [torus_scan], config, torch.device("cpu"), lambda _: None)
    assert facts["fit_rate"] == pytest.approx(152.5)
    assert facts["fit_seconds"] == pytest.approx(5000 / 152.5, rel=0.01)
    least, most = facts["fit_seconds_between"]
    assert least == pytest.approx(5000 / 160 / stage.SPREAD) and most == pytest.approx(5000 / 40 * stage.SPREAD)
    assert (
        f"{least:.0f} to {most:.0f} s to fit on this machine (152 steps/s; --preset fast" in SHAPE.summary("inspect", facts)[-1]
    )


def test_of_what_is_solved_the_first_trial_compiles(monkeypatch, torus_scan):
    seconds = iter((30.0, 2.0, 2.5, 3.0))

    def fit_task(*args, **kwargs):
        return Outcome(True, 1, next(seconds), {}, 0, 0, "float64")

    monkeypatch.setattr(stage, "fit_task", fit_task)
    config = resolve(SHAPE.config_type, SHAPE.presets, [("", {"preset": "fast"})])
    facts = stage.inspect(SHAPE, [torus_scan], config, torch.device("cpu"), lambda _: None)
    least, most = facts["fit_seconds_between"]
    assert most / least == pytest.approx(1.5 * stage.SPREAD**2) and least < facts["fit_seconds"] < most
    assert "fit_rate" not in facts


@pytest.mark.parametrize(("step", "seconds"), [(0, 3.0), (1, 40.0), (3, 1e6)])
def test_a_machine_too_busy_to_time_a_fit(monkeypatch, torus_scan, config, step, seconds):
    facts, line = told(monkeypatch, torus_scan, config, step, seconds, None, 0.1)
    assert facts["busy"]
    assert "fit_seconds" not in facts
    assert "a busy machine, on which a fit cannot be timed" in line


def test_a_busy_machine_and_a_free_one(monkeypatch, torus_scan, config):
    facts, line = told(monkeypatch, torus_scan, config, 20, 1.2, 17.0, 0.2)
    assert facts["busy"]
    assert facts["fit_seconds"] == pytest.approx(5000 / 17)
    assert line.endswith("(17 steps/s; --preset fast solves it in a fraction of that); a busy machine: less when it is free")
    facts, line = told(monkeypatch, torus_scan, config, 200, 1.2, 170.0, 1.8)
    assert "busy" not in facts
    assert "busy" not in line


@pytest.mark.parametrize("settings", [{}, {"preset": "fast"}, {"ingest": {"guide_depth": 6, "guide": "always"}}], ids=str)
def test_it_decides_as_ingest_does_what_is_open(settings, monkeypatch, tmp_path):
    """By the same surface of the same points: a coarser one hides holes. A ball without its lower third."""
    made, poisson = [], samples.poisson_surface

    def noted(points, normals, depth, threads=None):
        made.append((len(points), depth))
        return poisson(points, normals, 5)  # in no time

    points = np.random.default_rng(0).normal(size=(6000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points = points[points[:, 2] > -0.4]
    np.save(tmp_path / "ball.npy", np.hstack([points, points]).astype(np.float32))
    monkeypatch.setattr(samples, "poisson_surface", noted)
    config = resolve(SHAPE.config_type, SHAPE.presets, [("", settings)])
    seen = SHAPE.inspect(tmp_path / "ball.npy", config, lambda _: None)
    by_inspect = made.copy()
    made.clear()
    taken = SHAPE.ingest(tmp_path / "ball.npy", config, lambda _: None)
    assert by_inspect == made and (made or settings.get("preset") == "fast")
    assert seen.open and taken.header.open and taken.facts.guide.open
    assert seen.unsupported == pytest.approx(taken.facts.guide.unsupported, rel=0.01)
    assert "open" in [c.value for c in seen.choices if c.setting == "ingest.surface"]

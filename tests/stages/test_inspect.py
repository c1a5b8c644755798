"""How long a fit takes is told where it could be measured; else that the machine is busy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from shapesiren.config import resolve
from shapesiren.fitting.events import Progress
from shapesiren.fitting.loop import Outcome
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
    assert line.endswith("(17 steps/s); a busy machine: less when it is free")
    facts, line = told(monkeypatch, torus_scan, config, 200, 1.2, 170.0, 1.8)
    assert "busy" not in facts
    assert "busy" not in line


@pytest.mark.slow
def test_it_says_open_where_ingest_does(tmp_path):
    """Six holes of a ball, which a surface coarser than ingest's hides."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(8000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points = points[np.abs(points).max(1) < np.cos(0.38)]
    np.save(tmp_path / "ball.npy", np.hstack([points, points]).astype(np.float32))
    config = resolve(SHAPE.config_type, SHAPE.presets, [])
    seen = SHAPE.inspect(tmp_path / "ball.npy", config, lambda _: None)
    taken = SHAPE.ingest(tmp_path / "ball.npy", config, lambda _: None)
    assert seen.open and taken.header.open and taken.facts.guide.open
    assert seen.unsupported == pytest.approx(taken.facts.guide.unsupported, rel=1e-3)
    assert "open" in [c.value for c in seen.choices if c.setting == "ingest.surface"]

"""Waves: against exact modes and spectral steps."""

import numpy as np
import pytest
import torch

import shapesiren
from shapesiren.config import resolve
from shapesiren.equations.plane_waves import lattice, plane_waves
from shapesiren.tasks import TASKS
from tests.samples import PROBLEMS, solved


def test_wave(tmp_path):
    found = solved(tmp_path, "wave")
    assert found["relative_error"] < 0.03
    assert max(found["error_over_time"]) < 0.06
    shapesiren.decode(tmp_path / "run", out=tmp_path / "w.gif")
    assert (tmp_path / "w.gif").read_bytes()[:4] == b"GIF8"


PAIR = """problem = "wave"
duration = 0.7
[[pulse]]
position = [0.4, 0.3]
width = 0.12
[[pulse]]
position = [-0.6, -0.2]
width = 0.15
amplitude = -0.5
[medium]
speed = 1.3
"""


def test_waves_leave_the_domain(tmp_path):
    """Two pulses that are not in the middle, while much of them is gone at the end; nothing comes back."""
    found = solved(tmp_path, "wave", PAIR, net={"last_width": None})
    assert found["relative_error"] < 0.03
    assert found["error_over_time"][-1] < 0.06


def test_more_waves_are_more_exact(tmp_path):
    errors = [
        solved(tmp_path / str(reach), "wave", PAIR, net={"last_width": None}, ingest={"reach": reach})["relative_error"]
        for reach in (2.0, 2.7, 3.4)
    ]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


@pytest.mark.slow
def test_a_wave_enters_a_slower_square(tmp_path):
    """Means over cells, where the residual at as many points is worse."""
    text = """problem = "wave"
duration = 0.8
[[pulse]]
position = [-0.3, 0.0]
width = 0.25
[[medium.inclusion]]
shape = "square"
centre = [0.4, 0.0]
size = 0.3
speed = 0.6
"""
    free = {"net": {"last_width": None}}
    found = solved(tmp_path / "cells", "wave", text, ingest={"cells": 18}, **free)
    at_points = solved(tmp_path / "points", "wave", text, ingest={"cells": None, "points": 2400}, net={"last_width": 1400})
    assert found["relative_error"] < 0.04
    assert found["relative_error"] < 0.85 * at_points["relative_error"]


def test_plane_waves_solve_the_equation_and_are_distinct():
    period = np.array([2.5, 3.1])
    frequency, phase = plane_waves(period, 1.5, 402)
    assert frequency.shape == (402, 3)
    np.testing.assert_allclose(frequency[:, 2] ** 2, 1.5**2 * (frequency[:, :2] ** 2).sum(1))
    steps = frequency[:, :2] * period / (2 * np.pi)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-9)
    x = np.random.default_rng(0).uniform(-3, 3, (900, 3))
    assert np.linalg.matrix_rank(np.sin(x @ frequency.T + phase)) == 402
    outside = lattice(period, 100.0)
    assert np.linalg.norm(frequency[:, :2], axis=1).max() <= np.sort(np.linalg.norm(outside, axis=1))[201] + 1e-9  # no gaps


def test_the_times_of_a_wave_grow(tmp_path):
    """The paper's curriculum: early steps see early times, the start always."""
    text, quick = PROBLEMS["wave"]
    (tmp_path / "p.toml").write_text(text)
    task = TASKS["wave"]
    config = resolve(task.config_type, task.presets, [("t", quick), ("t", {"batch": {"grow": 0.5}})])
    fitted = task(task.ingest(tmp_path / "p.toml", config, print), config, torch.device("cpu"))
    times = fitted.equations["interior"].points[:, 2]
    assert (np.diff(times) >= 0).all() and (np.diff(fitted.equations["border"].points[:, 2]) >= 0).all()
    assert [fitted.reach("interior", p) for p in (0.0, 0.25, 0.5, 1.0)] == [0.01, 0.5, 1.0, 1.0]
    assert fitted.reach("start", 0.0) == 1.0
    seen = []
    fitted.applied = lambda x, operator, moment: seen.append(x[:, 2].max().item()) or operator[:, :1].real * 0
    from shapesiren.tasks.base import Moment

    fitted.losses(torch.Generator().manual_seed(0), Moment(0, 0.25, torch.float32))
    assert seen[0] <= np.quantile(times, 0.5) + 1e-6


def test_too_few_units_are_warned_of(tmp_path):
    (tmp_path / "p.toml").write_text('problem = "wave"\nduration = 1.0\n[[pulse]]\nwidth = 0.02\n')
    task = TASKS["wave"]
    said = []
    task.ingest(tmp_path / "p.toml", resolve(task.config_type, task.presets, []), said.append)
    assert not said  # it takes as many as it needs
    (tmp_path / "narrow.toml").write_text('problem = "wave"\nduration = 1.0\n[[pulse]]\nwidth = 0.00001\n')
    header = task.ingest(tmp_path / "narrow.toml", resolve(task.config_type, task.presets, []), said.append).header
    (line,) = said
    assert header.units > 1e9 and "16,384" in line  # as many as there are at most
    said.clear()
    fewer = resolve(task.config_type, task.presets, [("t", {"net": {"last_width": 4096}})])
    task.ingest(tmp_path / "p.toml", fewer, said.append)
    (line,) = said
    assert "4,096" in line and "net.last_width" in line
    said.clear()
    medium = "[[medium.inclusion]]\nshape = 'disc'\nsize = 0.2\nspeed = 0.5\n"
    with (tmp_path / "p.toml").open("a") as f:
        f.write(medium)
    task.ingest(tmp_path / "p.toml", resolve(task.config_type, task.presets, []), said.append)
    (line,) = said
    assert "ingest.cells" in line

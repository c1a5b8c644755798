"""The pictures of a solution: their axes and colours, and the reference that they do not compute again."""

import numpy as np
import pytest

from shapesiren.equations.headers import ProblemHeader
from shapesiren.metrics import equations
from shapesiren.metrics.equations import kept_reference
from shapesiren.reports.equations import solution_figure, thinned
from shapesiren.stages.report import open_finished
from tests.samples import solved


@pytest.mark.slow
def test_panels_have_axes_and_colour_bars_and_the_kept_reference(tmp_path, monkeypatch):
    solved(tmp_path, "poisson")
    run = open_finished(tmp_path / "run")

    def refuse(*_):
        raise AssertionError("the reference was computed again")

    monkeypatch.setattr(equations, "_reference", refuse)
    figure = solution_figure(run.field, run.arrays, run.folder)
    panels = [axis for axis in figure.axes if axis.get_images() and axis.get_xlabel() == "x"]
    bars = [axis for axis in figure.axes if axis.get_label() == "<colorbar>"]
    assert len(panels) == len(bars) > 1
    held = dict(np.load(run.folder / "solution.npz"))
    left, right, low, high = panels[0].get_images()[0].get_extent()
    assert left < held["x"][0] < held["x"][-1] < right and low < held["y"][0] < held["y"][-1] < high
    shown = np.asarray(panels[0].get_images()[0].get_array())
    assert shown[0] == pytest.approx(np.real(held["u"])[-1])  # the last row of values is at the top
    with pytest.raises(AssertionError, match="computed again"):
        solution_figure(run.field, run.arrays)
    # of another solution it is not taken
    header = ProblemHeader.of(run.field.header)
    assert kept_reference(run.folder, header) is not None
    np.savez_compressed(run.folder / "solution.npz", **held | {"u": held["u"] + 1})
    assert kept_reference(run.folder, header) is None
    (run.folder / "reference.npz").write_bytes(b"no archive")
    assert kept_reference(run.folder, header) is None


def test_a_large_solution_is_thinned_out_for_pictures():
    solution = {"x": np.arange(1000.0), "y": np.arange(500.0), "t": np.arange(41.0), "u": np.zeros((41, 500, 1000))}
    small, truth = thinned(solution, solution["u"], 5)
    assert small["u"].shape == truth.shape == (5, 167, 334)
    assert len(small["x"]) == 334 and small["t"][-1] == 40

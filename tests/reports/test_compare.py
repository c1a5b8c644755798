"""What a comparison must say beside its figures."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from shapesiren.reports import compare
from shapesiren.reports.compare import unequal_steps
from shapesiren.tasks.shape_settings import ShapeConfig


def run(units, cell):
    facts = {"mesh": {"cell": cell, "verification": {"area": 2500.0, "genus": 0}}}
    if units is not None:
        facts["mesh"]["length_units"] = units
    return SimpleNamespace(config=ShapeConfig(), manifest={}, facts=lambda stage: facts.get(stage, {}))


@pytest.mark.parametrize(
    ("units", "cell", "area"),
    [
        (("m", "m"), ["mesh, cell, m", 0.5, 0.25], ["mesh, verification, area, m²", 2500.0, 2500.0]),
        (("mm", "m"), ["mesh, cell", "0.5 mm", "0.25 m"], ["mesh, verification, area", "2500 mm²", "2500 m²"]),
        (("mm", None), ["mesh, cell", "0.5 mm", 0.25], ["mesh, verification, area", "2500 mm²", 2500.0]),
        ((None, None), ["mesh, cell", 0.5, 0.25], ["mesh, verification, area", 2500.0, 2500.0]),
    ],
)
def test_lengths_say_what_they_are_in(units, cell, area):
    runs = [run(units[0], 0.5), run(units[1], 0.25)]
    rows = {row[0]: row for row in compare.shown_rows(runs)}
    assert rows[cell[0]] == cell and rows[area[0]] == area
    assert rows["mesh, verification, genus"][1:] == [0, 0]
    assert [row for row in compare.rows_of(runs) if row[0] == "mesh, cell"] == [["mesh, cell", 0.5, 0.25]]


def fitted(name, steps, seconds):
    facts = {"fit": {"steps": steps, "seconds": seconds}}
    return SimpleNamespace(name=name, folder=Path(name), facts=lambda stage: facts.get(stage, {}))


def test_very_different_numbers_of_steps_in_equal_time_are_said():
    said = unequal_steps([fitted("siren", 528, 60.0), fitted("fourier", 11, 62.0), fitted("relu", 500, 60.0)])
    assert "siren 528 steps of 114 ms" in said and "fourier 11 steps of 5,636 ms" in said
    assert "fourier has had 2.1% of the steps of siren" in said


@pytest.mark.parametrize(
    "runs",
    [
        [fitted("a", 528, 60.0), fitted("b", 400, 60.0)],  # about as many
        [fitted("a", 5000, 600.0), fitted("b", 50, 6.0)],  # not at equal time: it shows in the table
        [fitted("a", 528, 60.0), fitted("solved", 1, 60.0)],  # one round of least squares is no step
        [fitted("a", None, None), fitted("b", 11, 60.0)],
    ],
)
def test_nothing_is_said_where_there_is_nothing_to_say(runs):
    assert unequal_steps(runs) == ""

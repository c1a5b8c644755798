"""The table of several runs: what its lengths are in."""

from types import SimpleNamespace

import pytest

from shapesiren.reports import compare
from shapesiren.tasks.shape import ShapeConfig


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

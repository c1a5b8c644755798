"""What a comparison must say beside its figures."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from shapesiren.reports.compare import unequal_steps


def run(name, steps, seconds):
    facts = {"fit": {"steps": steps, "seconds": seconds}}
    return SimpleNamespace(name=name, folder=Path(name), facts=lambda stage: facts.get(stage, {}))


def test_very_different_numbers_of_steps_in_equal_time_are_said():
    said = unequal_steps([run("siren", 528, 60.0), run("fourier", 11, 62.0), run("relu", 500, 60.0)])
    assert "siren 528 steps of 114 ms" in said and "fourier 11 steps of 5,636 ms" in said
    assert "fourier has had 2.1% of the steps of siren" in said


@pytest.mark.parametrize(
    "runs",
    [
        [run("a", 528, 60.0), run("b", 400, 60.0)],  # about as many
        [run("a", 5000, 600.0), run("b", 50, 6.0)],  # not at equal time: it shows in the table
        [run("a", 528, 60.0), run("solved", 1, 60.0)],  # one round of least squares is no step
        [run("a", None, None), run("b", 11, 60.0)],
    ],
)
def test_nothing_is_said_where_there_is_nothing_to_say(runs):
    assert unequal_steps(runs) == ""

"""Every figure about a mesh has one definition, and the page of them is as the program says.

SHAPESIREN_WRITE_DOCS=1 pytest tests/metrics/test_definitions.py writes docs/figures.md, without it the test compares.
"""

import os
from pathlib import Path

import pytest

from shapesiren.metrics.acceptance import Acceptance
from shapesiren.metrics.definitions import DEFINITIONS, rows
from shapesiren.metrics.deviations import Deviations
from shapesiren.metrics.shape import FieldErrors, ShapeMetrics, WithinTolerance
from shapesiren.metrics.surface_distance import SurfaceDistances
from shapesiren.surface.facts import InputDistances, Likeness, MeshFacts, Uncertainty

PAGE = Path(__file__).parents[2] / "docs" / "figures.md"
HEAD = """# What the figures mean

Each figure about a mesh has one name and one definition; `evaluate`, `mesh`, `report`, `compare`, `view` and the summary of
`batch` mean the same by it. Lengths are in the units of the scan, if not said otherwise. The key is where it stands in the
facts of its stage (`run.json`; those of `evaluate` in `metrics.json`, and in `--json`).

| figure | what it is | key |
| --- | --- | --- |
"""
# what is no distance, or only says what another figure is of
BESIDE = {
    "measured",
    "against",
    "positive",
    "count",
    "outside",
    "lowest",
    "highest",
    "within",
    "histogram",
    "passed",
    "required",
}
BESIDE |= {"tolerance", "vertices", "spacing"}


def keys():
    """Every key of the table, written out: ``a.b.c, .d`` are ``a.b.c`` and ``a.b.d``."""
    for one in DEFINITIONS:
        first, *more = one.key.split(", ")
        yield first
        yield from (first.rpartition(".")[0] + key for key in more)


def test_the_page_is_as_the_program_says():
    text = HEAD + "".join(f"| {name} | {meaning.replace('|', chr(92) + '|')} | `{key}` |\n" for name, meaning, key in rows())
    if os.environ.get("SHAPESIREN_WRITE_DOCS"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("facts", "at"),
    [
        (SurfaceDistances, "evaluate.surface"),
        (FieldErrors, "evaluate.field"),
        (Deviations, "evaluate.deviation"),
        (Acceptance, "evaluate.acceptance"),
        (WithinTolerance, "evaluate.within"),
        (InputDistances, "mesh.input_distance"),
        (Likeness, "mesh.likeness"),
        (Uncertainty, "mesh.uncertainty"),
    ],
)
def test_no_figure_lacks_a_definition(facts, at):
    assert [name for name in facts.model_fields if name not in BESIDE and f"{at}.{name}" not in set(keys())] == []


def test_no_definition_is_of_a_figure_that_there_is_not():
    stages = {"mesh": MeshFacts, "evaluate": ShapeMetrics}
    for key in keys():
        stage, *names = key.split(".")
        kind = stages.get(stage)
        for name in names:
            assert name in kind.model_fields, key
            kind = next((t for t in (kind.model_fields[name].annotation,) if hasattr(t, "model_fields")), None) or next(
                (t for t in getattr(kind.model_fields[name].annotation, "__args__", ()) if hasattr(t, "model_fields")), None
            )


def test_no_name_is_given_twice():
    names = [one.name for one in DEFINITIONS]
    assert len(set(names)) == len(names)

"""What the pages say of results is what the results' file says, and nothing else."""

import importlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = json.loads((ROOT / "pipelines" / "bench" / "results.json").read_text())


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "pipelines" / "bench"))
    return importlib.import_module("tables")


def test_pages_show_the_results_that_are_stored(tables):
    """`python pipelines/bench/all.py --write-pages` fills them."""
    blocks = 0
    for name in tables.PAGES:
        text = (ROOT / name).read_text()
        assert tables.filled(text, RESULTS) == text, f"{name}: python pipelines/bench/all.py --write-pages"
        blocks += len(tables.BLOCK.findall(text))
    assert blocks >= 5


def test_the_figures_of_the_readmes_table_are_in_the_file(tables):
    """Read the other way round: each figure of the table has its row."""
    text = (ROOT / "README.md").read_text()
    block = re.search(r"<!-- bench:readme -->(.*?)<!-- /bench -->", text, re.S)[1]
    lines = [[c.strip() for c in line.strip("|").split("|")] for line in block.splitlines() if line.startswith("| ")]
    head, rows = lines[0], lines[2:]
    errors = {(r["surface"], r["condition"], r["tool"]): r["error"] for r in RESULTS["rows"] if "failed" not in r}
    shown = 0
    for surface, condition, *cells in rows:
        for tool, cell in zip(head[2:], cells, strict=True):
            if cell != "-":
                assert float(re.search(r"[\d.]+", cell)[0]) == pytest.approx(errors[surface, condition, tool], abs=6e-4)
                shown += 1
    assert shown >= 6
    assert RESULTS["commit"] in block and RESULTS["machine"] in block


def test_what_the_readme_says_in_words_follows_from_the_figures(tables):
    """If it does not any more, the sentence is to be written anew."""
    text = " ".join((ROOT / "README.md").read_text().split())
    assert "half to three quarters of the error of PoissonRecon at its best setting" in text
    assert "clean, dense and well oriented, where it is nearly as good on smooth shapes in half the time" in text
    found = {(r["surface"], r["condition"], r["tool"]): r for r in RESULTS["rows"] if r["group"] == "shapes"}
    for (surface, condition, tool), row in found.items():
        peer = found.get((surface, condition, tables.POISSON))
        if tool in ("shapesiren fast", "shapesiren default") and peer and "failed" not in (row.keys() | peer.keys()):
            share = row["error"] / peer["error"]
            assert 0.4 < share < 1 if condition == "noise 0 %" else 0.5 < share <= 0.76, (surface, condition, tool, share)


def test_results_are_of_one_version_and_have_no_row_twice():
    assert {"version", "commit", "machine", "date", "command", "points"} <= RESULTS.keys()
    keys = [(r["group"], r["surface"], r["condition"], r["tool"]) for r in RESULTS["rows"]]
    assert len(keys) == len(set(keys))


def test_a_failed_row_and_a_missing_one_are_told(tables):
    row = {"group": "shapes", "surface": "ball", "condition": "clean"}
    results = RESULTS | {
        "rows": [
            row
            | {"tool": "a", "setting": "x 1", "error": 0.5, "chamfer": 0.5, "seconds": 2.0, "peak_mib": 10, "watertight": True},
            row | {"tool": "b", "failed": "no mesh"},
        ]
    }
    assert "failed: no mesh" in tables.page(results) and "a (x 1)" in tables.page(results)
    assert "| ball | clean | **0.500** (2 s) | - |" in tables.beside(results, "shapes", ["a", "b"])

"""Results of `all.py` as tables: on the screen, as a page, and in the pages of the project.

A page of the project has blocks between `<!-- bench:NAME -->` and `<!-- /bench -->` that are made here of `results.json` and of
nothing else; tests/bench/test_results.py holds the pages to that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from shapesiren.runtime.files import write_atomically

Row = dict[str, Any]
Results = dict[str, Any]
PAGES = ("README.md", "docs/benchmarks.md")
BLOCK = re.compile(r"(<!-- bench:(\w+) -->\n).*?(<!-- /bench -->)", re.DOTALL)
POISSON = "PoissonRecon 18.74, tuned"
UNITS = {
    "shapes": "Chamfer distance x 10³, longest side 1.8",
    "damage": "Chamfer distance x 10³, longest side 1.8; of scans from views the mean distance of what was seen from the mesh",
    "scans": "mean distance of the points from the mesh, in median spacings",
    "srb": "Chamfer distance, point to point, in the files' units",
    "dsr": "Chamfer distance, point to point, in percent of the diagonal",
}


def line(row: Row) -> str:
    """A row for the screen."""
    head = f"{row['group']}: {row['surface']}, {row['condition']}: {row['tool']}"
    if "failed" in row:
        return f"{head}: failed: {row['failed']}"
    setting = f" ({row['setting']})" if row.get("setting") else ""
    return f"{head}{setting}: {row['error']:.3f} in {row['seconds']:g} s, {_memory(row)}"


def page(results: Results) -> str:
    """All rows, a table for each group, with what they were measured on."""
    groups = list(dict.fromkeys(row["group"] for row in results["rows"]))
    parts = [f"# Benchmark, version {results['version']}", about(results)]
    for group in groups:
        parts += [f"## {group}", f"Error: {UNITS[group]}.", whole(results, group)]
    return "\n\n".join(parts) + "\n"


def about(results: Results) -> str:
    """What was measured, when, on what."""
    notes = "".join(f" {note}" for note in results.get("notes", []))
    return (
        f"Version {results['version']} ({results['commit']}), {results['date']}, `{results['command']}`; {results['machine']}. "
        f"Scans of {results['points']:,} points. Seconds are of whole commands, from the scan's file to the mesh's.{notes}"
    )


def whole(results: Results, group: str) -> str:
    """Every figure of a group that one of its rows has."""
    rows = [row for row in results["rows"] if row["group"] == group]
    columns: dict[str, Callable[[Row], str]] = {
        "surface": lambda r: r["surface"],
        "condition": lambda r: r["condition"],
        "tool": lambda r: f"{r['tool']} ({r['setting']})" if r.get("setting") else r["tool"],
        "s": lambda r: f"{r['seconds']:g}",
        "MiB": lambda r: _number(r.get("peak_mib"), 0),
        "error": lambda r: _number(r["error"], 3),
        "95 % Hausdorff": lambda r: _number(r.get("hausdorff95"), 2),
        "Hausdorff": lambda r: _number(r.get("hausdorff"), 3),
        "F-score": lambda r: _number(r.get("f_score"), 4),
        "normals": lambda r: _number(r.get("normal_consistency"), 4),
        "IoU": lambda r: _number(r.get("iou"), 4),
        "unsupported": lambda r: "" if r.get("unsupported") is None else f"{r['unsupported']:.2%}",
        "components": lambda r: _number(r.get("components"), 0),
        "closed": lambda r: {True: "yes", False: "no", None: ""}[r.get("watertight")],
    }
    cells = []
    for row in rows:
        if "failed" in row:
            cells.append(
                [row["surface"], row["condition"], row["tool"], f"failed: {row['failed']}", *[""] * (len(columns) - 4)]
            )
        else:
            cells.append([tell(row) for tell in columns.values()])
    used = [i for i in range(len(columns)) if i < 3 or any(c[i] for c in cells)]
    return markdown([list(columns)[i] for i in used], [[c[i] for i in used] for c in cells])


def beside(results: Results, group: str, tools: Sequence[str] | None = None) -> str:
    """A row for each case: the error of each tool, the least in bold, and its time."""
    rows = [row for row in results["rows"] if row["group"] == group]
    tools = tools or list(dict.fromkeys(row["tool"] for row in rows))
    cases = list(dict.fromkeys((row["surface"], row["condition"]) for row in rows))
    found = {(row["surface"], row["condition"], row["tool"]): row for row in rows if "failed" not in row}
    cells = []
    for case in cases:
        of_case = [found.get((*case, tool)) for tool in tools]
        least = min((round(row["error"], 3) for row in of_case if row), default=None)
        told = [_beside(row, least) for row in of_case]
        cells.append([*case, *told])
    return markdown(["surface", "condition", *tools], cells)


def _beside(row: Row | None, least: float | None) -> str:
    if row is None:
        return "-"
    error = f"{row['error']:.3f}"
    return f"{f'**{error}**' if round(row['error'], 3) == least else error} ({row['seconds']:.0f} s)"


def ahead(results: Results, group: str, ours: str, peer: str = POISSON) -> str:
    """In how many cases of a group ours has the smaller error, in words; nothing if there are none."""
    rows = [row for row in results["rows"] if row["group"] == group and "failed" not in row]
    errors = {(row["surface"], row["condition"], row["tool"]): row["error"] for row in rows}
    pairs = [(errors.get((*case, ours)), errors.get((*case, peer))) for case in dict.fromkeys(k[:2] for k in errors)]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    if not known:
        return ""
    return f"`{ours}` has the smaller error in {sum(a < b for a, b in known)} of {len(known)} cases against {peer}."


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    return "\n".join(lines + [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows])


def _memory(row: Row) -> str:
    return "memory unknown" if row.get("peak_mib") is None else f"{row['peak_mib']} MiB"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


# ---- Blocks of the project's pages --------------------------------------------------------------------
def _readme(results: Results) -> str:
    table = beside(results, "shapes", [POISSON, "shapesiren fast", "shapesiren default"])
    return "\n\n".join([about(results), table])


def _group(group: str) -> Callable[[Results], str]:
    def made(results: Results) -> str:
        if not any(row["group"] == group for row in results["rows"]):
            return "Not among the results that are stored; `python pipelines/bench/all.py --whole` makes it."
        counted = ahead(results, group, "shapesiren default")
        parts = [f"Error, and seconds: {UNITS[group]}. {counted}".strip(), beside(results, group)]
        return "\n\n".join([*parts, '??? note "All figures"\n\n' + _indented(whole(results, group))])

    return made


def _indented(text: str) -> str:
    return "\n".join("    " + row for row in text.split("\n"))


BLOCKS: dict[str, Callable[[Results], str]] = {
    "readme": _readme,
    "about": about,
    "shapes": _group("shapes"),
    "damage": _group("damage"),
    "scans": _group("scans"),
}


def filled(text: str, results: Results) -> str:
    """A page with its blocks as the results have them."""
    return BLOCK.sub(lambda m: f"{m[1]}{BLOCKS[m[2]](results)}\n{m[3]}", text)


def write_pages(results: Results, root: Path) -> None:
    """Fill the blocks of README.md and docs/benchmarks.md."""
    for name in PAGES:
        path = root / name
        write_atomically(path, filled(path.read_text(), results).encode())

"""Every tool on every case of the protocol, as one table of one version of the code.

    python pipelines/bench/all.py --quick                            # minutes: one shape, ours beside the peers
    python pipelines/bench/all.py --whole --again --out pipelines/bench/results.json    # what the pages show
    python pipelines/bench/all.py --quick --tool "mytool {input} {output}"      # your tool beside ours and the peers
    python pipelines/bench/all.py --tool "mytool {input} {output}" --only-tool --srb FOLDER --page mine.md
    python pipelines/bench/all.py --write-pages                          # results.json -> README.md and docs/benchmarks.md

A tool gets a PLY scan and writes a PLY mesh; time and memory are of its whole command, with all that it starts. Peers are
tuned: the setting of least error counts, with the time of that one alone. See `protocol.py` for what is measured, `outside.py`
for --srb and --dsr.

Results go to a JSON file after each cell. The same command, without --again, goes on where it was stopped; a file of another
version of the code, or of another machine, is not continued: --again begins anew; ``--renew shapesiren`` measures ours alone
again. `shapes.py`, `damage.py` and `scans.py` measure more of ours, in one process.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import outside
import protocol
import tables
import tools
from common import machine, parser
from protocol import Case
from tools import Tool, ToolError

import shapesiren
from shapesiren.errors import ShapesirenError
from shapesiren.runtime.files import write_atomically

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results.json")
FORMAT = 1


def main(words: Sequence[str] | None = None) -> int:
    """Run the protocol. Returns the exit status: 0, or 2 with one line on stderr."""
    args = arguments().parse_args(words)
    try:
        if args.write_pages:
            tables.write_pages(json.loads(args.out.read_text() if args.out.is_file() else RESULTS.read_text()), ROOT)
            return 0
        results = begin(args)
        for case in cases(args):
            for tool in chosen_tools(args):
                if not tool.clean_shapes or (case.group == "shapes" and not case.noisy):
                    cell(case, tool, results, args)
        page = tables.page(results)
        print("\n" + page)
        if args.page:
            write_atomically(args.page, page.encode())
    except (ToolError, ShapesirenError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    size = made.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="one shape, clean and with noise of .25 %%, one damage")
    size.add_argument("--whole", action="store_true", help="all shapes, all damages, all real scans")
    made.add_argument(
        "--tool", action="append", default=[], metavar="TEMPLATE", help='a command: "mytool {input} {output}"; repeatable'
    )
    made.add_argument("--name", action="append", default=[], help="of the tool in the tables, one for each --tool")
    made.add_argument("--only-tool", action="store_true", help="neither ours nor the peers")
    made.add_argument("--presets", nargs="*", default=["fast", "default"], help="of ours")
    made.add_argument("--no-peers", action="store_true", help="without PoissonRecon and Open3D")
    made.add_argument("--surfaces", nargs="*", help="mesh files or analytic shapes (default: meshes beside the repository)")
    made.add_argument("--damages", nargs="*", help="only those whose name contains one of these")
    made.add_argument("--points", type=int, default=100_000)
    made.add_argument("--noise", nargs="*", type=float, help="shares of the longest side")
    made.add_argument("--scans", type=Path, help="a folder of real scans")
    made.add_argument("--srb", type=Path, help="the five scans of Berger et al.")
    made.add_argument("--dsr", type=Path, help="the folder reconbench of dsr-benchmark")
    made.add_argument("--limit", type=float, default=1800.0, help="seconds after which a command is stopped")
    made.add_argument("--out", type=Path, default=Path("results.json"), help="where the figures go (default: ./results.json)")
    made.add_argument("--page", type=Path, help="write the tables here too, as Markdown")
    made.add_argument("--again", action="store_true", help="begin anew although the file is there")
    made.add_argument(
        "--renew",
        metavar="NAME",
        help="measure tools so called again on this version of the code, which the others do not change with",
    )
    made.add_argument("--write-pages", action="store_true", help="only put the results into README.md and docs/benchmarks.md")
    return made


def cases(args: argparse.Namespace) -> Iterator[Case]:
    """What the options ask for, in the order in which it is run."""
    surfaces = args.surfaces or protocol.surfaces_here()
    parts: list[Iterator[Case]] = []
    if args.whole or args.quick or args.surfaces or args.noise is not None:
        some = surfaces[:1] if args.quick and not args.surfaces else surfaces
        noise = args.noise if args.noise is not None else protocol.NOISE[:2] if args.quick else protocol.NOISE
        parts.append(protocol.shapes(some, noise, args.points))
    if args.whole or args.quick or args.damages:
        names = args.damages or (["no normals"] if args.quick else [])
        some = surfaces[:1] if args.quick and not args.surfaces else surfaces
        parts.append(protocol.damaged(some, names, args.points))
    if args.whole or args.scans:
        parts.append(protocol.real_scans(args.scans or protocol.SCANS))
    if args.srb:
        parts.append(outside.srb(args.srb))
    if args.dsr:
        parts.append(outside.dsr(args.dsr))
    if not parts:
        raise ToolError("nothing to run: --quick, --whole, --surfaces, --damages, --scans, --srb or --dsr")
    return chain(*parts)


def chosen_tools(args: argparse.Namespace) -> list[Tool]:
    """Those given first, then ours, then the peers."""
    if args.name and len(args.name) != len(args.tool):
        raise ToolError("--name: one for each --tool")
    names = args.name or [None] * len(args.tool)
    made = [tools.of_template(template, name) for template, name in zip(args.tool, names, strict=True)]
    if not args.only_tool:
        made += [tools.shapesiren(preset) for preset in args.presets]
        made += [] if args.no_peers else [tools.poissonrecon(), tools.open3d()]
        made += [tools.paper(60)] if args.whole and not args.no_peers else []
    if not made:
        raise ToolError("--only-tool: there is no --tool")
    return made


def begin(args: argparse.Namespace) -> dict[str, Any]:
    """The results so far, of this version and machine; or none yet."""
    about = {
        "format": FORMAT,
        "version": shapesiren.__version__,
        "commit": commit(),
        "machine": machine(),
        "points": args.points,
        "notes": [],
    }
    if args.out.is_file() and not args.again:
        stored: dict[str, Any] = json.loads(args.out.read_text())
        kept = [row for row in stored["rows"] if args.renew and args.renew not in row["tool"]]
        same = ("format", "machine", "points") if args.renew else ("format", "commit", "machine", "points")
        other = next((key for key in same if stored.get(key) != about[key]), None)
        if other:
            raise ToolError(
                f"{args.out}: results of another {other} ({stored.get(other)}, now {about[other]}) are not continued; "
                "--again begins anew, --out names another file"
            )
        if args.renew:
            of = {row["tool"] for row in kept}
            note = f"Of version {stored['commit']}, {stored['date']}, are the rows of {', '.join(sorted(of))}."
            return stored | about | {"date": today(), "rows": kept, "notes": [*stored["notes"], *([note] if of else [])]}
        return stored
    command = "python pipelines/bench/all.py" + (" --whole" if args.whole else " --quick" if args.quick else "")
    return about | {"date": today(), "command": command, "rows": []}


def today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def commit() -> str:
    """Of the code that runs, with a mark where the code differs from it; "unknown" outside a repository."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "shapesiren", "pipelines/bench/*.py")
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + ("-dirty" if changed else "")


def cell(case: Case, tool: Tool, results: dict[str, Any], args: argparse.Namespace) -> None:
    """One row, at the best setting of the tool; kept as soon as it is known."""
    key = {"group": case.group, "surface": case.surface, "condition": case.condition, "tool": tool.name}
    if any(all(row[k] == v for k, v in key.items()) for row in results["rows"]):
        return
    best: dict[str, Any] | None = None
    failed = ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan = case.write(folder)
        for setting, template in tool.settings(case.noisy, few=case.group != "shapes"):
            mesh = folder / "mesh.ply"
            mesh.unlink(missing_ok=True)
            try:
                cost = tools.run(template, scan, mesh, args.limit)
                found = case.judge(case.read(mesh))
            except (ToolError, ShapesirenError) as error:
                failed = str(error)
                continue
            memory = None if cost.peak_mib is None else round(cost.peak_mib)
            row = {"setting": setting, "seconds": round(cost.seconds, 1), "peak_mib": memory} | found
            if best is None or row["error"] < best["error"]:
                best = row
    results["rows"].append(key | (best or {"failed": failed}))
    write_atomically(args.out, (json.dumps(results, indent=1) + "\n").encode())
    print(tables.line(results["rows"][-1]), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())

"""What `--live` costs a fit: whole commands, alternately with and without the viewer, a browser looking on if one is there.

    python pipelines/bench/live.py data/trefoil.ply --out FOLDER --rounds 3          # some seven minutes on two cores

Prints the seconds of each fit and of each command, and how the medians of the fits differ. Needs shapesiren[live]; the runs
stay in FOLDER.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from common import Table, command_line, parser


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("scan", type=Path)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--browser", help="a Chromium that opens the viewer's page; it takes a share of the machine itself")
    args = arguments.parse_args()
    table = Table("round", "viewer", "fit, s", "whole command, s")
    fits: dict[bool, list[float]] = {False: [], True: []}
    for i in range(args.rounds):
        for live in (False, True):
            run = args.out / f"{i}-{'live' if live else 'alone'}"
            seconds, whole = fit(args.scan, run, live, args.browser)
            fits[live].append(seconds)
            table.add(i, "yes" if live else "no", f"{seconds:.1f}", f"{whole:.1f}")
    alone, watched = (statistics.median(fits[k]) for k in (False, True))
    print(f"median {alone:.1f} s alone, {watched:.1f} s watched: {100 * (watched / alone - 1):+.1f} %")


def fit(scan: Path, run: Path, live: bool, browser: str | None) -> tuple[float, float]:
    """Seconds of the fit, as its manifest has them, and of the whole command."""
    command = command_line("fit", scan, "--out", run, "--force", *(["--live"] if live else []))
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with looking(browser) as look:
        for line in process.stderr:
            found = re.match(r"live: (http\S+)", line)
            if found:
                look(found[1])
            if process.poll() is not None or line.startswith("made "):
                break  # the viewer stays a few seconds longer, with the same standard error
        process.wait()
    whole = time.perf_counter() - start
    return json.loads((run / "run.json").read_text())["stages"]["fit"]["facts"]["seconds"], whole


@contextmanager
def looking(browser: str | None):
    """A function that opens an address in a headless browser, until the end of the block."""
    if browser is None:
        yield lambda address: None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        page = playwright.chromium.launch(executable_path=browser, args=arguments).new_page()
        yield page.goto


if __name__ == "__main__":
    main()

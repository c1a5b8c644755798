"""What `--live` costs a fit: whole commands, alternately with and without the viewer, a browser looking on if one is there.

python pipelines/bench/live.py data/trefoil.ply --out FOLDER --rounds 3
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--browser", help="a Chromium that opens the viewer's page; it takes a share of the machine itself")
    args = parser.parse_args()
    print("| round | viewer | fit, s | whole command, s |\n|" + " --- |" * 4, flush=True)
    fits: dict[bool, list[float]] = {False: [], True: []}
    for i in range(args.rounds):
        for live in (False, True):
            run = args.out / f"{i}-{'live' if live else 'alone'}"
            seconds, whole = fit(args.scan, run, live, args.browser)
            fits[live].append(seconds)
            print(f"| {i} | {'yes' if live else 'no'} | {seconds:.1f} | {whole:.1f} |", flush=True)
    alone, watched = (statistics.median(fits[k]) for k in (False, True))
    print(f"median {alone:.1f} s alone, {watched:.1f} s watched: {100 * (watched / alone - 1):+.1f} %")


def fit(scan: Path, run: Path, live: bool, browser: str | None) -> tuple[float, float]:
    command = [
        sys.executable,
        "-m",
        "shapesiren",
        "fit",
        str(scan),
        "--out",
        str(run),
        "--force",
        *(["--live"] if live else []),
    ]
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

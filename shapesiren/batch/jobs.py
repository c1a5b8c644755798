"""What a batch has to do: one job for each input, from a list of files or from a manifest."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..config import Tree, merge, parse_assignments
from ..errors import InputError
from ..runtime.workers import part_of

SEPARATOR = ";"  # between the files of one input, in a manifest
RESERVED = ("source", "name")


@dataclass(frozen=True)
class Job:
    """One input and its own settings. ``name`` is that of its run folder in the batch's folder."""

    name: str
    sources: tuple[str, ...]
    settings: Tree


def jobs_of_files(sources: Sequence[Path]) -> list[Job]:
    """A job for each file, named by its stem; where stems are the same, with its folder or its extension."""
    return _named([Job("", (str(s),), {}) for s in sources])


def jobs_of_manifest(path: Path) -> list[Job]:
    """A job for each row of a CSV file or line of a JSONL file.

    ``source`` is a file, or several with semicolons (a list in JSONL) that are one input; ``name`` is optional; every other
    column is a setting, such as ``preset`` or ``fit.steps``, left alone where it is empty. Relative paths count from the
    manifest's folder.

    Raises
    ------
    InputError : naming the line
    """
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise InputError(f"unknown manifest format {path.suffix!r}", where=path, hint="known: .csv .jsonl")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such manifest", where=path) from None
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(f"cannot read it ({e})", where=path) from None
    jobs = []
    for number, row in _rows(path, text):
        where = f"{path}, line {number}"
        given = row.get("source")
        names = given.split(SEPARATOR) if isinstance(given, str) else given
        if not isinstance(names, list) or not names or not all(isinstance(n, str) and n.strip() for n in names):
            raise InputError("no source", where=where, hint='a column "source" names the input file')
        name = str(row.get("name") or "")
        if (name and not re.fullmatch(r"[\w. +@=,-]+", name)) or name in (".", ".."):
            raise InputError(f"{name!r} is no name of a folder", where=where, hint="letters, digits, . - _")
        jobs.append(Job(name, tuple(str(path.parent / n.strip()) for n in names), _settings(row, where)))
    if not jobs:
        raise InputError("no inputs in it", where=path)
    return _named(jobs)


def _rows(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    if path.suffix.lower() == ".csv":
        reader = csv.DictReader(io.StringIO(text))
        return [(reader.line_num, {k.strip(): (v or "").strip() for k, v in row.items() if k}) for row in reader]
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as e:
            raise InputError(f"not JSON: {e}", where=f"{path}, line {number}") from None
        if not isinstance(row, dict):
            raise InputError("not a JSON object", where=f"{path}, line {number}")
        rows.append((number, row))
    return rows


def _settings(row: dict[str, Any], where: str) -> Tree:
    tree: Tree = {}
    for name, value in row.items():
        if name in RESERVED or value in ("", None):
            continue
        if isinstance(value, str):
            merge(tree, parse_assignments([f"{name}={value}"]))
            continue
        nested: Any = value
        if not all(name.split(".")):
            raise InputError(f"{name!r} is no setting", where=where)
        for part in reversed(name.split(".")):
            nested = {part: nested}
        merge(tree, nested)
    return tree


def _named(jobs: Sequence[Job]) -> list[Job]:
    """Absolute sources, and a name each: the stem, with the folder or the extension where stems are the same."""
    firsts = [Path(j.sources[0]).absolute() for j in jobs]
    choices = (lambda f: f.stem, lambda f: f"{f.parent.name}-{f.stem}", lambda f: f"{f.stem}-{f.suffix[1:]}")
    counts = [Counter(choose(f) for f, j in zip(firsts, jobs, strict=True) if not j.name) for choose in choices]
    out = []
    for job, first in zip(jobs, firsts, strict=True):
        unique = (choose(first) for choose, count in zip(choices, counts, strict=True) if count[choose(first)] < 2)
        name = job.name or next(unique, first.stem)
        out.append(replace(job, name=name, sources=tuple(str(Path(s).absolute()) for s in job.sources)))
    twice = [name for name, count in Counter(j.name for j in out).items() if count > 1]
    if twice:
        raise InputError(
            f"two inputs would share the run folder {twice[0]!r}",
            where="batch",
            hint="give them names in a manifest (--manifest)",
        )
    return out


def shard(jobs: Sequence[Job], text: str | None) -> list[Job]:
    """The k-th of N parts, ``"k/N"``: jobs k, k + N, ... counted from 1. All of them if there is no such text."""
    return list(jobs) if text is None else part_of(jobs, text)

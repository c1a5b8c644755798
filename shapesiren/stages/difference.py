"""In what two runs differ: settings, inputs, versions and facts."""

from __future__ import annotations

from typing import Any

from ..config import Tree, read_toml
from ..errors import InputError
from .stage import CONFIG, stored_config
from .store import Run

Rows = list[tuple[str, Any, Any]]
TIMES = ("seconds", "finished", "device")


def difference(a: Run, b: Run) -> dict[str, Rows]:
    """Group -> rows of (name, in ``a``, in ``b``), of what differs; None where a run has none; no group is empty."""
    groups: dict[str, Rows] = {
        "input": _differing(_source(a), _source(b)),
        "settings": _differing(_settings(a), _settings(b)),
        "versions": _differing(_versions(a), _versions(b)),
        "time": _differing(_times(a), _times(b)),
    }
    for stage in dict.fromkeys([*a.manifest["stages"], *b.manifest["stages"]]):
        facts = [{k: v for k, v in _flat(run.facts(stage)).items() if k.split(".")[-1] not in TIMES} for run in (a, b)]
        groups[stage] = _differing(*facts)
    return {name: rows for name, rows in groups.items() if rows}


def _differing(a: Tree, b: Tree) -> Rows:
    return [(name, a.get(name), b.get(name)) for name in dict.fromkeys([*a, *b]) if a.get(name) != b.get(name)]


def _source(run: Run) -> Tree:
    source = run.manifest.get("source")
    source = source if isinstance(source, dict) else {}
    return {"task": run.manifest.get("task"), **{k: source.get(k) for k in ("name", "bytes")}} | {
        "sha256": str(source["sha256"])[:12] if "sha256" in source else None
    }


def _settings(run: Run) -> Tree:
    """All of them, those that a run of an earlier version does not name at their defaults; else what its file says."""
    try:
        return _flat(stored_config(run, [])[1].model_dump(mode="json"))
    except InputError:
        pass
    try:
        return _flat(read_toml(run.folder / CONFIG))
    except InputError:
        return {}


def _versions(run: Run) -> Tree:
    """Of the stages, each that was made with its own; a version that all share stands once."""
    out: Tree = {}
    for stage, record in run.manifest["stages"].items():
        for name, value in record.get("versions", {}).items():
            out[f"{stage}, {name}"] = value
    packages = dict.fromkeys(key.split(", ")[1] for key in out)
    shared: Tree = {}
    for package in packages:
        values = {key: value for key, value in out.items() if key.split(", ")[1] == package}
        shared |= {package: next(iter(values.values()))} if len(set(values.values())) == 1 else values
    return shared


def _times(run: Run) -> Tree:
    out: Tree = {}
    for stage, record in run.manifest["stages"].items():
        out[f"{stage}, seconds"] = record.get("seconds")
        out[f"{stage}, device"] = record.get("facts", {}).get("device") or record.get("device")
    return out


def _flat(tree: Tree, above: str = "") -> Tree:
    """Nested figures as one level, names joined by dots; lists as they are, in one line."""
    flat: Tree = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{above}{name}.")
        else:
            flat[above + name] = " ".join(map(str, value)) if isinstance(value, list) else value
    return flat

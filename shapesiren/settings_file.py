"""A settings file to start from: every setting with its meaning, written from the settings models, so that it stays true."""

from __future__ import annotations

import textwrap
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .config import Config, Tree, toml_value
from .profiles import MEANINGS, profile

WIDTH = 100
FIRST = ("ingest", "mesh", "decode", "output", "evaluate", "report")  # sections that users change; the rest fits the field


def commented(config: Config, name: str | None) -> str:
    """TOML of all settings of ``config``, which profile ``name`` resolved to.

    What the profile sets stands as it is; all else is commented out at its value, so that a preset or another profile still
    decides it. Either way it loads as ``config``.
    """
    chosen = profile(name, config.task) if name else {}
    kind = type(config)
    lines = [f"# Settings of a {config.task}{f', for {name}: {MEANINGS[name]}' if name else ''}."]
    lines += [f"# Use: shapesiren run THIS.toml INPUT, or shapesiren fit INPUT --config THIS.toml. {_RULE}", ""]
    lines += _setting("task", config.task, kind.model_fields["task"], active=True)
    if name:
        lines += _setting("profile", name, kind.model_fields["profile"], active=True)
    for top in ("preset", "seed"):
        lines += _setting(top, getattr(config, top), kind.model_fields[top], active=False)
    for section in sorted(kind.model_fields, key=lambda s: FIRST.index(s) if s in FIRST else len(FIRST)):
        values = getattr(config, section)
        if isinstance(values, BaseModel):
            lines += ["", f"[{section}]  # {_first_line(values)}"]
            tree: Tree = values.model_dump(mode="json")
            for key, field in type(values).model_fields.items():
                lines += _setting(key, tree[key], field, active=key in chosen.get(section, {}))
    return "\n".join(lines) + "\n"


_RULE = "A line that begins with #name is at its default."


def _setting(name: str, value: Any, field: FieldInfo, active: bool) -> list[str]:
    """The meaning of one setting, and its line."""
    about = "; ".join(part for part in (field.description, _choices(field)) if part)
    comment = textwrap.wrap(about, WIDTH, initial_indent="# ", subsequent_indent="# ")
    if value is None:
        return [*comment, f"#{name} ="]
    return [*comment, f"{'' if active else '#'}{name} = {toml_value(value)}"]


def _choices(field: FieldInfo) -> str:
    """The values that a setting may have, where they are names."""
    if field.examples:
        return "one of " + ", ".join(map(str, field.examples))
    for part in (field.annotation, *get_args(field.annotation)):
        if get_origin(part) is Literal and len(get_args(part)) > 1:
            return "one of " + ", ".join(map(str, get_args(part)))
    return ""


def _first_line(values: BaseModel) -> str:
    text = (type(values).__doc__ or "").strip().splitlines()
    return text[0] if text else ""

"""Docstrings of this project as Markdown: a griffe extension (mkdocstrings.github.io/griffe/guide/users/extending).

They are numpy's in form, but what stands after a name is a sentence and no type ("normals : (n, 3), beside an array of
points"), so they are not parsed as numpy's: sections become bold words, and ``name : sentence`` an item of a list.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import griffe

ITEM = re.compile(r"^(?P<names>[A-Za-z_][\w]*(?:, [A-Za-z_]\w*)*) : (?P<text>.*)$")
RULE = re.compile(r"^-{3,}$")


class Docstrings(griffe.Extension):
    """Rewrites every docstring before it is shown."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """Sections as bold words, names as a list; the rest as it is."""
    lines, out = inspect.cleandoc(text).split("\n"), []
    for i, line in enumerate(lines):
        ruled = i + 1 < len(lines) and RULE.match(lines[i + 1].strip()) is not None
        item = ITEM.match(line)
        if RULE.match(line.strip()):
            out.append("")
        elif ruled:
            out += ["", f"**{line.strip()}**"]
        elif item:
            if not (out and out[-1].startswith(("- ", "    "))):
                out.append("")  # a list begins after an empty line
            out.append(f"- `{item['names']}`: {item['text']}")
        elif line.startswith("    ") and out and out[-1].startswith(("- ", "    ")):
            out.append("    " + line.strip())
        else:
            out.append(line)
    return "\n".join(out)

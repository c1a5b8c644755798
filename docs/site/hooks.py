"""What the site shows beside the pages of docs/: pages of the repository's root, the settings, the list of commands.

mkdocs calls the functions below by their names (mkdocs.org/user-guide/configuration/#hooks). A link in a page is written so
that it leads somewhere in the repository; where the site has the target elsewhere, or not at all (source files), it is put
right here.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

# files of the repository -> pages of the site
COPIED = {"ARCHITECTURE.md": "architecture.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)", re.DOTALL)
BLOCK = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)  # code is left alone


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that do not lie in docs/."""
    from mkdocs.structure.files import File

    made: dict[str, Callable[[], str]] = {"reference/settings.md": settings_page, "reference/commands.md": commands_page}
    for source, page in COPIED.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    for page, make in made.items():
        files.append(File.generated(config, page, content=make()))
    for name in command_names():  # reached from the list, which is in the navigation
        files.get_file_from_path(f"commands/{name}.md").inclusion = _not_in_nav()
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Lead the links of a page to pages of the site; the text alone stays of those to files that it does not have."""
    home = {page_: source for source, page_ in COPIED.items()}
    here = page.file.src_uri
    folder = posixpath.dirname(home.get(here, f"docs/{here}"))

    def led(match: re.Match[str]) -> str:
        picture, text, target, anchor = match.groups()
        path = posixpath.normpath(posixpath.join(folder, target))
        if not (ROOT / path).exists() and f"docs/{here}" not in GENERATED:
            return match[0]  # mkdocs says that it is dead
        inside = COPIED.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if inside is not None and (picture or files.get_file_from_path(inside) is not None):
            return f"{picture}[{text}]({posixpath.relpath(inside, posixpath.dirname(here) or '.')}{anchor or ''})"
        return text if "`" in text or f"docs/{here}" in GENERATED else f"{text} (`{path}`)"

    parts = BLOCK.split(markdown)
    return "".join(part if i % 2 else LINK.sub(led, part) for i, part in enumerate(parts))


GENERATED = {"docs/reference/settings.md", "docs/reference/commands.md"}


def _not_in_nav() -> Any:
    from mkdocs.structure.files import InclusionLevel

    return InclusionLevel.NOT_IN_NAV


# ---- Pages made of the code ---------------------------------------------------------------------------
def command_names() -> list[str]:
    """The commands that have a page, written by tests/test_tools.py from their help."""
    return sorted(path.stem for path in (ROOT / "docs" / "commands").glob("*.md"))


def commands_page() -> str:
    """A table of all commands, each with the first line of its help."""
    rows = []
    for name in command_names():
        first = (ROOT / "docs" / "commands" / f"{name}.md").read_text().split("\n\n")[1].replace("\n", " ")
        rows.append(f"| [{name}](../commands/{name}.md) | {first} |")
    return "\n".join(
        ["# Commands", "", "`shapesiren COMMAND --help` says the same.", "", "| command | |", "| --- | --- |", *rows, ""]
    )


def settings_page() -> str:
    """Every setting of every task, from the models that validate them."""
    from shapesiren.tasks import TASKS

    lines = [
        "# Settings",
        "",
        "Each is an option of `fit` and `run`, `--set section.name=value`, a line of a TOML file (`--config`), and a key",
        "of `settings={...}` in Python. `shapesiren new` writes a file with all of them; `shapesiren config show` prints",
        "those that a fit would use. Presets and profiles change some of the defaults below.",
        "",
    ]
    for name, task in TASKS.items():
        lines += [f"## {name}", ""] + _sections(task.config_type)
    return "\n".join(lines) + "\n"


def _sections(kind: Any) -> list[str]:
    from pydantic import BaseModel

    lines: list[str] = []
    for section, field in kind.model_fields.items():
        model = field.annotation
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        about = (model.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
        lines += [
            f"### [{section}] {{ #{kind.__name__.lower()}-{section} }}",
            "",
            about,
            "",
            "| setting | default | |",
            "| --- | --- | --- |",
        ]
        for key, setting in model.model_fields.items():
            default = "" if setting.is_required() else setting.get_default(call_default_factory=True)
            text = (setting.description or "").replace("|", "\\|").replace("\n", " ")
            lines.append(f"| `{key}` | `{default}` | {text} |")
        lines.append("")
    return lines

"""The documentation builds as a site without a warning: no dead link, no page that nobody reaches, all of the reference."""

import io
import logging
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built strictly, and what mkdocs said meanwhile."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    said = io.StringIO()
    listener = logging.StreamHandler(said)
    logger = logging.getLogger("mkdocs")
    logger.addHandler(listener)
    try:
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True))
    except SystemExit as error:
        pytest.fail(f"{error}\n{said.getvalue()}")
    finally:
        logger.removeHandler(listener)
    return folder


@pytest.mark.slow
def test_the_site_builds_strictly(site):
    """Every page that lies in docs/ is in it, and every link between pages leads somewhere."""
    pages = {p.relative_to(site).as_posix() for p in site.rglob("*.html")}
    written = {p.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for p in (ROOT / "docs").rglob("*.md")}
    assert written <= pages
    assert {
        "architecture.html",
        "contributing.html",
        "changelog.html",
        "reference/settings.html",
        "reference/commands.html",
    } <= pages
    dead = []
    for page in pages - {"404.html"}:
        for link in re.findall(r'<(?:a|img)[^>]* (?:href|src)="([^"#?]+)', (site / page).read_text()):
            if not re.match(r"[a-z]+:", link) and not (site / page).parent.joinpath(link).exists():
                dead.append((page, link))
    assert dead == []


@pytest.mark.slow
def test_it_asks_nothing_of_other_servers(site):
    for page in ("index.html", "reference/python.html", "design/local.html"):
        text = (site / page).read_text()
        assert not re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="(https?://[^"]+)"', text), page


@pytest.mark.slow
def test_reference_is_of_the_code(site):
    from shapesiren.tasks import TASKS

    settings = (site / "reference" / "settings.html").read_text()
    for name, task in TASKS.items():
        assert f'id="{name}"' in settings
        for section in ("ingest", "fit", "net"):
            for key in task.config_type.model_fields[section].annotation.model_fields:
                assert f"<code>{key}</code>" in settings, (name, section, key)
    python = (site / "reference" / "python.html").read_text()
    import shapesiren

    for name in set(shapesiren.__all__) - {"__version__", "plugin"}:
        assert re.search(rf'id="shapesiren\.(api|errors|priors\.prior)\.{name}"', python), name
    commands = (site / "reference" / "commands.html").read_text()
    for page in (ROOT / "docs" / "commands").glob("*.md"):
        assert f"commands/{page.stem}.html" in commands


def test_every_picture_of_a_concept_is_made_by_the_script():
    made = set(re.findall(r'save\("([a-z-]+)"', (ROOT / "docs" / "site" / "pictures.py").read_text()))
    pages = "".join(p.read_text() for p in (ROOT / "docs" / "concepts").glob("*.md"))
    shown = set(re.findall(r"images/concept-([a-z-]+)\.png", pages))
    assert shown == made == {p.stem.removeprefix("concept-") for p in (ROOT / "docs" / "images").glob("concept-*")}


@pytest.mark.parametrize(
    ("question", "page", "answer"),
    [
        ("how do I keep a hole open", "guides/open-and-closed.md", "mesh.trim_distance"),
        ("why was a normal flipped", "guides/normals.md", "winding number"),
        ("how do I add a loss", "plugins.md", "plugin.loss"),
        ("what does F-score mean", "figures.md", "harmonic mean"),
    ],
)
def test_what_people_ask_is_answered(question, page, answer):
    assert answer in (ROOT / "docs" / page).read_text(), question

"""What a stranger finds beside the code says the same as the code."""

import re
from pathlib import Path

import shapesiren

ROOT = Path(__file__).parents[1]


def test_one_version_everywhere():
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (.*)$", citation, re.M)[1] == shapesiren.__version__
    assert re.search(r"^## \[.*\b" + re.escape(shapesiren.__version__) + r"\b", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_one_licence_everywhere():
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert "license: MIT" in (ROOT / "CITATION.cff").read_text()
    assert 'license = "MIT"' in (ROOT / "pyproject.toml").read_text()


def test_types_are_shipped():
    assert (Path(shapesiren.__file__).parent / "py.typed").is_file()


def test_hooks_workflows_and_pages_call_what_the_makefile_has():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    places = [ROOT / ".pre-commit-config.yaml", ROOT / "CONTRIBUTING.md", ROOT / "README.md", ROOT / ".ci" / "run"]
    places += (ROOT / ".github" / "workflows").glob("*.yml")
    called = {
        place.name: set(re.findall(r"^(?:.*(?:run|entry|`)[: ]*)?make ([a-z]+)", place.read_text(), re.M)) for place in places
    }
    assert all(called[name] for name in ("test.yml", "package.yml", ".pre-commit-config.yaml", "CONTRIBUTING.md"))
    assert set().union(*called.values()) <= targets, called


def test_files_that_the_pages_link_to_exist():
    for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / page).read_text())
        assert links or page == "CHANGELOG.md"
        assert [link for link in links if not (ROOT / link).exists()] == []

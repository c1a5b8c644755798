"""What stands beside the stages: settings on the screen, TensorBoard, the page of commands."""

import json
import os
from pathlib import Path

import pytest

from shapesiren.cli import app
from shapesiren.config import read_toml, resolve
from shapesiren.tasks import TASKS
from tests.conftest import QUICK_ARGS

PAGES = Path(__file__).parents[1] / "docs" / "commands"


@pytest.fixture
def printed(here):
    """What a command that goes well prints."""

    def run(*words):
        done = here(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_config_show_is_taken_back(printed, tmp_path, quick_run):
    shown = printed("config", "show", "--preset", "fine", "--set", "fit.steps=7")
    (tmp_path / "c.toml").write_text(shown)
    again = printed("config", "show", "--config", tmp_path / "c.toml")
    assert again == shown
    assert read_toml(tmp_path / "c.toml")["fit"]["steps"] == 7
    assert printed("config", "show", quick_run) == (quick_run / "config.toml").read_text()
    assert 'task = "audio"' in printed("config", "show", "a.wav")


@pytest.mark.parametrize("task", sorted(TASKS))
def test_config_schema_knows_every_setting(printed, task):
    schema = json.loads(printed("config", "schema", task))
    defaults = resolve(TASKS[task].config_type, TASKS[task].presets, []).model_dump()
    assert set(defaults) == set(schema["properties"])


@pytest.mark.slow
def test_tensorboard(printed, tmp_path, torus_scan):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    printed("fit", torus_scan, "--out", tmp_path / "run", *QUICK_ARGS, "--tensorboard", "-q")
    found = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    found.Reload()
    assert {"loss", "losses/normal", "learning rate"} <= set(found.Tags()["scalars"])
    last = found.Scalars("loss")[-1]
    row = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last.step == row["step"] == 400
    assert last.value == pytest.approx(sum(row["losses"].values()), rel=1e-5)


def pages():
    """The documentation of each command, from its own help."""
    import typer
    from typer.cli import get_docs_for_click

    root = typer.main.get_command(app)
    context = typer.Context(root, info_name="shapesiren")
    out = {}
    for name, command in root.commands.items():
        text = get_docs_for_click(
            obj=command, ctx=typer.Context(command, info_name=name, parent=context), name=f"shapesiren {name}"
        )
        out[f"{name}.md"] = text.strip() + "\n"
    return out


def test_pages_of_commands_are_true():
    """SHAPESIREN_WRITE_DOCS=1 pytest tests/test_tools.py writes them; without it the test holds them to the code."""
    made = pages()
    if os.environ.get("SHAPESIREN_WRITE_DOCS"):
        PAGES.mkdir(exist_ok=True)
        for old in PAGES.glob("*.md"):
            old.unlink()
        for name, text in made.items():
            (PAGES / name).write_text(text)
    assert {p.name: p.read_text() for p in PAGES.glob("*.md")} == made


def test_every_command_has_an_example():
    import typer

    root = typer.main.get_command(app)
    without = [
        name
        for name, command in root.commands.items()
        if name not in ("config", "doctor") and "Example:" not in (command.help or "")
    ]
    assert not without


def test_a_process_can_be_kept_to_few_cores(monkeypatch, one_thread):
    import torch

    from shapesiren.runtime.threads import VARIABLE, cores, limit

    names = (VARIABLE, "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    for name in names:
        monkeypatch.setenv(name, "")  # restored afterwards
    assert cores() == -1
    limit(None)
    assert cores() == -1
    limit(2)
    assert cores() == torch.get_num_threads() == 2
    assert {os.environ[name] for name in names} == {"2"}

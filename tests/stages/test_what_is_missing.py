"""A stage that another one is about is made first, and said; what is recorded of a run tells another person how it was made."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from shapesiren.reports.sections import device_of
from shapesiren.stages.store import Run, invocation

OLD_RUNS = Path(__file__).parents[1] / "data" / "old_runs"


@pytest.fixture
def fitted(quick_run, tmp_path):
    """A run that has been fitted and nothing more, where commands look for the newest one."""
    run = tmp_path / "runs" / "torus"
    shutil.copytree(quick_run, run)
    manifest = json.loads((run / "run.json").read_text())
    for stage in manifest["stages"].keys() - {"ingest", "fit"}:  # a test before may have made a report
        for name in manifest["stages"].pop(stage)["outputs"]:
            (run / name).unlink()
    (run / "run.json").write_text(json.dumps(manifest))
    return run


SLOW_REPORT = pytest.param("report", marks=pytest.mark.slow)


@pytest.mark.parametrize("command", ["evaluate", SLOW_REPORT])
def test_a_missing_mesh_is_made_first(fitted, here, command):
    done = here(command, fitted)
    assert done.returncode == 0, done.stderr
    assert "no mesh yet: made first" in done.stderr and "watertight" in done.stderr
    assert Run.open(fitted).intact("mesh") and Run.open(fitted).intact(command)
    devices = {name: record["device"] for name, record in Run.open(fitted).manifest["stages"].items()}
    assert set(devices) == {"ingest", "fit", "mesh", command} and "auto" not in devices.values()
    if command == "report":
        assert ">auto<" not in (fitted / "report.html").read_text()
    else:
        assert "made first" not in here(command, fitted, "--force").stderr


def test_compare_makes_what_is_missing(fitted, quick_run, here):
    done = here("compare", fitted, quick_run)
    assert done.returncode == 0, done.stderr
    assert f"{fitted}: no mesh yet: made first" in done.stderr and f"{fitted}: no figures yet" in done.stderr
    assert str(quick_run) not in done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("evaluate, field, eikonal")]
    assert rows and rows[0][-1] == rows[0][-2] != "-"


def test_a_fit_is_not_made_unasked_and_a_damaged_mesh_not_again(fitted, quick_run, tmp_path, here):
    shutil.copytree(quick_run, tmp_path / "damaged")
    (tmp_path / "damaged" / "mesh.ply").unlink()
    done = here("evaluate", tmp_path / "damaged", "--force")
    assert done.returncode == 2 and "missing or damaged" in done.stderr  # it may have been made with other settings
    manifest = json.loads((fitted / "run.json").read_text())
    del manifest["stages"]["fit"]
    (fitted / "run.json").write_text(json.dumps(manifest))
    for command in ("evaluate", "report", "compare"):
        done = here(command, fitted)
        assert done.returncode == 2 and "no finished fit" in done.stderr


def test_a_table_of_runs_fits_80_columns(quick_run, tmp_path, here):
    runs = [tmp_path / f"a-scan-with-a-long-name-{i}" for i in range(4)]
    for run in runs:
        shutil.copytree(quick_run, run)
    lines = here("compare", *runs).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) > 20


def test_of_earlier_versions_the_report_says_what_is_known():
    assert device_of({"device": "auto", "facts": {"device": "cuda"}}) == "cuda"
    assert device_of({"device": "auto", "facts": {}}) == "not recorded"
    assert device_of({"device": "cpu"}) == "cpu"


@pytest.mark.parametrize("words", [["mesh"], ["mesh", "--resolution", "40"], ["evaluate"]], ids=" ".join)
def test_a_command_without_a_run_is_recorded_with_it(fitted, here, words):
    """The newest run is another one tomorrow."""
    assert here(*words, cwd=fitted.parents[1]).returncode == 0
    (command,) = {Run.open(fitted).record(words[0])["command"]}
    assert command == " ".join(["shapesiren", words[0], "runs/torus", *words[1:]])
    assert here(*command.split()[1:], cwd=fitted.parents[1]).returncode == 0


def test_a_decoded_run_too(here, tmp_path):
    run = tmp_path / "runs" / "image"
    shutil.copytree(OLD_RUNS / "image", run)
    assert here("decode", "--scale", "2", cwd=tmp_path).returncode == 0
    assert Run.open(run).record("decode")["command"] == "shapesiren decode runs/image --scale 2"


def test_a_command_with_a_run_is_recorded_as_it_was(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/shapesiren", "mesh", "runs/a scan"])
    assert invocation() == "shapesiren mesh 'runs/a scan'"


def test_a_lock_names_no_option_that_a_command_lacks(quick_run, tmp_path, here):
    import fcntl

    run = tmp_path / "torus"
    shutil.copytree(quick_run, run)
    with open(run / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in ("mesh", "evaluate", "report"):
            done = here(command, run, "--force")
            assert done.returncode == 2 and "another process is working on this run" in done.stderr
            assert "--" not in done.stderr.split("another process")[1]

"""One file and one entry in the registry make a task: it goes through every stage, the report, a batch and the API."""

import json

import numpy as np
import pytest

import shapesiren
from shapesiren.cli import app
from shapesiren.errors import InputError
from shapesiren.tasks import TASKS
from tests.toy_task import CurveTask


@pytest.fixture
def curve(tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS, CurveTask.name, CurveTask)
    monkeypatch.chdir(tmp_path)
    x = np.linspace(3, 7, 200)
    np.savetxt("wave.curve", np.stack([x, 10 + 2 * np.sin(2 * x)], 1))
    (tmp_path / "p.toml").write_text('task = "curve"\n')
    return tmp_path


def command(*words):
    with pytest.raises(SystemExit) as ended:
        app(list(words))
    assert ended.value.code in (0, None)


def test_every_stage_from_the_command_line(curve, capsys):
    command("run", "p.toml", "wave.curve", "--out", "run", "--every", "2", "--samples", "30", "--json")
    said = capsys.readouterr()
    assert "100 samples of a curve" in said.err
    found = json.loads(said.out)
    assert found["evaluate"]["rms"] < 0.2
    assert np.loadtxt("run/decoded.csv", delimiter=",").shape == (30, 2)
    page = (curve / "run" / "report.html").read_text()
    assert "The curve and the field" in page and "off by" in page

    command("decode", "run", "-o", "fine.csv", "--samples", "99")
    assert np.loadtxt("fine.csv", delimiter=",").shape == (99, 2)
    command("picture", "run", "-o", "run.png")
    assert (curve / "run.png").read_bytes().startswith(b"\x89PNG")
    command("inspect", "wave.curve", "--json")
    assert json.loads(capsys.readouterr().out)["samples"] == 200
    command("config", "schema", "curve")
    assert "every" in capsys.readouterr().out


def test_a_batch_and_its_thumbnail(curve, monkeypatch):
    from shapesiren.batch.jobs import jobs_of_files
    from shapesiren.batch.work import Plan, perform

    result = perform(jobs_of_files([curve / "wave.curve"])[0], Plan((), str(curve / "out")))
    assert (result.status, result.error) == ("done", "")
    assert (curve / "out" / "wave" / "thumbnail.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_the_python_api(curve):
    field = shapesiren.fit("wave.curve", task="curve", steps=300)
    assert field.decode(samples=40).shape == (40, 2)
    np.testing.assert_allclose(field([[5.0]]), [[10 + 2 * np.sin(10)]], atol=0.4)
    (curve / "wave.curve").write_text("a b\n")
    with pytest.raises(InputError, match=r"wave\.curve"):
        shapesiren.fit("wave.curve")

"""Profiles and the settings file to start from."""

import re
import tomllib

import pytest

from shapesiren.config import read_toml, resolve
from shapesiren.errors import InputError
from shapesiren.profiles import MEANINGS, PROFILES, line
from shapesiren.settings_file import commented
from shapesiren.tasks import TASKS

SHAPE = TASKS["shape"]
EVERY = [(task, name) for task, known in PROFILES.items() for name in known]


def settings(*layers, task="shape"):
    return resolve(TASKS[task].config_type, TASKS[task].presets, list(layers))


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_every_line_of_the_table_is_a_setting_that_differs(task, name):
    tree = settings(("--for", {"profile": name}), task=task).model_dump(mode="json")
    for section, values in PROFILES[task][name].items():
        for key, value in values.items():
            assert tree[section][key] == value
    assert tree != settings(task=task).model_dump(mode="json")
    assert tree["profile"] == name and MEANINGS[name] in line(name, task)


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_formats_of_a_profile_can_be_written(task, name, tmp_path):
    for kind in PROFILES[task][name].get("output", {}).get("formats", []):
        TASKS[task].check_output(tmp_path / f"a.{kind}")


def test_a_profile_lies_between_the_preset_and_what_is_asked_for():
    found = settings(("--preset", {"preset": "fine"}), ("--for", {"profile": "print"}), ("a.toml", {"mesh": {"faces": 900}}))
    assert found.mesh.faces == 900  # the file's
    assert found.ingest.surface == "closed"  # the profile's
    assert found.local.units == SHAPE.presets["fine"]["local"]["units"]  # the preset's
    file_before = settings(("a.toml", {"mesh": {"faces": 900}}), ("--for", {"profile": "print"}))
    assert file_before.mesh.faces == 900


def test_a_profile_in_a_file_counts_and_the_option_goes_over_it():
    assert settings(("a.toml", {"profile": "survey"})).ingest.surface == "open"
    assert settings(("a.toml", {"profile": "survey"}), ("--for", {"profile": "print"})).ingest.surface == "closed"


def test_unknown_profiles_name_the_closest():
    with pytest.raises(InputError, match="--for: no profile 'pritn'; did you mean 'print'"):
        settings(("--for", {"profile": "pritn"}))
    with pytest.raises(InputError, match="one of print, survey, museum, research"):
        settings(("--for", {"profile": "xyz"}))
    with pytest.raises(InputError, match="a profile is of task shape, not image"):
        settings(("--for", {"profile": "print"}), task="image")


@pytest.mark.parametrize(("task", "name"), [*EVERY, *((task, None) for task in TASKS)])
def test_the_settings_file_loads_unchanged(task, name, tmp_path):
    """As it is written, and with every line that it comments out in place."""
    wanted = settings(*([("--for", {"profile": name})] if name else []), task=task)
    text = commented(wanted, name)
    whole = re.sub(r"^#(\w+ = )", r"\1", text, flags=re.MULTILINE)
    assert len(tomllib.loads(whole)) > len([v for v in tomllib.loads(text).values() if v])
    for i, written in enumerate((text, whole)):
        path = tmp_path / f"{i}.toml"
        path.write_text(written)
        assert settings((str(path), read_toml(path)), task=task) == wanted
    path = tmp_path / "0.toml"
    for preset in (p for p in TASKS[task].presets if "/" not in p):  # which the file leaves to be chosen
        chosen = ("--preset", {"preset": preset})
        asked = settings(*([("--for", {"profile": name})] if name else []), chosen, task=task)
        assert settings((str(path), read_toml(path)), chosen, task=task) == asked
    described = [f.description for f in type(wanted.fit).model_fields.values() if f.description]
    flowing = " ".join(text.replace("\n# ", " ").split())
    assert all(" ".join(d.split()) in flowing for d in described)


def test_new_writes_a_file_that_run_takes(here, tmp_path):
    done = here("new", "--for", "survey", cwd=tmp_path)
    assert done.returncode == 0 and "made survey.toml; next: shapesiren run survey.toml scan.ply" in done.stderr
    shown = here("config", "show", "--config", "survey.toml", cwd=tmp_path).stdout
    assert shown == here("config", "show", "--for", "survey", cwd=tmp_path).stdout
    assert 'profile = "survey"' in shown and "uncertainty = true" in shown
    again = here("new", "--for", "survey", cwd=tmp_path)
    assert again.returncode == 2 and "the file exists" in again.stderr
    assert here("new", "--for", "survey", "--force", cwd=tmp_path).returncode == 0
    printed = here("new", "image", "-o", "-", cwd=tmp_path)
    assert tomllib.loads(printed.stdout) == {"task": "image"} | {
        s: {} for s, f in TASKS["image"].config_type.model_fields.items() if hasattr(f.annotation, "model_fields")
    }


def test_what_a_profile_sets_is_said_once(here, tmp_path):
    import numpy as np

    np.savetxt(tmp_path / "few.xyz", np.eye(3))
    said = here("fit", "few.xyz", "--for", "print", cwd=tmp_path).stderr
    assert said.count("for print, a closed body for a 3D printer: ingest.surface closed") == 1


@pytest.mark.parametrize("rate", [{}, {"learning_rate": 1e-3}])
def test_a_fit_section_without_an_end_keeps_the_tasks(rate):
    """`fast` says nothing of the fit, and a file that sets its rate does not take its end away."""
    found = settings(("a.toml", {"preset": "fast", "fit": rate})).fit
    assert found.steps == settings(("a.toml", {"preset": "fast"})).fit.steps is not None
    assert found.learning_rate == rate.get("learning_rate", settings().fit.learning_rate)

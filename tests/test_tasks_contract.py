"""One contract for every task in the registry: ingest, fit, write, evaluate, on a small signal."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from shapesiren.config import Config, read_toml, resolve, to_toml
from shapesiren.field import Field
from shapesiren.fitting.loop import fit_task
from shapesiren.media.audio import write_sound
from shapesiren.media.image import write_image
from shapesiren.media.video import write_frames
from shapesiren.stages.ingest import pack, unpack
from shapesiren.tasks import TASKS, task_for
from shapesiren.tasks.base import Moment
from tests.conftest import QUICK
from tests.samples import PROBLEMS, RATE, SMALL, SMALL_PRIOR, clip, picture, sound, write_collection

# it is asked for dozens of rounds here
QUICK_INVERSION = PROBLEMS["inversion"][1] | {
    "ingest": {"points": 900},
    "net": {"width": 32, "hidden_layers": 1, "omega_first": 8.0, "last_width": 150},
    "evaluate": {"resolution": 50, "iterations": 3},
}


@pytest.fixture(scope="module")
def sources(torus_scan, tmp_path_factory):
    """A small input of each task, and settings to fit it with."""
    folder = tmp_path_factory.mktemp("sources")
    write_image(folder / "a.png", picture(30, 40, 3), 8)
    write_image(folder / "b.png", picture(30, 40, 3)[::-1], 8)
    write_sound(folder / "a.wav", sound(0.3), RATE)
    write_frames(folder / "a.gif", clip(), 10)
    write_collection(folder / "a.zip")
    for name, (text, _) in PROBLEMS.items():
        (folder / f"{name}.toml").write_text(text)
    return {
        **{name: (folder / f"{name}.toml", quick) for name, (_, quick) in PROBLEMS.items()},
        "inversion": (folder / "inversion.toml", QUICK_INVERSION),
        "shape": (torus_scan, QUICK),
        "image": (folder / "a.png", SMALL),
        "composite": ([folder / "a.png", folder / "b.png"], SMALL),
        "audio": (folder / "a.wav", SMALL | {"ingest": {"reach": 8.0}}),
        "video": (folder / "a.gif", SMALL),
        "prior": (folder / "a.zip", SMALL_PRIOR),
    }


@pytest.mark.parametrize("name", sorted(TASKS))
def test_task(name, sources, tmp_path):
    task = TASKS[name]
    source, quick = sources[name]
    assert task.name == name
    assert issubclass(task.config_type, Config)
    assert {"default", "fast", "fine", "paper"} <= set(task.presets)
    assert task_for(source) is task if not isinstance(source, list) else task_for(source[0], [("test", {"task": name})]) is task
    for preset in (p for p in task.presets if "/" not in p):  # every preset is valid, ends, and survives being written
        config = resolve(task.config_type, task.presets, [("test", {"preset": preset})])
        (tmp_path / "c.toml").write_text(to_toml(config))
        assert resolve(task.config_type, task.presets, [("file", read_toml(tmp_path / "c.toml"))]) == config
    for stage in ("ingest", "fit", task.output, "evaluate"):
        for section in config.present(task.sections[stage]):
            config.section(section)

    config = resolve(task.config_type, task.presets, [("test", quick), ("test", {"fit": {"steps": 60}})])
    said = []
    signal = task.ingest(source, config, said.append)
    assert all(isinstance(a, np.ndarray) and a.dtype != object for a in signal.arrays.values())
    with open(tmp_path / task.cache, "wb") as file:
        pack(signal, file)
    back = unpack(tmp_path / task.cache)
    assert task.header_type.of(back.header) == signal.header
    assert back.arrays.keys() == signal.arrays.keys()

    device = torch.device("cpu")
    fitted = task(back, config, device)
    draws = [fitted.losses(torch.Generator().manual_seed(4), Moment(0, 0.0, torch.float32)) for _ in range(2)]
    assert draws[0].keys() == draws[1].keys()
    for term in draws[0]:
        assert draws[0][term].ndim == 0
        assert math.isfinite(draws[0][term].item())
        assert torch.equal(draws[0][term], draws[1][term])  # the generator is the only source of randomness
    before = sum(term.item() for term in draws[0].values())
    outcome = fit_task(fitted, config.fit, seed=0, device=device)
    assert sum(outcome.losses.values()) < 0.5 * before

    (tmp_path / "f.safetensors").write_bytes(fitted.field().to_bytes())
    field = Field.load(tmp_path / "f.safetensors")
    x = np.random.default_rng(0).uniform(-1, 1, (50, field.net.in_features))
    np.testing.assert_array_equal(field.box_values(x), fitted.field().box_values(x))

    written = tmp_path / task.output_file
    facts = task.write(field, back.arrays, config, written, said.append).tree()
    metrics = task.evaluate(field, back.arrays, written, None, config, said.append).tree()
    for stage, found in (("ingest", signal.facts.tree()), (task.output, facts), ("evaluate", metrics)):
        assert task.summary(stage, found)
    json.dumps([signal.facts.tree(), facts, metrics])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TASKS))
def test_all_stages_and_a_report(name, sources, tmp_path, here):
    """`shapesiren run` makes every file of a run; the second time it makes none."""
    source, quick = sources[name]
    task = TASKS[name]
    config = resolve(task.config_type, task.presets, [("test", quick), ("test", {"fit": {"steps": 40}})])
    (tmp_path / "p.toml").write_text(to_toml(config))
    files = source if isinstance(source, list) else [source]
    made = {}
    for _ in range(2):
        assert here("run", tmp_path / "p.toml", *files, "--out", tmp_path / "run").returncode == 0
        now = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "run").iterdir() if p.name != ".lock"}
        assert not made or now == made
        made = now
    held = {"reference.npz"} if name in ("helmholtz", "poisson", "wave") else set()  # what another solver has
    assert held | {
        "run.json",
        "config.toml",
        task.cache,
        "field.safetensors",
        "metrics.jsonl",
        task.output_file,
        "metrics.json",
        "report.html",
    } == set(made)
    assert f"run {tmp_path / 'p.toml'}" in (tmp_path / "run" / "report.html").read_text()  # the command that made it


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "pipelines").glob("*.toml")), ids=lambda p: p.stem)
def test_pipelines_are_valid(path):
    tree = read_toml(path)
    task = TASKS[tree["task"]]
    config = resolve(task.config_type, task.presets, [(str(path), tree)])
    assert f"pipelines/{path.name}" in path.read_text()  # the command that runs it
    assert config.task == task.name


def test_every_task_has_a_pipeline():
    folder = Path(__file__).parents[1] / "pipelines"
    assert {read_toml(p)["task"] for p in folder.glob("*.toml")} == set(TASKS)

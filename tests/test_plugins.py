"""Parts that users add from files of their own: the examples of the documentation, what goes wrong, and what is never run."""

import csv
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import shapesiren
from shapesiren import plugins
from shapesiren.batch.jobs import Job
from shapesiren.batch.work import Plan, perform
from shapesiren.config import NetSettings, resolve
from shapesiren.errors import InputError, RunError
from shapesiren.nets.build import build, from_spec
from shapesiren.nets.cpu.engine import Engine
from shapesiren.nets.derivatives import (
    autograd_value_and_gradient,
    autograd_value_gradient_hessian,
    value_and_gradient,
    value_gradient_hessian,
)
from shapesiren.nets.plugged import Plugged
from shapesiren.tasks.added import Added
from shapesiren.tasks.base import Moment
from shapesiren.tasks.shape import ShapeTask
from shapesiren.tasks.shape_settings import LossSettings, ShapeConfig

EXAMPLES = Path(__file__).parents[1] / "docs/examples/plugins"
TINY = (
    "--set",
    "net.width=16",
    "--set",
    "net.hidden_layers=1",
    "--set",
    "batch.on_surface=200",
    "--set",
    "batch.off_surface=200",
)
SMALL = ("--preset", "paper", "--steps", "12", "-q", *TINY)  # without guide samples, whose process takes seconds


@pytest.fixture(autouse=True)
def nothing_registered():
    plugins.unregister()
    yield
    plugins.unregister()


@pytest.fixture
def scan(tmp_path):
    """A small oriented scan of a sphere, as text."""
    points = np.random.default_rng(0).normal(size=(1500, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    path = tmp_path / "ball.xyz"
    np.savetxt(path, np.hstack([points, points]))
    return path


def write(path, body):
    path.write_text("import shapesiren\nimport torch\n" + body)
    return path


def fits(here, scan, *words):
    done = here("fit", str(scan), "--out", str(scan.parent / "run"), *SMALL, "--json", *map(str, words))
    return done, json.loads(done.stdout)["fit"] if done.returncode == 0 else {}


# ---- The examples ----------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_loss_of_ones_own_is_trained_logged_weighted_and_refitted_when_it_changes(here, scan, tmp_path):
    mine = shutil.copy(EXAMPLES / "divergence.py", tmp_path / "mine.py")
    done, facts = fits(here, scan, "--plugin", mine, "--set", "batch.eikonal=200")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert "divergence" in facts["losses"] and all("divergence" in row["losses"] for row in rows)
    run = shapesiren.load(tmp_path / "run")
    before = run(np.zeros((1, 3)))
    plugins.unregister()
    # the same file: nothing to do; another weight, other code or none: another fit
    assert "fit: unchanged" in here("fit", str(tmp_path / "run"), "--plugin", str(mine)).stderr
    refused = here("fit", str(tmp_path / "run"), "--plugin", str(mine), "--set", "loss.plugins.divergence=100")
    assert refused.returncode == 2 and "divergence" in refused.stderr
    plugins.unregister()
    without = here("fit", str(tmp_path / "run"))
    assert without.returncode == 2 and "needs the plugin" in without.stderr and f"--plugin {mine}" in without.stderr
    without = here("fit", str(tmp_path / "run"), "--set", "plugins=[]")
    assert without.returncode == 2 and "plugins loss divergence 0.1 -> none" in without.stderr
    mine = Path(mine)
    mine.write_text(mine.read_text().replace("laplacian.abs()", "laplacian.square()"))
    changed = here("fit", str(tmp_path / "run"), "--plugin", str(mine))
    assert changed.returncode == 2 and "code of plugins" in changed.stderr
    assert here("fit", str(tmp_path / "run"), "--plugin", str(mine), "--force", "-q").returncode == 0
    assert shapesiren.load(tmp_path / "run")(np.zeros((1, 3))) != before
    # what comes after the fit does not need the loss
    plugins.unregister()
    assert here("export", str(tmp_path / "run"), "-o", str(tmp_path / "grid.npz"), "--resolution", "8").returncode == 0


@pytest.mark.slow
def test_a_network_of_ones_own_is_fitted_kept_and_loaded_back(here, scan, tmp_path):
    for kind in ("radial", "softplus"):
        plugins.unregister()
        done, _ = fits(here, scan, "--plugin", EXAMPLES / "networks.py", "--net", kind, "--force")
        assert done.returncode == 0, done.stderr
        field = shapesiren.load(tmp_path / "run")
        at = np.random.default_rng(1).uniform(-1, 1, (50, 3))
        values, gradients = field(at), field.gradient(at)
        step = 1e-3 * np.eye(3)
        numeric = np.stack([(field(at + d) - field(at - d)) / 2e-3 for d in step], 1)
        np.testing.assert_allclose(gradients, numeric, atol=0.02 * np.abs(gradients).max())
        to_grid = ("export", str(tmp_path / "run"), "-o", str(tmp_path / "grid.npz"), "--resolution", "8", "--force")
        assert here(*to_grid).returncode == 0
        plugins.unregister()
        refused = here(*to_grid)
        assert refused.returncode == 2 and f"network '{kind}'" in refused.stderr and "networks.py" in refused.stderr
        with pytest.raises(InputError, match=r"networks\.py"):
            shapesiren.load(tmp_path / "run")
        plugins.load(str(EXAMPLES / "networks.py"))
        np.testing.assert_array_equal(shapesiren.load(tmp_path / "run")(at), values)


@pytest.mark.slow
def test_a_format_of_ones_own_is_read_and_written_and_a_listener_is_told(here, tmp_path, monkeypatch, scan):
    monkeypatch.chdir(tmp_path)
    points = np.loadtxt(scan)[:, :3]
    weights = np.r_[np.zeros(300), np.ones(1200)]
    np.savetxt(tmp_path / "ball.xyzw", np.column_stack([points, weights]))
    unknown = here("fit", "ball.xyzw")
    assert unknown.returncode == 2 and "unknown extension '.xyzw'" in unknown.stderr
    ours = ("--plugin", EXAMPLES / "xyzw.py", "--plugin", EXAMPLES / "to_csv.py")
    done, _ = fits(here, tmp_path / "ball.xyzw", *ours, "--net", "local", "--set", "local.units=64")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    assert json.loads((run / "run.json").read_text())["stages"]["ingest"]["facts"]["points"] == 1200
    with open("losses.csv") as file:
        rows = list(csv.reader(file))
    assert rows[-1][0] == "1" and float(rows[-1][2]) > 0  # what is solved is one step
    done = here("mesh", str(run), "--resolution", "24", "-o", "ball.tri", "--plugin", str(EXAMPLES / "xyzw.py"), "--json")
    assert done.returncode == 0, done.stderr
    faces = json.loads(done.stdout)["mesh"]["verification"]["faces"]
    assert np.loadtxt("ball.tri").shape == (faces, 9)


def test_a_sampler_draws_its_share(rng):
    plugins.load(str(EXAMPLES / "rare_directions.py"))
    # 990 points look up, 10 to the side
    normals = np.tile([0.0, 0.0, 1.0], (1000, 1))
    normals[:10] = [1.0, 0.0, 0.0]
    table = torch.from_numpy(np.hstack([rng.normal(size=(1000, 3)), normals]))
    added = Added.of(table, LossSettings(), False)
    drawn = added.draw(table, 4000, torch.Generator().manual_seed(0))
    again = added.draw(table, 4000, torch.Generator().manual_seed(0))
    assert drawn.shape == (4000, 6) and torch.equal(drawn, again)
    assert 0.22 < float((drawn[:, 3] == 1).double().mean()) < 0.29  # half of one half, and 1 % of the other
    assert 0.46 < float((drawn[:2000, 3] == 1).double().mean()) < 0.54


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["radial", "softplus"])
def test_derivatives_of_plugged_networks_agree_with_autograd(kind):
    plugins.load(str(EXAMPLES / "networks.py"))
    net = build(NetSettings(kind=kind, width=8, hidden_layers=2), 3, 2, 0).double()
    x = torch.rand((20, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for closed, twin in (
        (value_and_gradient, autograd_value_and_gradient),
        (value_gradient_hessian, autograd_value_gradient_hessian),
    ):
        for a, b in zip(closed(net, x), twin(net, x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)
    again = from_spec(json.loads(json.dumps(net.spec()))).double()
    again.load_state_dict(net.state_dict())
    assert torch.equal(again(x), net(x)) and isinstance(net, Plugged) == (kind == "radial")
    same = build(NetSettings(kind=kind, width=8, hidden_layers=2), 3, 2, 0).double()
    other = build(NetSettings(kind=kind, width=8, hidden_layers=2), 3, 2, 1).double()
    assert torch.equal(same(x), net(x)) and not torch.equal(other(x), net(x))


# ---- In Python -------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_loss_registered_in_python_pulls_the_field_its_way():
    points = np.random.default_rng(0).normal(size=(1500, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    settings = {"preset": "paper", "net": {"width": 16}, "batch": {"on_surface": 200, "off_surface": 200}}

    def mean_value():
        field = shapesiren.fit(points, normals=points, settings=settings, steps=60, seed=0)
        return float(field(points).mean()), field

    before, _ = mean_value()

    @shapesiren.plugin.loss("outwards", weight=1e4)
    def outwards(batch):
        return (batch.values + 0.2).square().mean()

    after, field = mean_value()
    assert after < before - 0.05
    assert field.settings.net.kind == "siren" and "outwards" in field.losses
    shapesiren.plugin.unregister("outwards")
    assert mean_value()[0] == pytest.approx(before, abs=1e-3)


def test_a_cell_run_again_replaces_its_part_and_two_files_may_not_share_a_name(tmp_path):
    for weight in (1.0, 2.0):
        shapesiren.plugin.loss("mine", weight=weight)(lambda batch: batch.values.mean())
    assert [(p.name, p.amount) for p in plugins.parts("loss")] == [("mine", 2.0)]
    plugins.unregister()
    body = '@shapesiren.plugin.loss("mine")\ndef mine(batch):\n    return batch.values.mean()\n'
    plugins.load(str(write(tmp_path / "a.py", body)))
    with pytest.raises(InputError, match="loss mine is there already"):
        plugins.load(str(write(tmp_path / "b.py", body)))
    assert [Path(p.file).name for p in plugins.parts("loss")] == ["a.py"]
    assert plugins.loaded() == [str(tmp_path / "a.py")]


# ---- What goes wrong -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def (:\n", r"mine\.py, line 3: invalid syntax"),
        ("x = 1\nx / 0\n", r"mine\.py, line 4: ZeroDivisionError: division by zero"),
        ("import no_such_package\n", r"mine\.py, line 3: ModuleNotFoundError: .*no_such_package"),
        ("x = 1\n", r"mine\.py: it registers nothing; .*plugin\.loss"),
        ("@shapesiren.plugin.loss('a b')\ndef f(batch): ...\n", r"mine\.py, line 3: 'a b' is no name of a loss"),
        ("@shapesiren.plugin.loss('a', weight=-1)\ndef f(batch): ...\n", "a weight of -1"),
        ("@shapesiren.plugin.sampler('a', share=2)\ndef f(scan): ...\n", "a share of 2"),
        ("@shapesiren.plugin.reader('xyzw')\ndef f(path): ...\n", "'xyzw' is no extension"),
        ("shapesiren.plugin.loss('a')(3)\n", "the loss a is no function"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(here, tmp_path, body, message):
    done = here("fit", "x.ply", "--plugin", str(write(tmp_path / "mine.py", body)))
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert plugins.parts("loss") == [] and plugins.loaded() == []


@pytest.mark.parametrize(("name", "message"), [("none.py", "no such plugin"), ("none", "no plugin 'none'")])
def test_a_plugin_that_is_not_there(here, name, message):
    done = here("fit", "x.ply", "--plugin", name)
    assert done.returncode == 2 and message in done.stderr


TERM = "@shapesiren.plugin.loss('{}')\ndef f(batch):\n    return {}\n"
DRAW = "@shapesiren.plugin.sampler('mine')\ndef f(scan):\n    return {}\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (TERM.format("mine", "batch.nothing"), r"mine\.py, line 5: loss mine: AttributeError: .*nothing"),
        (TERM.format("mine", "batch.values"), r"mine\.py, line 3: loss mine: it returned \(1,?\d*,?\), not a scalar"),
        (TERM.format("mine", "1.0"), r"it returned float, not a scalar tensor"),
        (TERM.format("normal", "batch.values.mean()"), r"a term of shapesiren has this name"),
        (DRAW.format("3"), r"it returned no function draw"),
        (DRAW.format("lambda n, g: torch.rand(n)"), r"sampler mine: it drew \(\d+,\), not"),
        (DRAW.format("lambda n, g: torch.full((n,), -1)"), r"rows beyond the scan's 4 points"),
        (DRAW.format("lambda n, g: 1 / 0"), r"mine\.py, line 5: sampler mine: ZeroDivisionError"),
    ],
)
def test_a_part_that_fails_names_its_file_and_line(tmp_path, body, message):
    plugins.load(str(write(tmp_path / "mine.py", body)))
    table, few = torch.rand((4, 6)), torch.rand((12, 3))
    batch = plugins.Batch(few, few, few[:, 0], few, few, few[:, 0], few, torch.nn.Linear(3, 1), 0.0, torch.Generator())

    def step():
        added = Added.of(table, LossSettings(), False)
        added.draw(table, 12, torch.Generator())
        added.terms(batch, {"normal": few.mean()})

    with pytest.raises(RunError, match=message):
        step()


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("lambda i, o, net: 3", "it made a int, not a torch module"),
        ("lambda i, o, net: torch.nn.Linear(i, o + 1)", r"it maps \(2, 3\) to \(2, 2\), not to \(2, 1\)"),
        ("lambda i, o: torch.nn.Linear(i, o)", "TypeError"),
        ("lambda i, o, net: torch.nn.Linear(i + 1, o)", "RuntimeError"),
    ],
)
def test_a_network_that_is_none(tmp_path, made, message):
    plugins.load(str(write(tmp_path / "mine.py", f"shapesiren.plugin.network('mine')({made})\n")))
    with pytest.raises(RunError, match=message):
        build(NetSettings(kind="mine"), 3, 1, 0)


@pytest.mark.slow
def test_a_failing_part_ends_the_command_with_one_line_and_1(here, scan, tmp_path):
    mine = write(tmp_path / "mine.py", TERM.format("mine", "batch.values / 0 if batch.progress > 0.5 else [][1]"))
    done, _ = fits(here, scan, "--plugin", mine)
    assert done.returncode == 1 and "mine.py, line 5: loss mine: IndexError" in done.stderr and "Traceback" not in done.stderr
    plugins.unregister()
    reads = write(tmp_path / "reads.py", "@shapesiren.plugin.reader('.foo')\ndef f(path):\n    raise ValueError('bad row')\n")
    (tmp_path / "x.foo").write_text("1")
    done = here("inspect", str(tmp_path / "x.foo"), "--plugin", str(reads))
    assert done.returncode == 1 and "reads.py, line 5: reader .foo: ValueError: bad row" in done.stderr
    ours = write(tmp_path / "ours.py", "@shapesiren.plugin.reader('.xyz')\ndef f(path): ...\n")
    done = here("inspect", str(scan), "--plugin", str(ours))
    assert done.returncode == 2 and "shapesiren reads .xyz itself" in done.stderr


def test_a_solved_field_takes_no_terms():
    shapesiren.plugin.loss("mine")(lambda batch: batch.values.mean())
    with pytest.raises(InputError, match=r"loss mine .*--net siren"):
        Added.of(torch.rand((4, 6)), LossSettings(), True)
    with pytest.raises(InputError, match="no loss term 'other'; loaded: mine"):
        Added.of(torch.rand((4, 6)), LossSettings(plugins={"other": 1.0}), False)


# ---- How they are named, and what is never run -----------------------------------------------------------
@pytest.mark.slow
def test_a_run_never_loads_the_plugin_that_it_names(here, scan, tmp_path):
    assert here("ingest", str(scan), "--out", str(tmp_path / "run"), "-q").returncode == 0
    springs = f"open({str(tmp_path / 'sprung')!r}, 'w')\n"
    trap = write(tmp_path / "trap.py", springs + TERM.format("mine", "batch.values.mean()"))
    config = tmp_path / "run/config.toml"
    config.write_text(config.read_text().replace("plugins = []", f'plugins = ["{trap}"]'))
    assert str(trap) in config.read_text()
    for words in (["fit"], ["mesh"], ["report"], ["inspect"], ["config", "show"], ["evaluate"]):
        here(*words, str(tmp_path / "run"))
        assert not (tmp_path / "sprung").exists(), words
    with pytest.raises(InputError, match=r"needs the plugin .*trap\.py"):
        shapesiren.fit(tmp_path / "run")
    assert not (tmp_path / "sprung").exists()


def test_a_settings_file_names_plugins_from_its_own_folder(here, tmp_path):
    (tmp_path / "settings").mkdir()
    write(tmp_path / "settings/mine.py", TERM.format("mine", "batch.values.mean()"))
    (tmp_path / "settings/my.toml").write_text('plugins = ["mine.py"]\n[loss.plugins]\nmine = 3.0\n')
    done = here("config", "show", "--config", str(tmp_path / "settings/my.toml"))
    assert done.returncode == 0, done.stderr
    assert f'plugins = ["{tmp_path}/settings/mine.py"]' in done.stdout
    assert 'kind = "siren"' in done.stdout  # a term needs a network that is trained
    assert 'plugins = {"mine" = 3.0}' in done.stdout
    (tmp_path / "again.toml").write_text(done.stdout)
    assert here("config", "show", "--config", str(tmp_path / "again.toml")).stdout == done.stdout
    (tmp_path / "bad.toml").write_text('plugins = "mine.py"\n')
    bad = here("config", "show", "--config", str(tmp_path / "bad.toml"))
    assert bad.returncode == 2 and "not a list" in bad.stderr


def test_an_installed_package_offers_plugins_by_name(here, tmp_path, monkeypatch):
    write(tmp_path / "offers_a_loss.py", TERM.format("offered", "batch.values.mean()"))
    info = tmp_path / "offers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: offers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[shapesiren.plugins]\noffered-loss = offers_a_loss\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "installed: offered-loss" in here("fit", "x.ply", "--plugin", "other").stderr
    assert plugins.parts("loss") == []
    done = here("config", "show", "--plugin", "offered-loss")
    assert done.returncode == 0 and 'plugins = ["offered-loss"]' in done.stdout
    assert [p.title for p in plugins.parts("loss")] == ["loss offered (offered-loss)"]
    sys.modules.pop("offers_a_loss", None)


@pytest.mark.slow
def test_a_worker_of_a_batch_loads_what_its_job_names(scan, tmp_path):
    """Its process is another one, in which nothing is loaded."""
    mine = write(tmp_path / "mine.py", TERM.format("mine", "batch.values.square().mean()"))
    settings = {"preset": "paper", "net": {"width": 16}, "batch": {"on_surface": 100, "off_surface": 100}, "fit": {"steps": 5}}
    plan = Plan([("settings", settings)], str(tmp_path / "runs"), "cpu")
    perform(Job("ball", (str(scan),), {"plugins": [str(mine)], "mesh": {"resolution": 16}}), plan)
    found = json.loads((tmp_path / "runs/ball/run.json").read_text())
    assert "mine" in found["stages"]["fit"]["facts"]["losses"]
    assert found["fit_plugins"][0].startswith("loss mine 1.0 ")


@pytest.mark.slow
def test_beside_a_plugins_term_the_others_are_what_they_were():
    """Where there is an engine they come of the readable path then; both with the same batch."""
    signal = ShapeTask.trial()
    tree = {"net": {"kind": "siren", "width": 16}, "batch": {"on_surface": 100, "off_surface": 80, "eikonal": 30}}
    config = resolve(ShapeConfig, ShapeTask.presets, [("test", tree)])
    found, seen = [], []
    for added in (False, True):
        if added:

            @shapesiren.plugin.loss("mine", weight=3.0)
            def mine(batch):
                seen.append([t.shape for t in (batch.points, batch.gradients, batch.elsewhere, batch.elsewhere_gradients)])
                return batch.values.square().sum() + batch.elsewhere_gradients.square().mean()

        task = ShapeTask(signal, config, torch.device("cpu"))
        terms = task.losses(torch.Generator().manual_seed(0), Moment(0, 0.0, torch.float32, Engine()))
        sum(terms.values()).backward()
        found.append((terms, [p.grad.clone() for p in task.net.parameters()]))
    (without, before), (with_, after) = found
    assert with_.keys() - without.keys() == {"mine"} and with_["mine"].item() > 0
    for name, term in without.items():
        torch.testing.assert_close(with_[name], term, rtol=1e-4, atol=1e-5)
    assert not all(torch.allclose(a, b) for a, b in zip(before, after, strict=True))
    assert seen == [[(100, 3), (100, 3), (80, 3), (30, 3)]]

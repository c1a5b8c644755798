"""The commands that look at many runs: list, diff, clean."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.cells import cell_len

import shapesiren
from shapesiren.stages.overview import size
from shapesiren.stages.store import MANIFEST, Run

OLD = Path(__file__).parents[1] / "data" / "old_runs"
WIDE = "扫描-大教堂-西立面-" * 6  # 114 cells


@pytest.fixture
def runs(tmp_path):
    """Runs of earlier versions beside what is none."""
    root = tmp_path / "runs"
    for name in ("shape", "image", "stopped"):
        shutil.copytree(OLD / name, root / "old" / name)
    (root / "broken").mkdir()
    (root / "broken" / MANIFEST).write_text("{")
    (root / "odd").mkdir()
    (root / "odd" / MANIFEST).write_text('{"format": 1, "stages": {"fit": 3, "mesh": {"facts": []}}}')
    (root / "newer").mkdir()
    (root / "newer" / MANIFEST).write_text('{"format": 99, "stages": {}}')
    (root / "thesis").mkdir()
    (root / "thesis" / "thesis.tex").write_text("x")
    return root


@pytest.fixture
def busy():
    """Lock a run in another process, as a fit does."""
    started = []

    def lock(folder: Path) -> None:
        code = "import time\nfrom pathlib import Path\nfrom shapesiren.stages.store import Run\n"
        code += f"with Run.open(Path({str(folder)!r})).locked():\n print('held', flush=True)\n time.sleep(60)"
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"

    yield lock
    for process in started:
        process.kill()
        process.wait()


def contents(root):
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(root.rglob("*")) if p.is_file()}


# ---- list ----------------------------------------------------------------------------------------------
def test_list_says_how_far_each_run_is(runs, here):
    before = contents(runs)
    tree = {Path(r["folder"]).name: r for r in json.loads(here("list", runs, "--json").stdout)}
    assert {n: r["state"] for n, r in tree.items()} == {
        "shape": "evaluated",
        "image": "evaluated",
        "stopped": "stopped",
        "broken": "damaged",
        "odd": "damaged",
        "newer": "unknown",
    }
    assert tree["image"]["figure"].startswith("PSNR") and tree["shape"]["figure"].startswith("accuracy")
    assert tree["shape"]["bytes"] == sum(p.stat().st_size for p in (OLD / "shape").iterdir())
    assert "newer version" in tree["newer"]["trouble"]
    assert contents(runs) == before  # it looked, and left nothing


def test_the_newest_comes_first_whenever_it_was_copied(runs, here):
    path = runs / "old" / "image" / MANIFEST
    tree = json.loads(path.read_text())
    tree["stages"]["evaluate"]["finished"] = "2099-01-01T00:00:00+00:00"
    path.write_text(json.dumps(tree))
    os.utime(path, (1e9, 1e9))
    assert Path(json.loads(here("list", runs, "--json").stdout)[0]["folder"]).name == "image"


def test_figures_are_of_the_mesh_that_is_there(runs, here):
    shapesiren.mesh(runs / "old" / "shape", resolution=20)
    (only,) = json.loads(here("list", runs / "old" / "shape", "--json").stdout)
    assert only["state"] == "meshed" and only["figure"].endswith(" faces")


def test_wide_names_fit_the_terminal_and_are_whole(runs, here):
    (runs / "old" / "shape").rename(runs / WIDE)
    out = here("list", runs).stdout
    assert max(map(cell_len, out.splitlines())) <= 80
    assert WIDE in "".join(line.split()[0] if line.split() else "" for line in out.splitlines())
    (runs / WIDE).rename(runs / "[bold]")  # no markup
    assert "[bold]" in here("list", runs).stdout


def test_a_run_that_is_worked_on_is_running_and_looking_disturbs_nobody(runs, here, busy):
    busy(runs / "old" / "stopped")
    assert {r["state"] for r in json.loads(here("list", runs / "old" / "stopped", "--json").stdout)} == {"running"}
    run = Run.open(runs / "old" / "shape")
    with run.locked():
        pass
    with open(run.folder / ".lock") as f:  # one who looks holds it for a moment
        import fcntl
        import threading

        fcntl.flock(f, fcntl.LOCK_SH)
        threading.Timer(0.1, lambda: fcntl.flock(f, fcntl.LOCK_UN)).start()
        with run.locked():
            pass


def test_list_of_nothing(here, tmp_path):
    assert here("list", tmp_path).stdout == f"no runs in {tmp_path}\n"
    gone = here("list", "nosuch", cwd=tmp_path)
    assert gone.returncode == 2 and gone.stderr == "error: nosuch: no such folder; name a folder of runs\n"


def test_sizes_are_read_easily():
    assert [size(n) for n in (0, 999, 1000, 123_456, 1_234_567, 999_960, 5e12)] == [
        "0 B", "999 B", "1.0 kB", "123 kB", "1.2 MB", "1.0 MB", "5.0 TB",
    ]  # fmt: skip


# ---- diff ----------------------------------------------------------------------------------------------
def test_diff_shows_what_differs_and_only_that(runs, here):
    one = runs / "old" / "shape"
    two = Path(shutil.copytree(one, runs / "two"))
    assert here("diff", one, two).stdout == "the runs do not differ\n"
    shapesiren.mesh(two, resolution=20)
    config = two / "config.toml"
    config.write_text(config.read_text().replace("steps = 300", "steps = 301"))
    tree = json.loads(here("diff", one, two, "--json").stdout)["differences"]
    assert tree["settings"] == {"fit.steps": [300, 301]}
    assert tree["mesh"]["resolution"] == [32, 20]
    assert "ingest" not in tree and "input" not in tree and "evaluate" not in tree
    out = here("diff", one, two).stdout
    assert max(map(cell_len, out.splitlines())) <= 80
    assert ["fit.steps", "300", "301"] in [line.split() for line in out.splitlines()]
    assert "net.width" not in out


def test_diff_of_runs_of_other_tasks_and_unfinished_ones(runs, here):
    for pair in (("shape", "image"), ("stopped", "shape")):
        done = here("diff", *(runs / "old" / n for n in pair))
        assert done.returncode == 0, done.stderr
        assert max(map(cell_len, done.stdout.splitlines())) <= 80
    done = here("diff", runs / "old" / "shape", runs / "broken")
    assert done.returncode == 2 and "the manifest is damaged" in done.stderr
    assert here("diff", runs / "old" / "shape", runs / "odd").returncode == 2


# ---- clean ---------------------------------------------------------------------------------------------
@pytest.fixture
def littered(runs):
    run = runs / "old" / "shape"
    shapesiren.mesh(run, resolution=20)  # and the one before it is kept
    (run / ".mesh.ply.99.tmp").write_bytes(b"half")
    (run / ".live.safetensors").write_bytes(b"half")
    shutil.copy(OLD / "stopped" / "checkpoint.safetensors", run)
    os.utime(run / "checkpoint.safetensors", (1e9, 1e9))
    (run / "notes.txt").write_text("of the user")
    (runs / "killed").mkdir()
    (runs / "killed" / ".lock").write_bytes(b"")
    return runs


def test_clean_says_what_would_go_and_does_nothing(littered, here):
    before = contents(littered)
    for words in ((), ("--dry-run",)):
        out = here("clean", littered, *words).stdout
        assert "mesh.1.ply" in out and "checkpoint.safetensors" in out and "--yes removes it" in out
        assert "1 not finished" in out and str(littered / "old" / "stopped") in out
        assert contents(littered) == before
    assert here("clean", littered, "--yes", "--dry-run").returncode == 2


def test_clean_removes_that_and_nothing_else(littered, here):
    before = contents(littered)
    promised = json.loads(here("clean", littered, "--json").stdout)["bytes"]
    done = json.loads(here("clean", littered, "--yes", "--json").stdout)
    gone = {p.relative_to(littered).as_posix() for p in before if not p.exists()}
    run = "old/shape/"
    assert gone == {
        run + "mesh.1.ply", run + ".mesh.ply.99.tmp", run + ".live.safetensors", run + "checkpoint.safetensors", "killed/.lock",
    }  # fmt: skip
    assert promised == done["bytes"] == sum(len(before[littered / g][0]) for g in gone)
    assert not (littered / "killed").exists() and (littered / "thesis").exists()
    left = Run.open(littered / "old" / "shape")
    assert left.intact("ingest") and left.intact("fit") and left.intact("mesh") and left.manifest["earlier"] == []
    assert here("clean", littered).stdout.splitlines()[-1] == "nothing to remove"
    shapesiren.mesh(left.folder, resolution=22)
    assert (left.folder / "mesh.2.ply").is_file()  # numbers go on


def test_unfinished_fits_go_only_where_that_is_asked_for(littered, here):
    stopped = littered / "old" / "stopped"
    (stopped / "thoughts.txt").write_text("of the user")
    assert here("clean", littered, "--yes").returncode == 0 and (stopped / "checkpoint.safetensors").exists()
    assert here("clean", littered, "--yes", "--unfinished").returncode == 0
    assert [p.name for p in stopped.iterdir()] == ["thoughts.txt"]


def test_a_fit_begun_again_keeps_its_checkpoint(littered, here):
    path = littered / "old" / "shape" / "checkpoint.safetensors"
    os.utime(path, (time.time(), time.time()))
    assert here("clean", littered, "--yes").returncode == 0 and path.exists()
    assert here("clean", littered, "--yes", "--unfinished").returncode == 0 and not path.exists()
    assert Run.open(path.parent).intact("fit")


def test_a_run_that_is_worked_on_is_left_alone(littered, here, busy):
    busy(littered / "old" / "shape")
    before = contents(littered / "old" / "shape")
    done = here("clean", littered, "--yes", "--unfinished")
    assert done.returncode == 0 and "in use, left alone" in done.stdout
    assert contents(littered / "old" / "shape") == before


def test_an_edited_earlier_mesh_stays(littered, here):
    path = littered / "old" / "shape" / "mesh.1.ply"
    path.write_bytes(b"mended by hand")
    assert here("clean", littered, "--yes").returncode == 0
    assert path.read_bytes() == b"mended by hand"


def test_a_manifest_that_names_files_elsewhere_harms_nobody(littered, here):
    victim = littered / "victim.ply"
    victim.write_bytes(b"precious")
    for name in ("old/shape", "old/stopped"):
        path = littered / name / MANIFEST
        tree = json.loads(path.read_text())
        from shapesiren.stages.store import digest_file

        tree["earlier"] = [{"file": "../../victim.ply", "digest": digest_file(victim)}]
        tree["stages"]["ingest"]["outputs"]["../../victim.ply"] = digest_file(victim)
        path.write_text(json.dumps(tree))
    here("clean", littered, "--yes", "--unfinished")
    assert victim.read_bytes() == b"precious"


def test_clean_on_a_read_only_disk_says_so(littered, here, monkeypatch):
    def refuse(self, missing_ok=False):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    done = here("clean", littered, "--yes")
    assert done.returncode == 1 and "Read-only file system" in done.stdout and "removed 0 B" in done.stdout
    assert "Traceback" not in done.stderr

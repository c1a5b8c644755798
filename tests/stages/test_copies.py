"""Nobody's file is replaced unasked, and a mesh that is replaced is kept."""

import json
import os
import shutil
from pathlib import Path

import pytest

import shapesiren
from shapesiren.runtime import files
from shapesiren.stages.history import earlier
from shapesiren.stages.store import MANIFEST, Run, digest_file

OLD = Path(__file__).parents[1] / "data" / "old_runs"
TEXT = b"a letter"


@pytest.fixture
def run(tmp_path):
    """A finished run of an earlier version, somewhere else than where it was made."""
    return Path(shutil.copytree(OLD / "shape", tmp_path / "shape"))


def manifest(run):
    return json.loads((run / MANIFEST).read_text())


# ---- Files that the user names -------------------------------------------------------------------------
WRITERS = [
    (["mesh", "RUN", "-o", "out.stl"], "out.stl"),
    (["picture", "RUN/mesh.ply", "-o", "out.png", "--size", "32"], "out.png"),
    (["picture", "RUN", "-o", "out.png", "--size", "32"], "out.png"),
    (["export", "RUN", "-o", "out.npz", "--resolution", "8"], "out.npz"),
    (["slice", "RUN", "-o", "out.dxf", "--at", "0"], "out.dxf"),
    (["terrain", "RUN", "-o", "out.tif"], "out.tif"),
    (["report", "RUN", "-o", "out.html"], "out.html"),
    (["compare", "RUN", "RUN", "-o", "out.csv"], "out.csv"),
    (["diagnose", "RUN", "-o", "out.png", "--steps", "0"], "out.png"),
    (["simulate", "sphere", "-o", "out.xyz", "--points", "20"], "out.xyz"),
    (["new", "-o", "out.toml"], "out.toml"),
]


@pytest.mark.parametrize(("words", "name"), WRITERS, ids=lambda v: v[0] if isinstance(v, list) else "")
def test_no_command_replaces_a_foreign_file(run, tmp_path, here, words, name):
    words = [w.replace("RUN", str(run)) for w in words]
    (tmp_path / name).write_bytes(TEXT)
    refused = here(*words, cwd=tmp_path)
    assert refused.returncode == 2, refused.stderr
    last = refused.stderr.splitlines()[-1]
    assert last.startswith(f"error: {name}: the file exists") and "--force replaces it" in last
    assert (tmp_path / name).read_bytes() == TEXT


def test_every_command_that_writes_a_named_file_is_tried_above():
    import typer

    from shapesiren.cli import app

    root = typer.main.get_command(app)
    writing = {name for name, c in root.commands.items() if any("-o" in p.opts for p in c.params)}
    assert writing - {"decode"} == {words[0] for words, _ in WRITERS}  # decode is mesh of other tasks: see below


def test_decode_does_not_either(tmp_path, here):
    run = shutil.copytree(OLD / "image", tmp_path / "image")
    (tmp_path / "a.png").write_bytes(TEXT)
    assert here("decode", run, "-o", "a.png", cwd=tmp_path).returncode == 2
    assert (tmp_path / "a.png").read_bytes() == TEXT
    assert here("decode", run, "-o", "a.png", "--force", cwd=tmp_path).returncode == 0
    assert (tmp_path / "a.png").read_bytes() != TEXT


def test_a_batch_does_not_replace_a_foreign_table(tmp_path, here):
    (tmp_path / "a.xyz").write_text("1 2 3\n")
    (tmp_path / "summary.csv").write_bytes(TEXT)
    refused = here("batch", "a.xyz", "--out", ".", cwd=tmp_path)
    assert refused.returncode == 2 and "summary.csv: the file exists" in refused.stderr
    assert (tmp_path / "summary.csv").read_bytes() == TEXT


def test_what_a_run_wrote_it_may_write_again_wherever_it_lies(run, tmp_path, here):
    assert here("mesh", run, "-o", "a.stl", cwd=tmp_path).returncode == 0
    first = (tmp_path / "a.stl").read_bytes()
    run.rename(tmp_path / "moved")
    (tmp_path / "a.stl").rename(tmp_path / "b.stl")
    assert here("mesh", "moved", "--resolution", "20", "-o", "b.stl", cwd=tmp_path).returncode == 0
    assert (tmp_path / "b.stl").read_bytes() != first
    (tmp_path / "b.stl").write_bytes(TEXT)  # now it is somebody's
    refused = here("mesh", "moved", "--resolution", "22", "-o", "b.stl", cwd=tmp_path)
    assert refused.returncode == 2 and "not what this run last wrote there" in refused.stderr
    assert manifest(tmp_path / "moved")["stages"]["mesh"]["facts"]["resolution"] == 20  # found out before the work
    other = shutil.copytree(OLD / "shape", tmp_path / "other")
    assert here("mesh", "moved", "-o", "c.stl", cwd=tmp_path).returncode == 0
    assert here("mesh", other, "-o", "c.stl", cwd=tmp_path).returncode == 2  # another run's


def test_an_input_is_never_replaced(run, tmp_path, here):
    tree = manifest(run)
    (tmp_path / "scan.ply").write_bytes(TEXT)
    tree["source"]["paths"] = [str(tmp_path / "scan.ply")]
    (run / MANIFEST).write_text(json.dumps(tree))
    (tmp_path / "link.ply").symlink_to("scan.ply")
    for name in ("scan.ply", "link.ply"):
        refused = here("mesh", run, "-o", name, "--force", cwd=tmp_path)
        assert refused.returncode == 2 and "this is the input itself" in refused.stderr
    assert (tmp_path / "scan.ply").read_bytes() == TEXT


def test_a_foreign_coordinate_system_is_not_replaced(run, tmp_path, here):
    for name in ("a.prj", "b.prj"):
        (tmp_path / name).write_bytes(TEXT)
    refused = here("mesh", run, "-o", "a.obj", cwd=tmp_path)
    assert refused.returncode == 2 and "a.prj: the file exists" in refused.stderr and not (tmp_path / "a.obj").exists()
    made = here("mesh", run, "-o", "b.glb", cwd=tmp_path)  # metres by its format: no file beside it
    assert made.returncode == 0 and "b.prj" not in made.stdout + made.stderr
    assert all((tmp_path / name).read_bytes() == TEXT for name in ("a.prj", "b.prj"))


def test_a_run_is_fitted_where_it_is(run, tmp_path, here):
    refused = here("fit", run, "--out", "elsewhere", cwd=tmp_path)
    assert refused.returncode == 2 and "--out: an ingested run is fitted where it is" in refused.stderr


def test_a_picture_does_not_make_a_run_the_newest(run, tmp_path, here):
    os.utime(run / MANIFEST, (1e9, 1e9))
    assert here("export", run, "-o", "a.npz", "--resolution", "8", cwd=tmp_path).returncode == 0
    assert digest_file(tmp_path / "a.npz") in manifest(run)["copies"]
    assert (run / MANIFEST).stat().st_mtime == 1e9


@pytest.mark.parametrize("trouble", ["locked", "read-only"])
def test_where_nothing_can_be_noted_the_file_is_written_all_the_same(run, tmp_path, here, monkeypatch, trouble):
    words = ("export", run, "-o", "a.npz", "--resolution", "8")
    if trouble == "read-only":

        def refuse(self, *_):
            raise shapesiren.errors.RunError("cannot write (Read-only file system)", where=self.folder)

        monkeypatch.setattr(Run, "write", refuse)
        assert here(*words, cwd=tmp_path).returncode == 0
    else:
        with Run.open(run).locked():
            assert here(*words, cwd=tmp_path).returncode == 0
    assert (tmp_path / "a.npz").stat().st_size > 100
    assert "copies" not in manifest(run)


# ---- Meshes that are replaced --------------------------------------------------------------------------
def test_the_mesh_that_is_replaced_is_kept(run):
    first = (run / "mesh.ply").read_bytes()
    shapesiren.mesh(run, resolution=20)
    second = (run / "mesh.ply").read_bytes()
    shapesiren.mesh(run, resolution=22)
    assert (run / "mesh.1.ply").read_bytes() == first
    assert (run / "mesh.2.ply").read_bytes() == second
    kept = manifest(run)["earlier"]
    assert [e["file"] for e in kept] == ["mesh.1.ply", "mesh.2.ply"]
    assert [e["facts"]["resolution"] for e in kept] == [32, 20]
    assert kept[0]["evaluate"]["surface"]["accuracy"] > 0 and "evaluate" not in kept[1]
    assert kept[0]["digest"] == digest_file(run / "mesh.1.ply")


def test_only_so_many_are_kept_and_numbers_are_not_used_again(run):
    settings = Path(run / "config.toml")
    settings.write_text(settings.read_text() + "\n[output]\nkeep = 2\n")
    for resolution in (16, 18, 20, 22):
        shapesiren.mesh(run, resolution=resolution)
    assert sorted(p.name for p in run.glob("mesh.*.ply")) == ["mesh.3.ply", "mesh.4.ply"]
    assert [e["facts"]["resolution"] for e in manifest(run)["earlier"]] == [18, 20]


def test_the_same_mesh_again_is_not_kept_twice(run, one_thread):
    shapesiren.mesh(run, resolution=20)
    before = sorted(p.name for p in run.glob("mesh*.ply"))
    from shapesiren.stages.context import run_context
    from shapesiren.stages.output import output_and_copy

    output_and_copy(run_context(Run.open(run), [("x", {"mesh": {"resolution": 20}})], force=True), "mesh", None)
    assert sorted(p.name for p in run.glob("mesh*.ply")) == before == ["mesh.1.ply", "mesh.ply"]


def test_what_the_user_did_to_a_mesh_is_kept_too(run):
    (run / "mesh.ply").write_bytes(TEXT)
    shapesiren.mesh(run, resolution=20)
    assert (run / "mesh.1.ply").read_bytes() == TEXT
    assert manifest(run)["earlier"][0]["edited"] and "facts" not in manifest(run)["earlier"][0]


def test_a_file_of_the_user_with_such_a_name_stays(run):
    (run / "mesh.7.ply").write_bytes(TEXT)
    shapesiren.mesh(run, resolution=20)
    assert (run / "mesh.7.ply").read_bytes() == TEXT and (run / "mesh.8.ply").is_file()


def test_a_mesh_that_fails_leaves_all_as_it_was(run, monkeypatch):
    from shapesiren.tasks import TASKS

    def fail(*_):
        raise shapesiren.errors.RunError("no")

    before = {p.name: p.read_bytes() for p in run.glob("mesh*.ply")}
    monkeypatch.setattr(TASKS["shape"], "write", fail)
    with pytest.raises(shapesiren.errors.RunError):
        shapesiren.mesh(run, resolution=20)
    assert {p.name: p.read_bytes() for p in run.glob("mesh*.ply")} == before
    assert earlier(Run.open(run)) == []


def test_killed_while_it_writes_the_mesh_is_still_listed(run, monkeypatch):
    from shapesiren.tasks import TASKS

    first = (run / "mesh.ply").read_bytes()

    def killed(fitted, arrays, config, path, say):
        files.write_atomically(path, b"half done")
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr(TASKS["shape"], "write", killed)
        with pytest.raises(KeyboardInterrupt):
            shapesiren.mesh(run, resolution=20)
    assert [e["file"] for e in earlier(Run.open(run))] == ["mesh.1.ply"]
    assert (run / "mesh.1.ply").read_bytes() == first


def test_other_formats_are_written_once_and_again_after_a_change(run):
    settings = Path(run / "config.toml")
    settings.write_text(settings.read_text() + '\n[output]\nformats = ["stl", ".obj"]\n')
    shapesiren.mesh(run, resolution=20)
    first = (run / "mesh.stl").read_bytes()
    stamp = (run / "mesh.stl").stat().st_mtime_ns
    shapesiren.mesh(run, resolution=20)
    assert (run / "mesh.stl").stat().st_mtime_ns == stamp and (run / "mesh.obj").is_file()
    shapesiren.mesh(run, resolution=24)
    assert (run / "mesh.stl").read_bytes() != first
    settings.write_text(settings.read_text().replace('"stl"', '"doc"'))
    with pytest.raises(shapesiren.errors.InputError, match="doc"):
        shapesiren.mesh(run, resolution=26)

"""The small installation: what it lacks is named by the command that needs it, and a scan becomes a mesh and a report."""

import sys

import numpy as np
import pytest

from shapesiren.reports import page


@pytest.fixture
def without(monkeypatch):
    """Makes imports of packages fail, as where they are not installed."""

    class Absent:
        names: tuple[str, ...] = ()

        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in self.names:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    absent = Absent()
    monkeypatch.setattr(sys, "meta_path", [absent, *sys.meta_path])

    def hide(*names):
        absent.names = names
        for module in [m for m in sys.modules if m.split(".")[0] in names]:
            monkeypatch.delitem(sys.modules, module)

    return hide


@pytest.mark.parametrize(
    ("package", "file"),
    [
        ("soundfile", "a.wav"),
        ("av", "a.mp4"),
        ("av", "deep.png"),
        ("tifffile", "a.tif"),
        ("plyfile", "a.ply"),
        ("trimesh", "a.stl"),
    ],
)
def test_each_is_named_in_one_line(here, without, tmp_path, package, file):
    path = tmp_path / file
    path.write_bytes(b"ply\nformat ascii 1.0\n" if file == "a.ply" else b"something")
    if file == "deep.png":
        import av

        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint16), "rgb48le")
        with av.open(str(path), "w", format="image2") as out:
            stream = out.add_stream("png", rate=1, width=32, height=32, pix_fmt="rgb48be")
            for packet in [*stream.encode(frame), *stream.encode()]:
                out.mux(packet)
    without(package)
    done = here("fit", path, "--out", tmp_path / "run", "-q", cwd=tmp_path, may_lack=True)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert f"the package {package} is missing" in done.stderr and f"pip install '{package}'" in done.stderr


def test_expressions_need_sympy(here, without, tmp_path):
    (tmp_path / "p.toml").write_text('kind = "helmholtz"\nwavenumber = 20.0\nvelocity = "1 + x"\n')
    without("sympy")
    done = here("fit", "p.toml", "--task", "helmholtz", "--out", "run", "-q", cwd=tmp_path, may_lack=True)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_report_says_what_its_charts_need(without):
    pytest.importorskip("plotly")
    page._plotly.cache_clear()
    section = page.Section("One", [page.chart([], {})])
    try:
        whole = page.render("t", "s", [section, section], "f").decode()
        assert "Plotly.newPlot" in whole and "pip install plotly" not in whole
        page._plotly.cache_clear()
        without("plotly")
        assert "pip install plotly" in page.render("t", "s", [section, section], "f").decode()
    finally:
        page._plotly.cache_clear()

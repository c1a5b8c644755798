"""Names that help texts list. The registries that they come from import numpy and more, which a help page cannot wait for;
``tests/test_cli.py`` holds these lists to them.
"""

from __future__ import annotations

# tasks.TASKS
TASKS = ("shape", "image", "composite", "audio", "video", "helmholtz", "wave", "inversion", "poisson", "prior")
# config.NetSettings.kind
NETWORKS = ("siren", "local", "auto", "relu", "tanh", "relu-pe", "rff", "finer", "wire", "gaussian")
# Task.presets
PRESETS = ("fast", "default", "fine", "paper")
# profiles.PROFILES
PROFILES = ("print", "survey", "museum", "research")
# what a file holds -> its extensions, in the order of the tasks that read them: Task.suffixes
INPUTS = {
    "scan or mesh": (
        ".ply",
        ".pcd",
        ".xyz",
        ".pts",
        ".txt",
        ".csv",
        ".asc",
        ".ptx",
        ".obj",
        ".stl",
        ".off",
        ".glb",
        ".3mf",
        ".npz",
        ".npy",
        ".las",
        ".laz",
        ".e57",
    ),
    "image": (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"),
    "sound": (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif"),
    "video": (".mp4", ".webm", ".mkv", ".mov", ".avi", ".gif"),
    "problem": (".toml",),
    "collection": (".zip",),
}
# pointcloud.synthetic.shapes.SHAPES
SHAPES = ("sphere", "torus", "box", "plate", "cylinder", "holed_plate", "two_spheres", "trefoil")
# pointcloud.units.UNITS
UNITS = ("mm", "cm", "m", "in", "ft", "us-ft")
# surface.io.WRITERS, export.WRITERS, reports.compare.WRITERS
MESH_FILES = (".ply", ".obj", ".stl", ".glb", ".3mf", ".off")
TEXTURED = (".glb", ".obj")  # surface.io.TEXTURED
FIELD_FILES = (".onnx", ".npz", ".nrrd", ".vti")
DRAWING_FILES = (".dxf", ".svg")  # export.drawing.DRAWINGS
TERRAIN_FILES = (".tif", ".tiff")
TABLE_FILES = (".html", ".md", ".csv")


def choice(names: tuple[str, ...]) -> str:
    """a, b or c"""
    return f"{', '.join(names[:-1])} or {names[-1]}"


def input_files() -> str:
    """What a command reads, for its help."""
    notes = {"scan or mesh": "; several registered scans are one input", "video": ", or a folder of images"}
    return " ".join(
        f"{kind.capitalize()}: {' '.join(s[1:].upper() for s in suffixes)}{notes.get(kind, '')}."
        for kind, suffixes in INPUTS.items()
    )

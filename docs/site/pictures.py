"""The pictures of the concepts' pages, made by the project's own functions: python docs/site/pictures.py

Each function makes one of docs/images/concept-*.png, from analytic shapes, whose distances are known. Fits are small.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import Rectangle
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection
from PIL import Image

import shapesiren
from shapesiren.pointcloud.synthetic.shapes import SHAPES
from shapesiren.tasks import shape_losses

IMAGES = Path(__file__).resolve().parents[1] / "images"
BLUE, ORANGE, RED, GREY = "#3b6ea5", "#d9822b", "#c23b3b", "#8a8a8a"
SMALL = {"preset": "fast", "local": {"units": 128}}


def plane(half: float = 1.0, n: int = 160) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A grid in the plane y = 0: (n, n) of each axis, and its points (n n, 3)."""
    axis = np.linspace(-half, half, n)
    x, z = np.meshgrid(axis, axis)
    return x, z, np.stack([x.ravel(), np.zeros(x.size), z.ravel()], 1)


def save(name: str, figure: Any) -> None:
    """As a PNG of few colours."""
    held = io.BytesIO()
    figure.savefig(held, dpi=120, facecolor="white", bbox_inches="tight")
    plt.close(figure)
    Image.open(held).convert("RGB").quantize(112, dither=Image.Dither.NONE).save(IMAGES / f"concept-{name}.png", optimize=True)


def flat(axes: Any, title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])


def levels(axes: Any, x: np.ndarray, z: np.ndarray, values: np.ndarray) -> None:
    """Colours inside and outside, lines at equal steps, the surface in black."""
    steps = np.arange(-0.5, 1.01, 0.1)
    axes.contourf(x, z, values, steps, cmap="RdBu_r", vmin=-0.8, vmax=0.8, extend="both")
    axes.contour(x, z, values, steps, colors="white", linewidths=0.5)
    axes.contour(x, z, values, [0], colors="black", linewidths=2)


def signed_distance() -> None:
    """A fitted torus cut open, and its values along a line."""
    points, normals = shapesiren.simulate("torus", points=8000)
    field = shapesiren.fit(points, normals=normals, settings=SMALL)
    x, z, grid = plane()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), width_ratios=(1, 1.25))
    levels(left, x, z, field(grid).reshape(x.shape))
    near = np.abs(points[:, 1]) < 0.02
    left.plot(points[near, 0], points[near, 2], ".", color=ORANGE, ms=4)
    left.axhline(0, color=GREY, lw=1, ls="--")
    flat(left, "a slice: blue inside, red outside, a line every 0.1")
    line = np.stack([np.linspace(-1, 1, 400), np.zeros(400), np.zeros(400)], 1)
    right.plot(line[:, 0], field(line), color=BLUE, lw=2, label="fitted field")
    right.plot(line[:, 0], SHAPES["torus"](line), color="black", lw=1, ls=":", label="true distance")
    right.axhline(0, color=GREY, lw=0.8)
    right.set_xlabel("along the dashed line")
    right.legend(frameon=False)
    right.set_title("its slope is 1 wherever there is a distance", fontsize=10)
    save("signed-distance", figure)


def losses() -> None:
    """Where each of the four terms looks, on a SIREN that is not done yet."""
    points, normals = shapesiren.simulate("torus", points=6000)
    trained = {
        "net": {"kind": "siren", "width": 64, "hidden_layers": 2},
        "batch": {"on_surface": 500, "off_surface": 500, "eikonal": 250},
        "ingest": {"guide_samples": 20_000, "guide_depth": 6},
    }
    field = shapesiren.fit(points, normals=normals, settings=trained, steps=120)
    x, z, grid = plane(n=120)
    near = np.abs(points[:, 1]) < 0.03
    at, along = points[near], normals[near]
    value = torch.as_tensor(field(at) / field.frame.scale)
    slope = torch.as_tensor(field.gradient(at))
    figure, axes = plt.subplots(2, 2, figsize=(9, 7.4), layout="constrained")
    axes = axes.ravel()
    for each in axes:
        each.contour(x, z, field(grid).reshape(x.shape), [0], colors="black", linewidths=1)
    shown = axes[0].scatter(at[:, 0], at[:, 2], c=shape_losses.on_surface(value, 0.0).numpy(), s=9, cmap="viridis")
    flat(axes[0], "on the surface: |f| of the points")
    figure.colorbar(shown, ax=axes[0], shrink=0.7)
    some = slice(None, None, max(1, len(at) // 60))
    axes[1].quiver(at[some, 0], at[some, 2], along[some, 0], along[some, 2], color=ORANGE, scale=14, width=0.006)
    axes[1].quiver(at[some, 0], at[some, 2], slope[some, 0], slope[some, 2], color=BLUE, scale=14, width=0.006)
    angle = float(shape_losses.normal(slope, torch.as_tensor(along)).mean())
    flat(axes[1], f"normals: ∇f (blue) along n (orange); {angle:.3f}")
    gradients = torch.as_tensor(field.gradient(grid))
    shown = axes[2].imshow(
        shape_losses.eikonal(gradients, 1).reshape(x.shape).numpy(), origin="lower", extent=(-1, 1, -1, 1), vmax=1, cmap="magma"
    )
    flat(axes[2], "Eikonal: | |∇f| − 1 |, everywhere")
    figure.colorbar(shown, ax=axes[2], shrink=0.7)
    guided = field.frame.to_user(field.arrays["guide_points"])
    off = np.abs(guided[:, 1]) < 0.06
    target = torch.as_tensor(field.arrays["guide_distances"][off].astype(np.float64))
    miss = shape_losses.distance(torch.as_tensor(field(guided[off]) / field.frame.scale), target).numpy()
    shown = axes[3].scatter(guided[off, 0], guided[off, 2], c=miss, s=5, cmap="viridis", vmax=0.1)
    flat(axes[3], "off the surface: |f − d| of the guide")
    figure.colorbar(shown, ax=axes[3], shrink=0.7)
    save("losses", figure)


def local_and_trained() -> None:
    """The cells of a solved field, and what each kind is off."""
    points, normals = shapesiren.simulate("torus", points=20_000)
    solved = shapesiren.fit(points, normals=normals, settings=SMALL)
    small = {"net": {"kind": "siren", "width": 128, "hidden_layers": 2}, "ingest": {"guide_samples": 50_000, "guide_depth": 7}}
    trained = shapesiren.fit(points, normals=normals, settings=small, steps=500)
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.9))
    tree: Any = solved.net.octree
    scale, centre = solved.frame.scale, np.asarray(solved.frame.centre)
    for middle, half in zip(tree.centres, tree.halves, strict=True):
        if abs(middle[1] - (0 - centre[1]) / scale) <= half:
            corner = (middle[[0, 2]] - half) * scale + centre[[0, 2]]
            axes[0].add_patch(Rectangle(corner, 2 * half * scale, 2 * half * scale, fill=False, ec=BLUE, lw=0.7))
    near = np.abs(points[:, 1]) < 0.01
    axes[0].plot(points[near, 0], points[near, 2], ".", color=ORANGE, ms=3)
    axes[0].set_xlim(-1, 1)
    axes[0].set_ylim(-1, 1)
    flat(axes[0], f"a local field: {len(tree.centres)} cells, a network in each")
    x, z, grid = plane()
    exact = SHAPES["torus"](grid)
    titles = ("what it is off", "a SIREN after 500 steps")
    for each, field, title in zip(axes[1:], (solved, trained), titles, strict=True):
        off = np.abs(field(grid) - exact).reshape(x.shape)
        shown = each.imshow(np.log10(np.maximum(off, 1e-5)), origin="lower", extent=(-1, 1, -1, 1), vmin=-4.5, vmax=-1.5)
        each.contour(x, z, exact.reshape(x.shape), [0], colors="white", linewidths=0.8)
        flat(each, title)
    bar = figure.colorbar(shown, ax=axes[1:], shrink=0.8, ticks=[-4, -3, -2])
    bar.ax.set_yticklabels(["10⁻⁴", "10⁻³", "10⁻²"])
    save("local-and-trained", figure)


def guide() -> None:
    """The samples of the guide with their distances and directions, beside the scan."""
    points, normals = shapesiren.simulate("trefoil", points=8000, noise=0.002)
    settings = {
        "net": {"kind": "siren", "width": 32, "hidden_layers": 1},
        "ingest": {"guide_samples": 40_000, "guide_depth": 6},
    }
    field = shapesiren.fit(points, normals=normals, settings=settings, steps=1)
    at = field.frame.to_user(field.arrays["guide_points"])
    far = field.arrays["guide_distances"] * field.frame.scale
    way = field.arrays["guide_directions"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
    slab = np.abs(points[:, 2]) < 0.05
    left.plot(points[slab, 0], points[slab, 1], ".", color="black", ms=2)
    flat(left, "points of the scan in a slab")
    off = np.abs(at[:, 2]) < 0.05
    shown = right.scatter(at[off, 0], at[off, 1], c=far[off], s=6, cmap="RdBu_r", vmin=-0.5, vmax=0.5)
    some = np.flatnonzero(off)[::12]
    right.quiver(at[some, 0], at[some, 1], way[some, 0], way[some, 1], scale=26, width=0.003, color="#444444")
    flat(right, "samples of the guide, and which way is out")
    figure.colorbar(shown, ax=right, shrink=0.8)
    for each in (left, right):
        each.set_xlim(-1.05, 1.05)
        each.set_ylim(-1.05, 1.05)
    save("guide", figure)


def box_units() -> None:
    """One scan in its user's coordinates, and in the box."""
    points, _ = shapesiren.simulate("holed_plate", points=6000)
    survey = points * 11.0 + np.array([512_700.0, 5_403_500.0, 290.0])
    field = shapesiren.fit(survey, settings=SMALL)
    inside = field.frame.to_box(survey)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8))
    left.plot(survey[::3, 0], survey[::3, 1], ".", ms=2, color=BLUE)
    left.ticklabel_format(useOffset=False, style="plain")
    left.set_xticks(np.linspace(512_690, 512_710, 3))
    left.set_xlabel("east, m")
    left.set_ylabel("north, m")
    left.set_title("the user's coordinates: everything that you give and get", fontsize=10)
    right.plot(inside[::3, 0], inside[::3, 1], ".", ms=2, color=ORANGE)
    right.add_patch(Rectangle((-1, -1), 2, 2, fill=False, lw=1.5))
    right.annotate("", (0.9, -0.75), (-0.9, -0.75), arrowprops={"arrowstyle": "<->"})
    right.text(0, -0.72, "1.8 box units", ha="center", va="bottom")
    right.set_xlim(-1.15, 1.15)
    right.set_ylim(-1.15, 1.15)
    right.set_title("the box: what the network sees", fontsize=10)
    for each in (left, right):
        each.set_aspect("equal")
    save("box-units", figure)


def mesh_contract() -> None:
    """The borders of an open mesh, and what closing it invents."""
    points, normals = shapesiren.simulate("torus", points=12_000, views=2, seed=3)
    field = shapesiren.fit(points, normals=normals, settings=SMALL | {"ingest": {"surface": "open"}})
    seen = normals.mean(0) / np.linalg.norm(normals.mean(0))
    away = 0.5 * np.cross(seen, (0.0, 0.0, 1.0)) - seen  # from where the hole is seen
    away /= np.linalg.norm(away)
    figure = plt.figure(figsize=(10, 4.2))
    for place, (closed, title) in enumerate(((False, "open: ends where the points end"), (True, "--watertight: closed"))):
        mesh = field.mesh(resolution=56, watertight=closed)
        axes = figure.add_subplot(1, 2, place + 1, projection="3d")
        corners = mesh.vertices[mesh.faces]
        middle = corners.mean(1)
        near = np.array([np.linalg.norm(points - m, axis=1).min() for m in middle]) < 0.09
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        light = 0.45 + 0.5 * np.abs(across @ away)
        base = np.where(near[:, None], matplotlib.colors.to_rgb(BLUE), matplotlib.colors.to_rgb(ORANGE))
        axes.add_collection3d(Poly3DCollection(corners, facecolors=np.clip(base * light[:, None] * 1.25, 0, 1), lw=0))
        edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        single, count = np.unique(edges, axis=0, return_counts=True)
        border = mesh.vertices[single[count == 1]]
        if len(border):
            axes.add_collection3d(Line3DCollection(border, colors=RED, lw=2.5, zorder=5))
        found = mesh.facts.verification
        told = "watertight" if found.watertight else f"{found.boundary_edges} border edges (red)"
        axes.set_title(f"{title}\n{told}", fontsize=10)
        axes.set_xlim(-0.7, 0.7)
        axes.set_ylim(-0.7, 0.7)
        axes.set_zlim(-0.7, 0.7)
        axes.set_axis_off()
        axes.view_init(np.degrees(np.arcsin(away[2])) + 25, np.degrees(np.arctan2(away[1], away[0])))
        axes.set_box_aspect((1, 1, 1), zoom=1.2)
    save("mesh-contract", figure)


PICTURES = (signed_distance, losses, local_and_trained, guide, box_units, mesh_contract)

if __name__ == "__main__":
    wanted = sys.argv[1:]
    IMAGES.mkdir(exist_ok=True)
    for picture in PICTURES:
        if not wanted or picture.__name__ in wanted:
            picture()

#!/usr/bin/env bash
# The administrator's way: many scans of others on one machine, kept in order. CI runs this script as it stands.
# It works in the folder where it is started: bash administrator.sh
set -euo pipefail

# What this machine has, and what is missing.
shapesiren doctor

# Two scans to work on; yours lie somewhere else.
mkdir -p scans
shapesiren simulate torus -o scans/torus.ply --points 2000
shapesiren simulate trefoil -o scans/trefoil.ply --points 2000

# The house's settings: a file in which each one is explained, to be edited and kept under version control.
shapesiren new --for print -o house.toml
shapesiren config show --config house.toml > resolved.toml

# All scans, each into a run folder of its own. The same command goes on where it was stopped, and skips what is done.
shapesiren batch scans/*.ply --pipeline house.toml --preset fast --set mesh.resolution=64 --out runs
shapesiren batch scans/*.ply --pipeline house.toml --preset fast --set mesh.resolution=64 --out runs

# How far each run is, when it was worked on, how large it is, how good: newest first; --json for a monitor.
shapesiren list runs
shapesiren list runs --json > runs.json

# Someone wants a coarser mesh. The one that is replaced is kept as mesh.1.ply, and run.json lists it with its figures.
cp -r runs/torus runs/torus-coarse
shapesiren mesh runs/torus-coarse --resolution 48 -o coarse.stl
ls runs/torus-coarse/mesh.1.ply

# In what the two differ.
shapesiren diff runs/torus runs/torus-coarse

# A file of somebody else's is never replaced unasked: this is refused with exit code 2.
echo "a part list" > parts.stl
if shapesiren mesh runs/torus -o parts.stl; then exit 1; fi
grep -q "a part list" parts.stl
shapesiren mesh runs/torus-coarse --resolution 40 -o coarse.stl   # what the run itself wrote, it may write again

# What could go, and how much that is; then do it. Fields, meshes, settings and logs stay, and runs in use are left alone.
shapesiren clean runs
shapesiren clean runs --yes
test ! -e runs/torus-coarse/mesh.1.ply
test -e runs/torus-coarse/mesh.ply

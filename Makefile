# Two commands do everything on a fresh machine, without root:
#   make demo   sets up .venv, fits a scan, meshes, evaluates, draws a picture
#   make test   sets up .venv, lints, type-checks and runs the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test clean

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "shapesiren needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/shapesiren run pipelines/scan.toml data/trefoil.ply --out runs/trefoil
	$(BIN)/shapesiren picture data/trefoil.ply runs/trefoil/mesh.ply -o runs/trefoil/picture.png --up z --elevation 60

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

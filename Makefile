# Two commands do everything on a fresh machine, without root:
#   make demo   sets up .venv, fits a scan, meshes, evaluates, draws a picture
#   make test   sets up .venv, lints, type-checks and runs the tests
# and for those who change it:
#   make quick  the fast tests alone
#   make lint   ruff, the formatter, mypy
#   make hooks  git hooks that run make lint and make quick
#   make docs   the documentation as a site, in build/site
#   make wheel  the package as it would be published, in dist/
#   make slim   the small installation in .venv-slim, its size, and the tests there
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
STAMP := $(VENV)/.installed
# one more than two cores: many tests wait for a browser or another process
WORKERS ?= 3
# one thread for each, of every library that makes threads: more would only wait for each other, for twice the time
ONE_THREAD := OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 SHAPESIREN_THREADS=1
PYTEST := $(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: demo test tests quick lint docs hooks wheel slim clean

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "shapesiren needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt -e '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/shapesiren run pipelines/scan.toml data/trefoil.ply --preset fast --out runs/trefoil
	$(BIN)/shapesiren picture data/trefoil.ply runs/trefoil/mesh.ply -o runs/trefoil/picture.png --up z --elevation 60

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# the type checker has one core, which the tests leave at times
test: $(STAMP)
	$(MAKE) -j2 lint tests

tests: $(STAMP)
	$(PYTEST)

quick: $(STAMP)
	$(PYTEST) -m 'not slow'

docs: $(STAMP)
	$(BIN)/mkdocs build --strict

hooks: $(STAMP)
	$(BIN)/python -m pip install -q pre-commit
	$(BIN)/pre-commit install --hook-type pre-commit --hook-type pre-push

wheel: $(STAMP)
	$(BIN)/python -m pip install -q -c constraints.txt build twine
	rm -rf dist
	$(BIN)/python -m build -o dist .
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python -m zipfile -l dist/shapesiren-*.whl | grep shapesiren/py.typed

SLIM := .venv-slim/$(if $(filter Windows_NT,$(OS)),Scripts,bin)

slim:
	$(PYTHON) -m venv .venv-slim
	$(SLIM)/python -m pip install -q --no-compile -c constraints.txt torch
	du -sk .venv-slim
	$(SLIM)/python -m pip install -q --no-compile -c constraints.txt -r requirements-slim.txt
	du -sk .venv-slim
	$(SLIM)/python -m pip install -q -c constraints.txt pytest pytest-xdist hypothesis
	$(SLIM)/python -m pip install -q --no-deps -e .
	$(ONE_THREAD) $(SLIM)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

clean:
	rm -rf $(VENV) .venv-slim dist build .pytest_cache .mypy_cache .ruff_cache

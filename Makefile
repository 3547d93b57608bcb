# `make demo` and `make test` do all their own set-up: a virtual environment in .venv, pinned.
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.ready

# Tests start some hundred processes: each would compile our modules again where this is set.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test docs endurance lint docstrings format clean

setup: $(READY)
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

demo: $(READY)
	$(BIN)/physioprep simulate build/demo/raw --overwrite
	$(BIN)/physioprep run pipelines/demo.yaml --raw build/demo/raw --out build/demo --overwrite \
		|| [ $$? -eq 1 ]  # 1: it found the planted faults

test: $(READY) lint docs
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not long"

# The documentation as a site in build/site, made offline; a warning is an error.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The long forms: kills at every system call, losses of power at every point, clusters that lose
# workers.
endurance: $(READY)
	$(BIN)/python -m pytest -m long

lint: $(READY) docstrings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Every public function documents what it takes, returns and yields.
docstrings: $(READY)
	$(BIN)/numpydoc lint $$(find physioprep models -name '*.py' | sort)

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis

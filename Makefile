# The whole project by eight words:
#   make benchmark   set up, run the quick comparison, say where the report is
#   make test        the same set-up, then all tests
#   make lint        formatting, lint and types
#   make docs        the documentation, its notebooks executed, warnings as errors
#   make figures     the pictures of the README, from the comparison
#   make package     sdist and wheel, and the wheel tried in an environment of its own
#   make results     all studies in an hour and a quarter on two cores, and the claims from them
#   make clean       remove the environment and everything that was built (not the results)
#
# The set-up is done once and again only when pyproject.toml, setup.cfg or the constraints change.
#   make test PYTHON=/opt/python3.12/bin/python3    another interpreter (3.11 or newer)
#   make test CONSTRAINTS=                          without the pinned versions, where one of them
#                                                   does not exist for the interpreter or platform

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := constraints.txt
# Worker processes of the tests; each of them computes with one thread.
TEST_WORKERS := 2
OUT := benchmark-quick
RESULTS := study-all-hour

# The first interpreter that really starts and is new enough: a name on the PATH may be a shim of
# a version that is not active.
find_python = for name in python3.11 python3; do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "$$name"; exit 0; fi; done
PYTHON = $(shell $(find_python))

pip_install := $(BIN)/python -m pip install --disable-pip-version-check \
	$(if $(CONSTRAINTS),-c $(CONSTRAINTS))

.PHONY: benchmark test lint docs figures package results clean
# A recipe that fails or is interrupted leaves no stamp behind.
.DELETE_ON_ERROR:

benchmark: $(VENV)/installed.stamp
	$(BIN)/tnlearn benchmark --profile quick --out "$(OUT)"

test: $(VENV)/installed.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal

lint: $(VENV)/quality.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/docs.stamp
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

figures: benchmark
	$(BIN)/python docs/figures.py "$(OUT)"

# The wheel is built from the sdist, so both are tried.
package: $(VENV)/quality.stamp
	rm -rf dist build/fresh && $(BIN)/python -m build --outdir dist .
	$(BIN)/python -m venv build/fresh
	build/fresh/bin/python -m pip install -q --disable-pip-version-check \
	  $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) dist/*.whl
	cd build/fresh && bin/tnlearn about && bin/python -c \
	  "import tnlearn as tnl; assert tnl.winding(tnl.ssh(20, 1.0, 2.0), 'lyapunov').integer[0] == 1"

results: $(VENV)/installed.stamp
	$(BIN)/tnlearn study all --profile hour --out "$(RESULTS)"
	$(BIN)/tnlearn claims "$(RESULTS)" --keep docs/results --out docs/claims.md

$(VENV)/docs.stamp: $(VENV)/installed.stamp
	$(pip_install) -e '.[test,docs]'
	@touch $@

clean:
	rm -rf $(VENV) build docs/_build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps live inside the environment, so that deleting it is enough to start afresh; and an
# environment without its stamp was interrupted, so that it is made anew.
$(VENV)/created.stamp:
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
	  echo "make: no Python 3.11 or newer found; name one: make PYTHON=/path/to/python3.11" >&2; \
	  exit 1; fi; \
	echo "making $(VENV) with $$python"; \
	rm -rf $(VENV) && "$$python" -m venv $(VENV)
	@touch $@

$(VENV)/installed.stamp: pyproject.toml setup.cfg $(CONSTRAINTS) | $(VENV)/created.stamp
	$(pip_install) -e '.[test]'
	@touch $@

$(VENV)/quality.stamp: $(VENV)/installed.stamp
	$(pip_install) -e '.[test,quality]'
	@touch $@

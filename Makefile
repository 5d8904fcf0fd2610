# `make paper` sets everything up and runs the whole paper; `make test` tests it.

PYTHON  ?= $(shell command -v python3.11 || command -v python3)
PROFILE ?= sample
NAME    ?=
CORES   ?= $(shell getconf _NPROCESSORS_ONLN)
OPTIONS ?=
CLUSTER ?=
GPUS    ?=
submit   = $(if $(CLUSTER),--cluster $(call quoted,CLUSTER)) $(if $(GPUS),--gpus $(GPUS))
VENV    := .venv
RUN     := $(VENV)/bin/python
READY   := $(VENV)/.ready
# A variable's value as one word for the shell, whatever is in it.
quoted   = '$(subst ','\'',$(value $1))'
unexport PYTHONPATH

.PHONY: help setup data estimate paper notebook figure site test test-all lint reference reference-real reproduce benchmarks torture lock lab clean

## make help                       this list; PROFILE=full is the real data, CORES=n sets the cores
help:
	@sed -n 's/^## //p' Makefile

## make setup                      install all that is needed, in .venv; the others do it too
setup: $(READY)

## make data                       the real IRMAS, 11 GB, to IRMAS_DATA or data/, or what is missing of it
data: $(READY)
	@$(RUN) -m irmas_utils download

## make estimate                   what a profile will cost: hours, memory, disk
estimate: $(READY)
	@$(RUN) -m irmas_utils estimate --profile $(call quoted,PROFILE) $(if $(filter command environment,$(word 1,$(origin CORES))),--cores $(CORES))

## make paper                      the whole paper, or what is not up to date; CLUSTER=slurm submits it
paper: $(READY)
	@$(RUN) -m irmas_utils paper --profile $(call quoted,PROFILE) --cores $(CORES) $(submit) $(OPTIONS)

## make notebook NAME=04           one notebook, by number or name, and what it needs
notebook: $(READY)
	@$(RUN) -m irmas_utils paper --profile $(call quoted,PROFILE) --cores $(CORES) \
	    --notebook $(if $(NAME),$(call quoted,NAME),01_data_analysis) $(OPTIONS)

## make figure NAME=comparison     redraw one figure of a finished run
figure: $(READY)
	@$(RUN) -m irmas_utils figure --profile $(call quoted,PROFILE) $(call quoted,NAME)

## make site                       the site alone, of a run or, without one, of what is committed
site: $(READY)
	@$(RUN) -m irmas_utils site $(call quoted,PROFILE)

## make test                       all tests but the slow ones
test: $(READY) lint
	@$(RUN) -m pytest -n $(CORES) --dist loadfile --no-loadscope-reorder

## make test-all                   those too: the smoke paper, pages in a browser, Slurm, faults
test-all: $(READY) lint
	@$(RUN) -m pytest -n $(CORES) --dist loadfile --no-loadscope-reorder -m "slow or not slow"

## make lint                       the form of code and notebooks
lint: $(READY)
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

# Copy the light part of a finished sample run to results/reference/sample, which is committed.
reference: paper
	@$(RUN) -m tools.reference refresh

# The paper on real clips, in steps of at most 100 minutes that can be stopped and go on; aggregates
# to results/reference/real after each: `make reference-real CLIPS=FOLDER OPTIONS=--commit`.
reference-real: $(READY)
	@$(RUN) -m tools.real_reference run $(if $(CLIPS),--clips $(call quoted,CLIPS)) $(OPTIONS)

# docs/reproduce.md: every claim of the paper, and the command that decides it.
reproduce: $(READY)
	@$(RUN) -m tools.reproduce

# An hour on two idle cores, and 12 GB for the corpus of real size.
benchmarks: $(READY)
	for script in lstm_training fft_training fine_tuning memory input_pipeline real_size epochs descriptors prediction figures prior_only cpu_seconds summary; do \
	    $(RUN) benchmarks/$$script.py --out results/reference/benchmarks || exit 1; done
	@$(RUN) -m tools.reference benchmarks

## make lab                        the notebooks in JupyterLab
lab: $(READY)
	@$(RUN) -m tools.lab $(OPTIONS)

# Feed every surface mutated input, then disturb runs, by hand: `make torture OPTIONS="--scale 1"`.
torture: $(READY)
	@$(RUN) -m tools.torture $(OPTIONS)
	@$(RUN) -m tools.faults $(OPTIONS)

# Resolve every dependency anew, for all systems and Pythons that TensorFlow has wheels for.
lock: $(READY)
	$(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --upgrade \
	    --no-emit-index-url --no-emit-find-links --no-annotate --quiet \
	    --custom-compile-command "make lock" --extra test pyproject.toml -o requirements.lock
	$(RUN) tools/environment.py

# All that is installed is in the lock with its hash: uv first, which also builds this package, and
# is several times faster than pip. Compiled here, once, modules are not compiled again by each of
# the paper's kernels where Python may not write its bytecode.
$(READY): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	    { echo "error: $(PYTHON) is not Python 3.11 to 3.13; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Setting up $(VENV) …"
	@"$(PYTHON)" -m venv $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.txt
	@$(RUN) -m pip install -qq --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@$(VENV)/bin/uv pip sync --quiet --compile-bytecode --python $(RUN) \
	    --require-hashes requirements.lock
	@$(VENV)/bin/uv pip install --quiet --python $(RUN) \
	    --no-deps --no-build-isolation --offline --editable .
	@touch $@

## make clean                      remove .venv, the cache, and the sample results
clean:
	rm -rf $(VENV) .cache results/smoke results/sample

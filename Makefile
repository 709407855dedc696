# `make` alone prints the targets. Everything runs in .venv, which is made when it is first needed.
PYTHON ?= python3
SLICER_PYTHON ?= python3.12
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# glibc returns large temporaries to the system at every step unless told otherwise; it costs a third of the speed
export MALLOC_MMAP_THRESHOLD_ := 1073741824
export MALLOC_TRIM_THRESHOLD_ := 2147483647
# GNU's OpenMP lets threads spin for milliseconds, which on a busy machine keeps the others from running; samed does the same
export GOMP_SPINCOUNT ?= 1000

.DEFAULT_GOAL := help
.PHONY: help setup test test-all test-slicer-python check format demo train-demo screenshots benchmark remote stalls prompt-dice mr prompt-points five-organs resolve clean corrected other-patients next-slice doubt completing cohort audit coverage soak mutants fuzz kills

help: ## print this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(READY) ## make .venv with everything that the tests and the demo need

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[dicom,evaluation,tensorboard]" --group dev
	touch $(READY)

# The core's tests spend much of their time in waiting for processes that they start. Each of these two takes 3 GB.
AT_ONCE := -n 2 --dist loadfile
# Three processes: the second stands for Slicer's, which must never import torch; the third starts what users have.
test: $(READY) ## run the tests but the slow ones
	$(BIN)/python -m pytest $(AT_ONCE) -m "not slow" Testing/Core
	$(BIN)/python -m pytest -m "not slow" Testing/Slicer Testing/Host
	$(BIN)/python -m pytest -m "not slow" Testing/User

test-all: $(READY) ## run every test, the slow ones too
	$(BIN)/python -m pytest Testing/Core
	$(BIN)/python -m pytest Testing/Slicer Testing/Host
	$(BIN)/python -m pytest Testing/User

test-slicer-python: ## run the tests on the Python of Slicer, 3.12 (SLICER_PYTHON names it)
	$(MAKE) test PYTHON=$(SLICER_PYTHON) VENV=.venv-3.12

check: $(READY) ## formatting, lint, types, which folder may import which, known vulnerabilities, coverage
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=SlicerSAMed $(BIN)/lint-imports
	$(BIN)/python Tools/audit.py --if-reachable
	$(BIN)/python Tools/covered.py check

audit: $(READY) ## known vulnerabilities of what is installed and of the oldest versions allowed; needs a network
	$(BIN)/python Tools/audit.py

# Processes that a test starts are measured by a .pth file that coverage installs; Testing/coverage.json keeps what `make check` tells.
MEASURED := build/coverage
coverage: $(READY) ## how much of SAMedCore the fast tests run, to Testing/coverage.json; half an hour on two idle cores
	rm -rf $(MEASURED) && mkdir -p $(MEASURED)
	$(BIN)/python -m coverage run -m pytest $(AT_ONCE) -m "not slow" Testing/Core
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage json --quiet -o $(MEASURED)/report.json
	$(BIN)/python Tools/covered.py record $(MEASURED)/report.json

format: $(READY) ## put the code into ruff's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

demo: $(READY) ## segment a small real CT with the shipped checkpoint and score it
	$(BIN)/samed demo

screenshots: $(READY) ## draw the pictures of the documentation; some minutes
	PYTHONPATH=SlicerSAMed:Testing/Host $(BIN)/python Tools/draw_screenshots.py

# Times with one thread, without and with the two MALLOC_ variables, which only a new process heeds; then with all of the cores
# what a person waits for. The JSON stays in build/benchmark.
STORED := build/benchmark
TIMED := $(addprefix Testing/Benchmark/test_,whole_volume.py stages.py training_step.py)
WAITED := $(addprefix Testing/Benchmark/test_,start_up.py busy.py prompting.py effect.py growth.py)
# What a processor without AVX-512 would do, as far as one with it can tell.
AS_AVX2 := ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=1
benchmark: $(READY) ## speed and memory, beside the paper's procedure, to Docs/benchmark.md; 20 minutes on two idle cores
	mkdir -p $(STORED)
	rm -f $(STORED)/*.json
	env -u MALLOC_MMAP_THRESHOLD_ -u MALLOC_TRIM_THRESHOLD_ OMP_NUM_THREADS=1 \
	  $(BIN)/python -m pytest $(TIMED) --benchmark-json $(STORED)/default.json
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TIMED) --benchmark-json $(STORED)/tuned.json
	if $(BIN)/python -c 'import sys, torch; sys.exit(torch.backends.cpu.get_cpu_capability() != "AVX512")'; then \
	  env -u MALLOC_MMAP_THRESHOLD_ -u MALLOC_TRIM_THRESHOLD_ $(AS_AVX2) \
	    $(BIN)/python -m pytest $(firstword $(TIMED)) -k "segment and vit_b" --benchmark-json $(STORED)/avx2-default.json && \
	  $(AS_AVX2) \
	    $(BIN)/python -m pytest $(firstword $(TIMED)) -k "segment and vit_b" --benchmark-json $(STORED)/avx2-tuned.json; fi
	OMP_NUM_THREADS=$$(nproc) $(BIN)/python -m pytest $(WAITED) --benchmark-json $(STORED)/waited.json
	$(BIN)/python Testing/Benchmark/report.py $(STORED) Docs

remote: $(READY) ## what a CT takes to travel to the worker on another computer and back
	$(BIN)/python Testing/Benchmark/remote.py

stalls: $(READY) ## how long Slicer is busy at a time with a CT of 1,000 slices
	$(BIN)/python Testing/Benchmark/panel_stalls.py

completing: $(READY) ## what completing is worth beside what fills in without it: Dice on three CTs and an MR; an hour
	$(BIN)/python Testing/Benchmark/completing.py

prompt-dice: $(READY) ## what boxes and clicks are worth: Dice on two CTs and an MR, to build/prompt-dice.json; 10 minutes
	$(BIN)/python Testing/Benchmark/prompt_dice.py

mr: $(READY) ## what an MR gives: boxes, completing, a checkpoint of its own: Dice, to build/mr.json; 30 minutes
	OMP_NUM_THREADS=1 $(BIN)/python Testing/Benchmark/mr.py

prompt-points: $(READY) ## what one point is worth on small lesions, pieces and organs: Dice, printed; 10 minutes
	$(BIN)/python Testing/Benchmark/prompt_points.py

corrected: $(READY) ## what boxes on a checkpoint's answer are worth: Dice, to build/corrected; trains three checkpoints, 20 minutes
	$(BIN)/python Testing/Benchmark/corrected.py

other-patients: $(READY) ## what a few annotated scans are worth on another patient: Dice, to build/other-patients.json; an hour
	$(BIN)/python Testing/Benchmark/other_patients.py

next-slice: $(READY) ## which slice to annotate next, evenly spaced, doubtful or any: Dice of what completing makes of it; minutes
	$(BIN)/python Testing/Benchmark/next_slice.py

doubt: $(READY) ## how well the model's doubt tells where it is wrong, without a reference; a minute
	$(BIN)/python Testing/Benchmark/doubt_as_qa.py

cohort: $(READY) ## many scans: one process against Ray's workers, one command against three, printed; minutes on two idle cores
	$(BIN)/python Testing/Benchmark/cohort.py

# A target a reader; what was found stays in build/fuzz. An hour each before a release: make fuzz MINUTES=60
FUZZED := $(filter-out fuzzing,$(notdir $(basename $(wildcard Tools/fuzz/*.py))))
fuzz: MINUTES ?= 5
fuzz: $(READY) ## feed the readers of checkpoints, prompts, label tables and messages what nobody would write; MINUTES=5 each
	$(BIN)/python -m pip install --quiet --group fuzz
	for target in $(FUZZED); do MINUTES=$(MINUTES) OMP_NUM_THREADS=1 $(BIN)/python Tools/fuzz/$$target.py || exit 1; done

soak: $(READY) ## what stays of 500 segmentations and 5,000 prompts in one worker, to Docs/soak.png; 15 minutes of one core
	OMP_NUM_THREADS=1 $(BIN)/python Testing/Benchmark/soak.py

# CI=1: hypothesis draws the same examples each time, and asks of no example to be fast.
mutants: $(READY) ## whether the tests notice small changes of geometry, checkpoint, evaluation and options; half an hour on two idle cores
	$(BIN)/python -m pip install --quiet --group mutants
	CI=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 OMP_NUM_THREADS=1 $(BIN)/python -m mutmut run
	$(BIN)/python -m mutmut results

kills: $(READY) ## kill -9 at 200 random moments of every kind of work; the table goes to build/kills.md; half an hour
	KILLS=200 $(BIN)/python -m pytest -s Testing/Core/test_kills.py

five-organs: $(READY) ## the tutorial's first part by a simulated person: boxes, minutes, Dice
	PYTHONPATH=SlicerSAMed:Testing/Host:Tools $(BIN)/python Testing/Benchmark/five_organs.py

resolve: $(READY) ## what pip would install into Slicer on each system, and how large it is
	$(BIN)/python Testing/Slicer/dry_run.py

train-demo: $(READY) ## train the shipped checkpoint again
	$(BIN)/python Tools/train_demo.py

clean: ## remove .venv and what the tools left behind
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build mutants *.egg-info

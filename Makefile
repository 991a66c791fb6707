# Two commands: `make repro` makes the results and the report, `make test` checks everything.
# Each sets up .venv first, from the pinned requirements.txt.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONWARNINGS := ignore::FutureWarning
# Some container images forbid Python to keep what it has compiled; each of hundreds of processes would compile torch again, 5 s.
unexport PYTHONDONTWRITEBYTECODE
# A package that is already in uv's cache is linked, not copied: seven gigabytes of it.
UV := $(shell grep -o '^uv==[0-9.]*' requirements.txt)

.PHONY: repro report authors runtime test pytest check pins audit sbom clean

# First the page of the results in git, so that there is something to read meanwhile. The gate comes last, so that a
# difference does not hide the report.
repro: .venv/ready
	@python -m benchmark.report --ready || true
	@python -m pipelines
	@python -m benchmark.report
	@python -m benchmark.compare --gate

# The page of the results in git: nothing is trained or downloaded.
report: .venv/ready
	@python -m benchmark.report

# DATA: folders, with ':' between, that hold real sets and authors' weights; DEBLUR_DATA is the same.
DATA ?= $(or $(DEBLUR_DATA),data)
authors: .venv/ready
	@DEBLUR_DATA='$(DATA)' python -m pipelines --force --single-item doctor authors
	@python -m benchmark.compare
	@python -m benchmark.report

# RUNTIME: what to time and for how long (docs/runtime.md), for example: sgenet --modes strict --budget 600
RUNTIME ?= --budget 3600
runtime: .venv/ready
	@python -m pipelines.runtime $(RUNTIME)
	@python -m benchmark.compare
	@python -m benchmark.report

test: check pytest

# A process per core, each with whole files of tests, the long ones in between and not at the end; more threads
# would only wait for each other.
# FUZZ: how many damaged files each reader is given, in place of a few; TESTS: the files of tests, in place of all.
pytest: .venv/ready
	@OMP_NUM_THREADS=1 $(FUZZ:%=DEBLUR_FUZZ=%) pytest -q -n logical --dist loadfile --no-loadscope-reorder $(TESTS)

check: .venv/ready
	@ruff check
	@ruff format --check --quiet || { echo 'run: ruff format'; exit 1; }
	@mypy

.venv/ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Python 3.11 or newer is needed; set PYTHON=...'; exit 1; }
	@echo 'setting up .venv (once; 7 GB, most of it PyTorch)'
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check '$(UV)'
	@.venv/bin/uv pip install --quiet --python .venv/bin/python --requirement requirements.txt
	@.venv/bin/python -m benchmark.report.dvc_page
	@touch $@

# After a change of pyproject.toml's dependencies. No URLs, so that any index serves it.
pins:
	uv pip compile pyproject.toml --group dev --group perceptual --universal --python-version 3.11 --no-header --no-annotate --quiet -o requirements.txt

# Known vulnerabilities of the pinned packages, by the index's own reports; a package that cannot be looked up is an
# error. And the list of these packages in CycloneDX's format. Both tools stay outside of .venv; both need an index.
audit:
	@uv tool run --from pip-audit==2.10.1 pip-audit --strict --no-deps --disable-pip --requirement requirements.txt
sbom:
	@uv tool run --from cyclonedx-bom==7.5.0 cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json requirements.txt

# Only what the pipeline makes. Real sets and weights in data/ and data/pretrained, downloaded or put there by hand, stay.
PROFILES := $(basename $(notdir $(wildcard benchmark/profiles/*.yaml)))
clean:
	rm -rf .venv checkpoints $(PROFILES:%=data/%) $(PROFILES:%=results/%/train) $(PROFILES:%=results/%/images) $(PROFILES:%=results/%/report.html)

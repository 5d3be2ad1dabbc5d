# `make` without a target lists the targets.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
TOOLS = tests/requirements.txt
LIBRARIES = tests/libraries
VERSIONS = 3.11 3.12 3.13 3.14 3.15

.DEFAULT_GOAL = help
.PHONY: help demo drill run test test-all test-pythons test-lowest fuzz findings bench soak docs dashboards renderings screenshots lock audit image archive chart lint types imports check format clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/installed ## run an exporter with simulated, signed traffic: open http://127.0.0.1:10988
	@$(BIN)/push-result-exporter demo $(ARGS)

drill: $(VENV)/developer ## rehearse an incident with the shipped rules and routes: 13 minutes
	@$(BIN)/python -m tests.drill $(ARGS)

run: $(VENV)/installed ## run the exporter with settings from the environment
	@$(BIN)/push-result-exporter serve

# In the order of tests/support/scheduling.py: slow tests first.
SHARED = --dist=loadfile --no-loadscope-reorder

test: $(VENV)/developer ## run the tests of modules, except slow ones: about four minutes
	$(BIN)/pytest -m "not slow" --ignore=tests/system --numprocesses=3 $(SHARED) $(ARGS)

test-all: $(VENV)/developer ## run all tests, with branch coverage of the pipeline
	$(BIN)/pytest -m "not load" --numprocesses=4 $(SHARED) --cov --cov-report=term $(ARGS)
	$(BIN)/pytest tests/system -m load --numprocesses=4 $(SHARED) $(ARGS)

test-pythons: ## run all tests with each installed Python
	@for version in $(VERSIONS); do \
		python=$$(ls -d $$(command -v python$$version) $$HOME/.pyenv/versions/$$version.*/bin/python 2>/dev/null | \
			while read path; do $$path -c '' 2>/dev/null && echo $$path && break; done); \
		if [ -z "$$python" ]; then echo "Python $$version is not installed: not tested"; continue; fi; \
		echo "== Python $$version"; \
		$(MAKE) --no-print-directory test-all PYTHON=$$python VENV=.venv-$$version || exit 1; \
	done

test-lowest: $(VENV)/developer ## run the tests of modules with the oldest allowed dependencies
	$(BIN)/uv venv --quiet --clear --seed --python $(BIN)/python .venv-lowest
	$(BIN)/uv pip compile --quiet --resolution lowest-direct pyproject.toml -o .venv-lowest/lowest.txt
	$(BIN)/uv pip install --quiet --python .venv-lowest --constraint .venv-lowest/lowest.txt \
		--editable . --group test
	.venv-lowest/bin/python -m pytest --ignore=tests/system --ignore=tests/fuzz $(ARGS)

fuzz: $(VENV)/developer ## test both listeners with random input, for minutes
	FUZZ=long $(BIN)/pytest tests/fuzz $(ARGS)

findings: ## run all findings; needs node, npm and openssl; takes minutes
	@failed=""; for script in findings/*.sh; do \
		echo "== $$script"; \
		$$script || failed="$$failed $$script"; \
	done; \
	test -z "$$failed" || { echo "Changed:$$failed"; exit 1; }

bench: $(VENV)/developer ## compare the exporter with its peers; needs wrk and node; takes about ten minutes
	$(BIN)/python -m tests.bench $(ARGS)

soak: $(VENV)/developer ## run replicas with one PostgreSQL for an hour; fails if they grow
	$(BIN)/python -m tests.soak $(ARGS)

docs: $(VENV)/developer ## generate the tables of the READMEs from the code
	$(BIN)/python -m tests.support.docs

dashboards: $(VENV)/developer ## build deploy/grafana and the rules for an older vmalert from dashboards/ and rules.yml
	$(BIN)/python -m dashboards

renderings: $(VENV)/developer ## write the golden texts of tests: the rendered chart, explanations
	$(BIN)/python -m tests.support.helm
	$(BIN)/python -m tests.support.explanations

screenshots: $(VENV)/developer ## take screenshots of the pages; needs chromium; takes a minute
	$(BIN)/python -m tests.system.browser.screenshots

LOCK = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --upgrade \
	--custom-compile-command 'make lock'

lock: $(VENV)/developer ## update the locked versions of the image and the tools
	$(LOCK) --all-extras pyproject.toml -o deploy/image/requirements.txt
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])' | \
		$(LOCK) - -o deploy/image/build-requirements.txt
	$(LOCK) --group dev --constraint deploy/image/requirements.txt pyproject.toml -o $(TOOLS)
	$(LOCK) --python-version 3.11 --overrides $(LIBRARIES)/overrides.txt $(LIBRARIES)/requirements.in -o $(LIBRARIES)/requirements.txt

audit: $(VENV)/developer ## check the packages of the image for known vulnerabilities
	$(BIN)/pip-audit --strict --require-hashes --disable-pip -r deploy/image/requirements.txt

ENGINE = $(firstword $(shell command -v docker podman buildah))
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

image: ## build the container image with docker, podman or buildah
	@test -n "$(ENGINE)" || { echo "docker, podman or buildah is needed"; exit 1; }
	$(ENGINE) build $(if $(filter %buildah,$(ENGINE)),--format docker) --tag push-result-exporter:$(VERSION) \
		--build-arg VERSION=$(VERSION) --build-arg REVISION=$(shell git rev-parse HEAD) $(ARGS) .

DIST = dist
# Released files link to the runbooks of their version.
PIN_LINKS = grep -rlZ '/blob/main/' $(1) | xargs -0 sed -i 's,/blob/main/,/blob/v$(VERSION)/,g'

archive: ## build an archive of rules, dashboards, runbooks and Alertmanager's configuration in DIST
	@rm -rf $(DIST)/push-result-exporter-$(VERSION) && mkdir -p $(DIST)/push-result-exporter-$(VERSION)
	@cp -r deploy/alertmanager deploy/grafana deploy/prometheus deploy/runbooks LICENSE $(DIST)/push-result-exporter-$(VERSION)
	@$(call PIN_LINKS,$(DIST)/push-result-exporter-$(VERSION))
	tar -C $(DIST) -czf $(DIST)/push-result-exporter-$(VERSION)-monitoring.tar.gz --sort=name --owner=0 --group=0 \
		--numeric-owner --mtime=@$$(git log -1 --format=%ct) push-result-exporter-$(VERSION)

chart: ## prepare the chart with IMAGE as its image in DIST, for `helm package`
	@test -n "$(IMAGE)" || { echo "IMAGE=… is needed: the repository of the image"; exit 1; }
	@rm -rf $(DIST)/push-result-exporter && mkdir -p $(DIST)
	cp -rL deploy/helm/push-result-exporter $(DIST)/push-result-exporter
	@sed -i 's,^  repository: ""$$,  repository: $(IMAGE),' $(DIST)/push-result-exporter/values.yaml
	@$(call PIN_LINKS,$(DIST)/push-result-exporter)

lint: $(VENV)/developer ## check style, formatting, words and workflows, by .pre-commit-config.yaml
	$(BIN)/pre-commit run --all-files

types: $(VENV)/developer ## check static types
	$(BIN)/mypy

imports: $(VENV)/developer ## check that imports go one way
	$(BIN)/lint-imports

check: ## run all checks, as CI does
	$(MAKE) --jobs=3 --output-sync lint types imports
	$(MAKE) test-all

format: $(VENV)/developer ## format the code
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

clean: ## remove generated files
	rm -rf .venv* tests/system/__screenshots__ .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The locked versions, so that a fresh machine has what the tests were last run with.
$(VENV)/installed: $(VENV)/bin/python pyproject.toml deploy/image/requirements.txt
	$(BIN)/python -m pip install --quiet --require-hashes --requirement deploy/image/requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

# uv, by its hashes too, installs the hundred packages of the tools in a fifth of pip's time.
$(VENV)/developer: $(VENV)/installed $(TOOLS)
	@sed -n '/^uv==/,/# via/p' $(TOOLS) > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --require-hashes --requirement $(VENV)/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement $(TOOLS)
	@touch $@

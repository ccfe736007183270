# The commands of Parley. `make run` needs Python 3.11 to 3.13 and nothing else; `make help` lists them all.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NODE_18 := command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null
JS_TESTS = $(shell find tests/js -name '*.test.js' -o -name '*.test.mjs' 2>/dev/null | sort)

# One file stays in one process, as what it starts does. More processes than cores make slow machines too slow for tests
# that start servers and browsers. With ARGS there is one process, so that --pdb, -x and -s do what they say.
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
BESIDE = -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run dev test test-js test-postgresql proofs bench faults lint audit lock vendor vendor-check clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

run: $(VENV)/.installed ## install what is missing, migrate, and serve on http://localhost:5000
	@exec $(BIN)/python -m chat.server.start

dev: $(VENV)/.installed ## the same, starting again whenever a file changes
	@GUNICORN_CMD_ARGS="$$GUNICORN_CMD_ARGS --reload" exec $(BIN)/python -m chat.server.start

test: vendor-check $(VENV)/.installed-dev ## every test; ARGS go to pytest, WORKERS=1 one after the other, REQUIRE_ALL=1 fails a skip
	@tests/install_services.sh
	@$(MAKE) --no-print-directory test-js
	@$(BIN)/pytest $(or $(ARGS),$(BESIDE))
	@$(if $(ARGS),true,$(MAKE) --no-print-directory test-postgresql)

test-postgresql: $(VENV)/.installed-dev ## the tests in process once more, on PostgreSQL, and some with servers
	@if $(NODE_18); then $(MAKE) --no-print-directory node_modules/.installed; fi
	@if command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then \
		TEST_DATABASE=postgresql $(BIN)/pytest $(BESIDE) $(addprefix tests/,accounts admin transfer contracts core messages ops realtime rooms site streams \
			api cli/test_epoch.py cli/test_seed.py system/test_talk.py system/test_rules.py system/test_connections.py) \
			--ignore tests/contracts/test_attacks.py; \
	elif [ "$(REQUIRE_ALL)" = 1 ]; then \
		echo "PostgreSQL is missing, and REQUIRE_ALL=1 allows nothing to be left out." >&2; exit 1; \
	else \
		echo "Left out: the tests on PostgreSQL, which is not installed."; \
	fi

test-js: ## the JavaScript tests alone
	@if $(NODE_18); then \
		$(MAKE) --no-print-directory node_modules/.installed; \
		$(if $(JS_TESTS),node --test $(JS_TESTS),echo "There are no JavaScript tests.") || exit 1; \
	elif [ "$(REQUIRE_ALL)" = 1 ]; then \
		echo "The JavaScript tests need Node 18 or newer and npm, and REQUIRE_ALL=1 forbids skipping them." >&2; exit 1; \
	else \
		echo "Skipped: the JavaScript tests need Node 18 or newer and npm."; \
	fi

proofs: $(VENV)/.installed-dev ## the tests that try many cases, with every case there is, for hours; ARGS choose some
	@tests/install_services.sh
	@$(MAKE) --no-print-directory node_modules/.installed
	@PROOFS=long $(BIN)/pytest --timeout 0 $(or $(ARGS),$(shell grep -rl --include='test_*.py' tests.length tests))

bench: $(VENV)/.installed-bench ## measure beside Node and others, 15 minutes; ARGS="--quick --only fanout" a part
	@tests/bench/install.sh
	@$(MAKE) --no-print-directory node_modules/.installed
	@$(BIN)/python -m tests.bench.run $(ARGS)

faults: $(VENV)/.installed-dev ## break things under load for an hour; ARGS="--only R01 --seconds 20" a part of it
	@tests/install_services.sh
	@$(BIN)/python -m tests.faults.run $(ARGS)

lint: $(VENV)/.installed-dev node_modules/.installed ## ruff and eslint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	node_modules/.bin/eslint .

audit: $(VENV)/.installed-audit node_modules/.installed ## known holes in what we depend on, and patterns of holes in the code
	@$(BIN)/python -m tests.audit.run $(ARGS)

lock: $(VENV)/.installed-dev ## compile requirements*.in into exact versions; ARGS=--upgrade takes newer ones
	$(BIN)/uv $(LOCK) requirements.in -o requirements.txt $(ARGS)
	$(BIN)/uv $(LOCK) requirements-rabbitmq.in -o requirements-rabbitmq.txt $(ARGS)
	$(BIN)/uv $(LOCK) requirements-kafka.in -o requirements-kafka.txt $(ARGS)
	$(BIN)/uv $(LOCK) requirements-dev.in -o requirements-dev.txt $(ARGS)
	$(BIN)/uv $(LOCK) requirements-audit.in -o requirements-audit.txt $(ARGS)

LOCK = pip compile --quiet --no-config --generate-hashes --universal --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

vendor: node_modules/.installed ## write static/vendor from the versions in package.json
	node static/vendor/vendor.mjs

vendor-check: ## compare static/vendor with its checksums
	@cd static/vendor && sha256sum --check --quiet SHA256SUMS

clean: ## remove what the commands made, but never data/
	rm -rf $(VENV) node_modules .pytest_cache .ruff_cache .hypothesis .coverage htmlcov test-results bench-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv, where there is one, is faster; pip needs nothing but Python. Both check every hash. Bytecode is compiled now
# rather than during the first start.
define install
	@echo "Installing $(1)"
	@if command -v uv >/dev/null; \
	then uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r $(1); \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1); fi
endef

$(VENV)/.installed: requirements.txt | $(BIN)/python
	$(call install,$<)
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(call install,$<)
	@touch $@

$(VENV)/.installed-audit: requirements-audit.txt $(VENV)/.installed-dev
	$(call install,$<)
	@touch $@

$(VENV)/.installed-bench: tests/bench/requirements.txt $(VENV)/.installed-dev
	$(call install,$<)
	@touch $@

# Debian's python3 comes without ensurepip, which venv needs to put pip into a new environment.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
		echo "Parley needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name one: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
		then apt-get update -q && apt-get install -q -y --no-install-recommends python3-venv; \
		else echo "Run this once, then make again: sudo apt-get install python3-venv" >&2; exit 1; fi; }
	@$(PYTHON) -m venv $(VENV)

node_modules/.installed: package.json package-lock.json .npmrc
	@npm ci --no-progress --loglevel=error
	@touch $@

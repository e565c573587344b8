# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Each target makes what it needs: a virtual environment outside of the checkout (tests/tools/env), and the packages
# that are missing, with apt-get, as root on Debian 12.

SHELL := /bin/bash
export LC_ALL := C.UTF-8
RUN := tests/tools/run

.DEFAULT_GOAL := help
.PHONY: help demo test unit lint format bench docs artifact lab-build lab-up lab-down clean distclean requirements

help: ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: ## Back up, break and restore a shop database on this machine
	@$(RUN) demo/run

test: ## Everything that CI runs, every stage of it (ONLY="unit lint" for some of it)
	@$(RUN) python -m tests.tools.check $(ONLY)

unit: ## The unit tests, in seconds
	@tests/tools/programs
	@$(RUN) python -m pytest -q tests/unit

lint: ## The static checks (ONLY="ruff mypy" for some of them)
	@$(RUN) python -m tests.tools.lint $(ONLY)

format: ## Format the Python code
	@$(RUN) ruff check --fix --quiet . ; $(RUN) ruff format .

bench: ## Measure speed against the raw tool; writes docs/benchmarks.md (ARGS="--sizes 0.5,2,8")
	@$(RUN) tests/benchmark/run $(ARGS)

docs: ## Render the reference and the guides to build/docs/html
	@$(RUN) python -m tests.tools.docs

artifact: ## Build the collection, install it offline, read every module's documentation from there
	@$(RUN) python -m tests.tools.artifact

lab-build: ## Build the base systems of the lab (once, cached)
	@$(RUN) python -m tests.lab build

HOSTS ?= db105=bullseye db1011=bookworm db118=trixie

lab-up: ## Boot lab hosts to play with (HOSTS="name=suite ..."), and say how to reach them
	@$(RUN) python -m tests.lab up $(HOSTS)

lab-down: ## Take the lab hosts down
	@$(RUN) python -m tests.lab down --all

clean: ## Remove what the targets left in the checkout
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis .ansible collections tests/output *.tar.gz
	find . -name __pycache__ -prune -not -path './.git/*' -exec rm -rf {} +

distclean: clean ## Remove the virtual environments as well (not the lab's base systems)
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/dba-mariabackup"

requirements: ## Renew tests/requirements.txt from tests/requirements.in
	@tests/tools/lock

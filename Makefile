# Each target does its own set-up; see .ci/bootstrap.sh.
.PHONY: run serve test test-quick test-clock soak lint bench messages styles lock clean
BIN := .venv/bin

# The product on http://127.0.0.1:8000 (PORT=8001 for another port), with demo people.
run:
	@exec .ci/start.sh

# A production server, configured by the environment or .env.
serve:
	@# run_stack starts the jobs, and: gunicorn -c dashboard/gunicorn_conf.py dashboard.wsgi
	@exec .ci/start.sh --production

# Files in the order of tests/conftest.py: those with long tests first. Three at once keep two cores
# busy, since tests with processes of their own often wait for them; more gained nothing.
test:
	@.ci/bootstrap.sh browser
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

# The tier for every minute: no browser, no processes of its own, no generated requests, no walks of
# every address. Its tests share little with others of their file, so workers take them one by one.
# The whole suite is `make test`.
test-quick:
	@.ci/bootstrap.sh dev
	@$(BIN)/pytest -n 3 --dist worksteal -m "not (browser or processes or schemathesis or thorough)" $(ARGS)

# The whole suite at awkward moments: 00:05, 11:55 and 23:55 UTC, midnight in the VDN's zone, 29
# February, the end of a month and both days of a clock change. For one of them: make test-clock CLOCKS="--clock 23:55"
test-clock:
	@.ci/bootstrap.sh browser
	@$(BIN)/python .ci/test_clocks.py $(CLOCKS) -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

# Random schedules of the mirror, 10,000 of them: docs/mirror.md. Others: make soak SEEDS=500 FIRST=20000
SEEDS ?= 10000
FIRST ?= 1000
soak:
	@.ci/bootstrap.sh dev
	@MIRROR_SEEDS=$(SEEDS) MIRROR_FIRST_SEED=$(FIRST) $(BIN)/pytest -n 2 -q -o faulthandler_timeout=0 tests/mirror/test_schedules.py $(ARGS)

lint:
	@.ci/bootstrap.sh dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/djlint --quiet --lint templates
	$(BIN)/lint-imports

# What a list costs beside other ways to show it; bench/README.md. In a minute: make bench ARGS=--quick
bench:
	@.ci/bootstrap.sh dev
	@$(BIN)/python -m bench $(ARGS)

# Extracts the texts into the catalogues and compiles them.
messages:
	@.ci/bootstrap.sh dev
	@$(BIN)/python manage.py messages

# Writes to static/vendor what our pages use of Tabler's style sheet in .ci/vendor.
styles:
	@.ci/bootstrap.sh dev
	@$(BIN)/python .ci/subset_styles.py

# Pins the dependencies of pyproject.toml for every platform, with hashes. Pins that still fit are
# kept; for the newest releases: make lock ARGS=--upgrade
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock:
	@.ci/bootstrap.sh dev
	$(LOCK) $(ARGS) pyproject.toml --output-file requirements/run.txt
	$(LOCK) $(ARGS) pyproject.toml --group dev --constraints requirements/run.txt --output-file requirements/dev.txt

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis var/static var/metrics var/tests
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

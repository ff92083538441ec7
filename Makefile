# make demo: a real call, end to end.  make test: everything that must hold.  Both set up what they need.
.DELETE_ON_ERROR:
.PHONY: setup asterisk browser node postgresql demo demo-cluster test lint format site lock audit sbom man clean
.PHONY: deb images wheel package-tools test-packages test-pythons

VENV := .venv
BIN := $(VENV)/bin

demo: $(VENV)/.serve asterisk ## one real call on a private Asterisk; RECORDING=file.wav plays your own
	$(BIN)/emocx-pbx demo --once $(if $(RECORDING),--recording $(RECORDING))

demo-cluster: $(VENV)/.train asterisk postgresql ## two PBXes, a controller killed in the middle of the calls
	$(BIN)/emocx-pbx demo --cluster

TRY_PACKAGES = $(BIN)/python -m pytest packaging/tests -o pythonpath="packaging/tests tests" --timeout 3600 -s

test: lint asterisk browser node postgresql ## ruff, mypy, import contracts and all tests, the real Asterisk's and a package's included
	scripts/run-tests.sh $(VENV)
	-scripts/install-package-tools.sh boot
	EMOCX_TEST_PACKAGES=quick $(TRY_PACKAGES)

test-pythons: asterisk browser node postgresql ## the tests that need no Asterisk on Python 3.11, 3.12 and 3.13
	scripts/test-pythons.sh

lint: $(VENV)/.train
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy & code=$$!; $(BIN)/mypy --config-file tests/mypy.toml tests scripts/site.py; of_tests=$$?; \
		wait $$code && exit $$of_tests
	$(BIN)/lint-imports --no-cache

package-tools: ## what the packages are built and tried with (Debian 12 or newer, root)
	scripts/install-package-tools.sh all

deb: ## packages for Debian 12 and 13 in dist/ (root)
	packaging/deb/build.sh bookworm
	packaging/deb/build.sh trixie

images: ## both container images (root, buildah)
	packaging/images.sh

wheel: $(VENV)/.serve ## the wheel in dist/
	packaging/wheel.sh

test-packages: $(VENV)/.train ## packages in booted Debians, images by the compose file, wheel; prints sizes and times
	$(TRY_PACKAGES)

format: $(VENV)/.train
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

site: $(VENV)/.train ## the documentation as a site, in build/site
	$(BIN)/mkdocs build --strict --site-dir build/site

setup: $(VENV)/.train asterisk browser node postgresql ## Python packages, Asterisk, sipp, Chromium and node packages, without running anything

# The demo needs what serves; the tests train models too, with TensorFlow.
$(VENV)/.%: requirements/%.lock pyproject.toml scripts/setup-venv.sh
	scripts/setup-venv.sh $(VENV) $*
	touch $@

asterisk: ## safe to repeat; where it can't be installed, demo goes on without and test fails
	scripts/install-asterisk.sh || [ "$(MAKECMDGOALS)" = demo ]

browser: $(VENV)/.train ## Chromium for the tests of the pages
	scripts/install-browser.sh $(VENV)

node: ## JavaScript libraries that the tests of webhooks verify with
	scripts/install-node-packages.sh

postgresql: ## a PostgreSQL that tests start privately, without a service
	scripts/install-postgresql.sh

COMPILE = uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
    --generate-hashes -c requirements/constraints.txt pyproject.toml --extra voice --extra speech-to-text --extra topics \
    --extra languages --extra formats --extra postgres --extra cluster
lock: ## renew requirements/*.lock from pyproject.toml (needs uv)
	$(COMPILE) -o requirements/serve.lock
	$(COMPILE) --extra dev --extra train -o requirements/train.lock

AUDIT = $(VENV)-audit
$(AUDIT): ## tools that look at what is installed; kept apart from it
	python3 -m venv $@
	$@/bin/pip install -q 'pip-audit>=2.7,<3' 'cyclonedx-bom>=5,<8'

man: $(VENV)/.train ## build/emocx-pbx.1, the man page
	mkdir -p build
	$(BIN)/python scripts/man_page.py >build/emocx-pbx.1

audit: $(AUDIT) ## known vulnerabilities of the locked packages (asks PyPI); fails if there is one, or it can't tell
	$(AUDIT)/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/serve.lock

sbom: $(AUDIT) ## build/sbom.json: all locked packages with their hashes (CycloneDX)
	mkdir -p build
	$(AUDIT)/bin/cyclonedx-py requirements requirements/serve.lock --pyproject pyproject.toml --of JSON -o build/sbom.json

clean:
	rm -rf $(VENV) $(AUDIT) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

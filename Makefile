# All that a developer or CI runs. `make` lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# One set of build flags for every target: another one compiles the embedded
# Temporal server's 2,400 packages again. Only the race detector needs its own,
# and only the root module runs under it.
export GOTOOLCHAIN := local
export GOFLAGS := -buildvcs=false
export CGO_ENABLED := 1

# A Go module of its own, so that nobody else depends on the Temporal server.
LOCAL := deploy/local
GOTEST := $(CURDIR)/.ci/gotest

# A version is part of the path, so that a new pin installs a new tool.
TOOLS := $(CURDIR)/.tools
GOLANGCI_LINT_VERSION := v2.15.0
WORKFLOWCHECK_VERSION := v0.6.0
GOLANGCI_LINT := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint
WORKFLOWCHECK := $(TOOLS)/workflowcheck-$(WORKFLOWCHECK_VERSION)/workflowcheck
READERS := $(TOOLS)/venv/installed
SPARK := $(TOOLS)/spark/installed
FEAST := $(TOOLS)/feast/installed

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/tilery, bin/tilery-worker and bin/tilery-local (the first time: minutes)
	go build -o bin/tilery ./starter
	go build -o bin/tilery-worker ./worker
	go -C $(LOCAL) build -o $(CURDIR)/bin/tilery-local .

.PHONY: dev
dev: build ## Run the embedded stack with its data in .dev and the flights of January 2001 as now
	bin/tilery-local -data-dir .dev -source-root examples/flights -clock from:2001-02-01T00:00:00Z

.PHONY: demo
demo: build ## Run the demonstration on an embedded stack of its own
	$(LOCAL)/demo.sh

.PHONY: test
test: tools build race memory ## Run every test, those of the root module with the race detector
	cd $(LOCAL) && $(GOTEST) -timeout 45m ./...

.PHONY: test-unit
test-unit: ## Run the tests of the root module, without the race detector
	$(GOTEST) ./...

.PHONY: race
race: ## Run the tests of the root module with the race detector
	$(GOTEST) -race -timeout 20m ./...

.PHONY: memory
memory: ## Run the tests that measure the memory of a process, which the race detector multiplies
	$(GOTEST) -count=1 -run 'TwentyTimesTheBudget|OneKeyOfHalf' ./pkg/materialize
	$(GOTEST) -count=1 -timeout 20m -run ManyTimesTheBudget ./pkg/ingest -args -rows 20000000 -memory 268435456

.PHONY: fuzz
fuzz: ## Run all fuzz targets: those of aggregation states for a minute, the others for another
	.ci/fuzz 60 ./pkg/aggregate
	.ci/fuzz 60 ./pkg/[!a]*

.PHONY: replay
replay: ## Replay the recorded workflow histories
	$(GOTEST) -count=1 -run TestReplay ./workflows/...

.PHONY: e2e
e2e: tools ## Run the end-to-end tests of the embedded stack
	cd $(LOCAL) && $(GOTEST) -count=1 -timeout 45m ./e2e/...

.PHONY: readers
readers: $(READERS) $(SPARK) ## Have delta-rs and Spark read tables after maintenance (needs Maven; the first time: 360 MB)
	go -C $(LOCAL) run ./readers -delta-rs $(dir $(READERS))bin/python -spark $(dir $(SPARK))bin/python

.PHONY: bench-batch
bench-batch: build ## Time a backfill of 10 million events beside DuckDB alone; the last line is JSON
	go -C $(LOCAL) run ./bench/batch -bin $(CURDIR)/bin

.PHONY: bench-aggregate
bench-aggregate: ## Time each aggregation function alone; the last line is JSON
	go -C $(LOCAL) run ./bench/aggregate

.PHONY: feast
feast: $(FEAST) ## Compare point-in-time joins of real flights with Feast's, cell by cell
	go -C $(LOCAL) run ./feast -python $(dir $(FEAST))bin/python

.PHONY: bench-pit
bench-pit: $(FEAST) ## Time point-in-time joins of a million rows beside DuckDB and Feast; the last line is JSON
	go -C $(LOCAL) run ./bench/pit -python $(dir $(FEAST))bin/python

.PHONY: bench-online-load
bench-online-load: $(FEAST) ## Time the load of a million entities into the embedded store beside Feast; the last line is JSON
	go -C $(LOCAL) run ./bench/online -repetitions 2 -python $(dir $(FEAST))bin/python

.PHONY: bench-delete
bench-delete: $(READERS) ## Time the erasure of 10,000 keys of 10 million rows beside delta-rs; the last line is JSON
	go -C $(LOCAL) run ./bench/delete -python $(dir $(READERS))bin/python

# The architecture tests read the import graph, which the test cache does not
# see: a cached pass would hide a new import.
.PHONY: lint
lint: $(GOLANGCI_LINT) $(WORKFLOWCHECK) ## Check format, vet, linters, determinism and architecture
	@files=$$(gofmt -l .); [[ -z $$files ]] || { echo "not formatted (make fmt):" $$files; exit 1; }
	go vet ./...
	go -C $(LOCAL) vet ./...
	$(GOLANGCI_LINT) run ./...
	cd $(LOCAL) && $(GOLANGCI_LINT) run ./...
	$(WORKFLOWCHECK) -config workflows/workflowcheck.yaml ./workflows/...
	workflows/testdata/planted/run.sh $(WORKFLOWCHECK)
	$(GOTEST) -count=1 ./pkg/internal/lint/...

.PHONY: fmt
fmt: ## Format all Go code
	gofmt -w .

.PHONY: clean
clean: ## Remove bin and .dev; the tools stay
	rm -rf bin .dev

.PHONY: tools
tools: $(GOLANGCI_LINT) $(WORKFLOWCHECK) $(READERS) ## Install the pinned tools into .tools

$(GOLANGCI_LINT):
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

$(WORKFLOWCHECK):
	GOBIN=$(@D) go install go.temporal.io/sdk/contrib/tools/workflowcheck@$(WORKFLOWCHECK_VERSION)

# Other readers of Tilery's tables. The requirements are complete: without
# --no-deps the extension would bring the Python DuckDB.
$(READERS): $(LOCAL)/e2e/requirements.txt
	python3 -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	mkdir -p $(TOOLS)/duckdb-extensions
	ln -f $(@D)/lib/python3*/site-packages/duckdb_extension_delta/extensions/v*/delta.duckdb_extension $(TOOLS)/duckdb-extensions/
	touch $@

# Apart from the other readers: only one target needs its 400 MB.
$(SPARK): $(addprefix $(LOCAL)/readers/,install-spark requirements.txt pyspark.txt jars.sha256)
	$(LOCAL)/readers/install-spark $(@D)
	touch $@

# Feast with its DuckDB store, and PyPI's newest DuckDB.
$(FEAST): $(LOCAL)/bench/pit/requirements.txt
	python3 -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	touch $@

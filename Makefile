# Everything that is done to this repository, by name. "make help" lists it.
# CI calls nothing else: see .ci/run.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# What a run of the fleet needs: runc and qemu for builds of both
# architectures, mmdebstrap and arch-test for Debian's root filesystems.
run_packages := git runc mmdebstrap qemu-aarch64-static=qemu-user-static arch-test
# What the tests need beside that.
test_packages := rsync shellcheck npm

export PATH := $(CURDIR)/bin:$(CURDIR)/.cache/bin:$(PATH)
# Compiling is bounded by the number of cores; two test programs at a time
# keep the engines that they share busy without starving them.
TESTFLAGS ?=
go_test := go test -p 2 -timeout 60m $(TESTFLAGS)

.PHONY: help
help: ## Say what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

##### Use it

define info_after_demo
printf '%s\n' '' 'What to try next:' \
  '  make demo                          again: nothing of images/ is built' \
  '  bin/rootfsgen plan                 what would be built now, and why' \
  '  edit images/python/app.py, then:' \
  '  bin/rootfsgen why python           which file it is; make demo builds python alone' \
  '  bin/rootfsgen key python --explain everything that can change its bytes' \
  '  bin/rootfsgen generate --diff      the pipelines against those that are committed' \
  '  bin/rootfsrun services stop        end the local buildkitd and registry'
endef

.PHONY: demo
demo: ## Build the fleet in images/ on this machine, for both architectures, and show the gate
	@$(MAKE) packages-run
	@$(MAKE) -j2 --output-sync=line tools-gate build
	@echo "pytorch and tensorflow are left out: they need a Python package index, which this machine may not reach"
	@echo "runner is left out: it is what pipelines run in, and emulated it takes long"
	@echo "rootfsrun is left out: compiling it takes minutes and a module proxy that the build trusts; go test ./test/ownimage builds it"
	@env -u CI bin/rootfsrun run --except pytorch --except tensorflow --except runner --except rootfsrun
	@tools/demo-gate.sh
	@$(info_after_demo)

.PHONY: demo-gate
demo-gate: ## Show the gate: an image refused, an exception, a promotion, a rollback, a withdrawal
	@$(MAKE) packages-run
	@$(MAKE) -j2 --output-sync=line tools-gate build
	@tools/demo-gate.sh

.PHONY: build
build: ## Compile rootfsgen and rootfsrun into bin/
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/ ./cmd/rootfsgen ./cmd/rootfsrun

##### Check it

# "make test" draws the same cases each time, so that what fails is what was
# changed; RAPID_SEED=0 and the long run draw others.
export RAPID_SEED ?= 1

.PHONY: test
test: packages tools node build ## Run every test, with real engines; fetches what is missing
	go vet ./...
	@if $(MAKE) darwin && $(go_test) ./... && $(MAKE) mutants fuzz && tools/demo-gate.sh; \
	then echo "make test: every package passed"; \
	else echo "make test: FAILED, see the lines that begin with FAIL above"; exit 1; fi
	@tools/newer.sh

.PHONY: mutants
mutants: ## Open each trap of docs/traps.md again in a copy, and expect its test to fail
	go run ./test/mutants $(MUTANTS)

# The other platforms, and all of both programs, are compiled by the long run.
.PHONY: darwin
darwin: ## Compile for macOS what speaks to the operating system itself
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 go build $$(git grep -lE '"syscall"|golang.org/x/sys/unix|^//go:build' -- 'cmd/*.go' 'runtime/*.go' 'internal/tool/*.go' ':!*_test.go' | xargs -n 1 dirname | sort -u | sed 's,^,./,')

.PHONY: test-unit
test-unit: ## Run the tests that need no engine, in seconds
	go test $$(go list ./... | grep -v -e /runtime/ -e /test/)

# How long each target is fuzzed, and what the long run is: how many fleets
# BuildKit judges and for how long each target is fuzzed.
FUZZTIME ?= 10s
LONG ?= 10000 60m

.PHONY: fuzz
fuzz: ## Fuzz everything that reads a file, FUZZTIME=10s for each
	@tools/fuzz.sh $(FUZZTIME)

.PHONY: test-long
test-long: packages tools build ## Let BuildKit judge 10,000 fleets, and fuzz each target for an hour; goes on where it was
	@$(MAKE) cosign
	@tools/long.sh $(LONG)

.PHONY: cosign
cosign: packages tools ## Compile the real cosign, and let it and us read what the other signs
	@tools/cosign.sh
	go test -count 1 -timeout 20m -tags cosign ./test/cosign

.PHONY: race
race: packages tools node build ## Run every test under the race detector
	CGO_ENABLED=1 $(go_test) -race ./...

.PHONY: turbo
turbo: ## Install turborepo, which "make bench" measures beside ours
	@tools/turbo.sh

.PHONY: bench
bench: packages tools build turbo ## Measure the speed that is promised; prints ratios, judges nothing
	go test -run "^$$" -bench . -benchtime 1x -timeout 90m ./test/bench $(BENCHFLAGS)

.PHONY: lint
lint: packages tools ## Run every linter
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted by gofmt:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	CGO_ENABLED=0 go -C tools/scan vet -trimpath ./scandb # as it is compiled, which spares compiling all it imports again
	golangci-lint run ./...
	shellcheck .ci/run tools/*.sh test/ci/testdata/stubs/*/*.sh test/release/testdata/bin/gh

.PHONY: check
check: build ## Compare the committed pipelines with what rootfsgen would write
	bin/rootfsgen generate --check

##### Release it

VERSION ?= $(shell git describe --tags --exact-match 2>/dev/null)
RELEASE ?= build-artifacts/release
# All that is released; RELEASE_PLATFORMS=linux/amd64 is enough to try.
RELEASE_PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64

.PHONY: release
release: ## Make the programs, their packages, digests and provenance of VERSION into build-artifacts/release
	@tools/release.sh "$(VERSION)" "$(RELEASE)" $(RELEASE_PLATFORMS)

##### Get what is needed

.PHONY: packages
packages: ## Install the Debian packages that are missing, for everything here
	@tools/packages.sh $(run_packages) $(test_packages)

.PHONY: packages-run
packages-run: ## Install the Debian packages that are missing, for a run of the fleet
	@tools/packages.sh $(run_packages)

.PHONY: tools
tools: ## Compile every program that tools/go.mod and tools/scan/go.mod pin into .cache/bin
	@tools/build.sh buildkitd buildctl registry act golangci-lint syft grype scandb
	@tools/grafeasd.sh

.PHONY: tools-run
tools-run: ## Compile the two of them that a run of the fleet needs
	@tools/build.sh buildkitd registry

.PHONY: tools-gate
tools-gate: ## Compile these, and what scans: syft, grype and the writer of made-up databases
	@tools/build.sh buildkitd registry syft grype scandb

.PHONY: tools-scan
tools-scan: ## Compile the two of them that look into images
	@tools/build.sh syft grype

.PHONY: node
node: ## Install what test/ci/node pins into .cache/node
	@tools/node.sh

.PHONY: clean
clean: ## Stop the local services and remove what was made here
	@if [ -x bin/rootfsrun ]; then bin/rootfsrun services stop; fi
	rm -rf .cache bin build-artifacts

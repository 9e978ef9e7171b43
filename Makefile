# Every task of the project. `make` lists them.
#
# One profile (release) and the whole workspace in each cargo call: anything else would compile
# RocksDB, ten minutes and more, once again.

# Outside the checkout, so that a clean clone finds what was built before.
CARGO_TARGET_DIR ?= $(HOME)/.cache/millrace/target
export CARGO_TARGET_DIR

CARGO_FLAGS := --release --workspace --locked
BIN := $(CARGO_TARGET_DIR)/release

# Addresses of `make demo`.
HTTP ?= 127.0.0.1:8080
API ?= 127.0.0.1:8004
KILLS ?= 300

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-unit lint fmt deny bench e2e fuzz soak crd images cluster cluster-down clean-state

help: ## List the targets
	@echo "Usage: make TARGET [NAME=VALUE …]"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
	  while IFS='|' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done
	@echo
	@echo "Built files: $(CARGO_TARGET_DIR) (CARGO_TARGET_DIR moves it)"

setup: ## Install the Debian packages that building needs (only those that are missing)
	@scripts/setup.sh

build: setup ## Build all programs
	@scripts/cargo.sh build $(CARGO_FLAGS) --bins

demo: build ## Show the loan evaluation at work, without Kafka; ONCE=1 stops after the verdicts
	@$(BIN)/loan-demo --http $(HTTP) --api $(API) $(if $(ONCE),--once)

test: ## Run everything: set-up, lints, all tests (real Kafka, real Kubernetes: Java 17, Maven, Go, root), the demo
	@scripts/test.sh

test-unit: setup ## Run the tests that need no Kafka
	@scripts/cargo.sh test $(CARGO_FLAGS) --lib --bins

lint: setup ## Check formatting, and clippy without warnings
	@cargo fmt --all --check
	@scripts/cargo.sh clippy $(CARGO_FLAGS) --all-targets -- -D warnings

fmt: ## Format the code
	@cargo fmt --all

deny: ## Check licences, sources and advisories of all dependencies (needs cargo-deny)
	@command -v cargo-deny >/dev/null || \
	  { echo "cargo-deny is not installed, nothing was checked: cargo install cargo-deny"; exit 1; }
	@cargo deny check

bench: setup ## Compare with Kafka Streams on a real broker; ONLY=NAME,NAME QUICK=1; README=1: last run's tables
	@scripts/setup.sh java
	@scripts/cargo.sh build $(CARGO_FLAGS) --bins --examples
	@$(BIN)/bench $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick) $(if $(README),--readme)

fuzz: setup ## Compare with Kafka Streams on random topologies; SEED=, CASES=10000
	@scripts/setup.sh java
	@scripts/cargo.sh build $(CARGO_FLAGS) --bins
	@$(BIN)/fuzz $(if $(SEED),--seed $(SEED)) $(if $(CASES),--cases $(CASES))

soak: build ## Kill workers at random points and check every sum; KILLS=300
	@scripts/setup.sh java
	@MILLRACE_KILLS=$(KILLS) scripts/cargo.sh test $(CARGO_FLAGS) --test kill -- --nocapture

crd: build ## Write the CustomResourceDefinition from the types
	@$(BIN)/crdgen > crds/yaml/streamapps.millrace.dev.yaml
	@echo "wrote crds/yaml/streamapps.millrace.dev.yaml"

images: build ## Build the container images; BASE=IMAGE, BUILDER=docker|podman|buildah
	@scripts/images.sh

e2e: build ## Run the end-to-end tests on a real Kubernetes; ONLY=NAME selects; needs root, Go, Java 17, Maven
	@scripts/setup.sh java
	@scripts/setup.sh cluster
	@tests/cluster/bin.sh
	@tests/cluster/kafka.sh
	@scripts/cargo.sh test $(CARGO_FLAGS) --test e2e -- $(ONLY)

cluster: build ## Start a real Kubernetes here, with the operator, Kafka and the loan example; needs root
	@scripts/setup.sh java
	@scripts/setup.sh cluster
	@scripts/cluster.sh up $(BIN)

cluster-down: ## End that Kubernetes and remove all it had
	@scripts/cluster.sh down

clean-state: ## Remove topics and state that `millrace-worker dev --data data` left here
	rm -rf data

# Bridgewatch. `make help` lists the targets; everything a target needs, it fetches itself.
SHELL := /bin/bash
GO ?= go
export CGO_ENABLED ?= 0
# The engine's and simulator's tests start child processes; two packages at a time keep a 2-core machine honest.
TEST_FLAGS ?= -timeout 9m
GOLANGCI_VERSION := v2.15.0

.DEFAULT_GOAL := help
.PHONY: help build demo test race lint bench clean generate

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

build: ## bin/bridgewatch and bin/cmssim
	$(GO) build -trimpath -o bin/ ./cmd/...

demo: engine build ## a simulated cluster and the whole pipeline; Ctrl-C stops it
	@exec ./bin/bridgewatch demo $(DEMO_FLAGS)

test: engine ## all tests, on the real embedded engine and broker
	$(GO) test $(TEST_FLAGS) ./...

race: engine ## the short tests under the race detector (needs gcc)
	CGO_ENABLED=1 $(GO) test -race -short -timeout 30m ./...

lint: ## formatting, vet, golangci-lint, generated files up to date
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these files"; exit 1; }
	$(GO) vet ./...
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION) run ./...
	$(MAKE) generate
	git diff --exit-code

generate: ## documentation and dashboards that are made from code
	$(GO) generate ./...

clean: ## remove what was built here (the engine's cache and data folders stay)
	rm -rf bin out

-include storage/engine/engine.mk

.PHONY: prove-alerts
prove-alerts: ## faults and ordinary days against the alert rules (a few minutes)
	cd internal/prove && go run . -days 30 -o ../../docs/alerts-proven.md

.PHONY: check-dashboards
check-dashboards: engine build ## every query of every panel on a demo's data (needs Debian's prometheus; four minutes)
	./dashboards/grafana/check.sh

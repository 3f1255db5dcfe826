# Bridgewatch. `make help` lists the targets; everything a target needs, it fetches itself.
SHELL := /bin/bash
GO ?= go
export CGO_ENABLED ?= 0
# The engine's and simulator's tests start child processes; two packages at a time keep a 2-core machine honest.
TEST_FLAGS ?= -timeout 20m
GOLANGCI_VERSION := v2.15.0

.DEFAULT_GOAL := help
.PHONY: help build demo test race lint bench soak fuzz sync-trace clean generate

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

build: ## bin/bridgewatch and bin/cmssim
	$(GO) build -trimpath -o bin/ ./cmd/...

.PHONY: slim
slim: ## bin/bridgewatch-slim: static, without the embedded engine, for any base image
	$(GO) build -trimpath -tags slim -o bin/bridgewatch-slim ./cmd/bridgewatch
	@$(GO) test ./cmd/bridgewatch -count=1 -run 'TestSlimIsStatic|TestEmbeddedNeedsGlibc'

demo: engine build ## a simulated cluster and the whole pipeline; Ctrl-C stops it
	@exec ./bin/bridgewatch demo $(DEMO_FLAGS)

test: engine ## all tests, on the real embedded engine and broker
	$(GO) test $(TEST_FLAGS) ./...

race: engine ## the short tests under the race detector (needs gcc)
	CGO_ENABLED=1 $(GO) test -race -short -timeout 30m ./...

bench: engine ## posts, decoding, rows and time to query, with baselines from the same run (five minutes)
	$(GO) test ./cdr/receiver -run xxx -bench Posts -benchtime 2s
	$(GO) test ./cdr -run xxx -bench . -benchtime 2s
	$(GO) test ./storage/writer -run xxx -bench 'Backlog|RawInsert' -benchtime 3x
	$(GO) test ./storage/writer -run xxx -bench Queryable -benchtime 100x

soak: engine ## the whole program, its engine, its broker and the receiver, killed with SIGKILL 50 times each under load (twenty minutes)
	BRIDGEWATCH_CRASH_ROUNDS=50 $(GO) test ./cdr/receiver -count=1 -timeout 30m -run Killed -v
	BRIDGEWATCH_SOAK_ROUNDS=50 $(GO) test ./internal/app -count=1 -timeout 60m -run "TestKilledAndRestarted|TestEngineKilled|TestBrokerKilled" -v

fuzz: ## a minute of fuzzing on what strangers send
	$(GO) test ./cdr -run xxx -fuzz FuzzScan -fuzztime 20s -fuzzminimizetime 1s
	$(GO) test ./cdr/receiver -run xxx -fuzz FuzzHandler -fuzztime 20s -fuzzminimizetime 1s
	$(GO) test ./internal/cmssim -run xxx -fuzz FuzzDecode -fuzztime 20s -fuzzminimizetime 1s

sync-trace: ## a trace of system calls: each body is synced before its 200 (needs strace)
	./scripts/sync-trace.sh

lint: ## formatting, vet, golangci-lint, generated files up to date
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these files"; exit 1; }
	$(GO) vet ./...
	cd internal/prove && $(GO) vet -mod=mod ./...
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION) run ./...
	$(MAKE) generate
	git diff --exit-code

generate: ## documentation and dashboards that are made from code
	$(GO) generate ./...

clean: ## remove what was built here (the engine's cache and data folders stay)
	rm -rf bin out

-include storage/engine/engine.mk

.PHONY: prove-alerts
prove-alerts: engine ## faults and thirty ordinary days against the alert rules (half an hour)
	cd internal/prove && GOGC=400 go run -mod=mod . -days 30 -o ../../docs/alerts-proven.md

.PHONY: prove-live
prove-live: engine ## alerts end to end, with Debian's prometheus and prometheus-alertmanager, and the commands of all runbooks under their faults (half an hour)
	BRIDGEWATCH_PROVE_LIVE=$(CURDIR)/docs/alerts-proven.md $(GO) test ./internal/app -count=1 -timeout 90m -run "TestAlertsLive|TestRunbookCommands" -v

.PHONY: prove-heartbeat
prove-heartbeat: engine ## receiver, broker, writer and engine stopped one by one: the heartbeat's age tells within a minute (four minutes)
	BRIDGEWATCH_PROVE_HEARTBEAT=1 $(GO) test ./internal/app -count=1 -timeout 15m -run TestHeartbeatOfStages -v

.PHONY: check-dashboards
check-dashboards: engine build ## every query of every panel on a demo's data (needs Debian's prometheus; seven minutes)
	./dashboards/grafana/check.sh

SCALE_LEGS ?= 100000000
.PHONY: bench-scale
bench-scale: engine ## a year of the largest cluster: bytes a leg, ten searches while records arrive (half an hour, 20 GB)
	BRIDGEWATCH_SCALE_LEGS=$(SCALE_LEGS) $(GO) test ./storage -count=1 -timeout 60m -run TestScale -v

.PHONY: mutants
mutants: ## thirty-one faults put into the ledger and the decoder, each of which the proofs must catch (five minutes)
	BRIDGEWATCH_MUTANTS=$(CURDIR)/out/mutants.md $(GO) test ./cdr -count=1 -timeout 30m -run TestMutants -v

.PHONY: outage
outage: engine ## the engine halted for ten minutes while 300 records a second arrive (eleven minutes)
	BRIDGEWATCH_OUTAGE=10m $(GO) test ./internal/app -count=1 -timeout 30m -run TestEngineOutage -v

.PHONY: bench-collector
bench-collector: build ## 24 bridges polled by a collector alone: processor, memory, requests in flight, scrape (seven minutes)
	./scripts/bench-collector.sh

.PHONY: check-packaging
check-packaging: ## compose file, Dockerfile, provisioning, unit and samples against their schemas and tools
	cd packaging/verify && $(GO) test -count=1 ./...

.PHONY: prove-events
prove-events: engine ## events: fifty sequences of faults, a thousand reconnects, the three witnesses, a minute of fuzzing (twenty minutes)
	$(GO) test ./events -run xxx -fuzz FuzzReceive -fuzztime 60s -fuzzminimizetime 1s
	BRIDGEWATCH_EVENTS_ROUNDS=50 $(GO) test ./events/subscriber -count=1 -timeout 30m -run TestAnySequence
	BRIDGEWATCH_EVENTS_ROUNDS=1000 $(GO) test ./events/subscriber -count=1 -timeout 30m -run TestReconnects -v
	BRIDGEWATCH_EVENTS_ROUNDS=1 $(GO) test ./internal/app -count=1 -timeout 30m -run TestWitnesses -v

EVENTS_TIME ?= 10m
.PHONY: bench-events
bench-events: engine ## 24 bridges, 21,000 participants, 2,000 updates a second, at 40 and at 400 meetings a bridge (half an hour)
	BRIDGEWATCH_EVENTS_BENCH=$(EVENTS_TIME) $(GO) test ./internal/app -count=1 -timeout 60m -run TestEventsLoad -v

.PHONY: e2e-external
e2e-external: engine ## slim instances on external servers: killed ten times under load; three NATS servers lost one by one (twelve minutes)
	BRIDGEWATCH_E2E_ROUNDS=10 $(GO) test ./internal/app -count=1 -timeout 40m -run 'TestInstanceKilled|TestBrokersLost' -v

.PHONY: upgrade-test
upgrade-test: engine ## from the previous tag (UPGRADE_FROM=COMMIT for another) to this: schema, facts, and both versions side by side (six minutes)
	./scripts/upgrade-test.sh $(UPGRADE_FROM)

.PHONY: bench-clusters
bench-clusters: build ## 1 to 100 simulated clusters of 8 bridges polled by one collector: series, memory, processor (twelve minutes)
	./scripts/bench-clusters.sh

LICENSE_MEETINGS ?= 12000000
.PHONY: bench-license
bench-license: engine ## a year of license use of the largest cluster: report, explanation, what-if (ten minutes)
	BRIDGEWATCH_LICENSE_MEETINGS=$(LICENSE_MEETINGS) $(GO) test ./dashboards/report -count=1 -timeout 60m -run TestLicenseScale -v

# The doors. Everything behind them is in scripts/ and works without make.

# One node with the embedded store, TLS, console and a simulated fleet; prints where to look.
.PHONY: demo
demo:
	cargo build --release -p ringmain-gateway -p ringmain-loadtest
	target/release/ringmain demo

# Three nodes behind HAProxy over a private PostgreSQL and Redis, with simulated stations: kill one and watch. Ctrl-C ends everything.
.PHONY: cluster-demo
cluster-demo:
	cargo build --release -p ringmain-gateway -p ringmain-loadtest
	@scripts/cluster-demo.sh

# Everything CI runs, with a PostgreSQL and a Redis of its own. Installs missing Debian packages.
.PHONY: test
test:
	@scripts/test.sh

.PHONY: fmt
fmt:
	cargo fmt --all

# Writes docs/generated.
.PHONY: docs
docs:
	@scripts/docs.sh

# A crowd against a running node: make load URL=wss://127.0.0.1:9443/ocpp CA=ringmain-data/pki/ca.pem
# PLAN=loadtest/plans/transactions.toml ARGS="--duration-s 60"
PLAN ?= loadtest/plans/demo.toml
URL ?= ws://127.0.0.1:9000/ocpp
.PHONY: load
load:
	cargo build --release -p ringmain-loadtest
	target/release/ringmain-loadtest run --plan $(PLAN) --url $(URL) $(if $(CA),--ca $(CA)) $(ARGS)

# A station's queue of 10,000 events, flushed beside a witness, on both stores. Some minutes.
.PHONY: long-queue
long-queue:
	RINGMAIN_TEST_QUEUE_EVENTS=10000 scripts/with-services.sh cargo test -p ringmain-gateway --test it f32_ -- --show-output

# Plants a bug of each kind and runs the fault cases: each must be caught. Some minutes.
.PHONY: prove-tests
prove-tests:
	@scripts/prove-tests.sh

# The money run: 200 stations, 20 rounds of 60 s, the node killed all the time, on SQLite and on a PostgreSQL that is killed too.
# About an hour; reports in target/chaos. make chaos ARGS="--rounds 3 --seed 7"
.PHONY: chaos
chaos:
	@scripts/chaos.sh $(ARGS)

# Every fault of the cluster's table that can be had here, over three nodes and a crowd on TLS; writes docs/reliability.md. Both simulations of the
# cluster and the load run before, with SEEDS each. About an hour. C9 from another release: ARGS="--older FILE --older-lacks SETTING". make cluster-chaos SEEDS=200 ARGS="--case C1 --seed 7"
.PHONY: cluster-chaos
cluster-chaos:
	cargo build --release -p ringmain-gateway -p ringmain-loadtest
	mkdir -p target/chaos
	-$(MAKE) --no-print-directory cluster-simulation load-simulation > target/chaos/simulations.log 2>&1
	target/release/ringmain-loadtest cluster-chaos --plan loadtest/plans/cluster.toml --node target/release/ringmain --tls \
	  --stations 1500 --minutes 1.5 --span-s 30 --duels 240 --flood 2000 --simulations target/chaos/simulations.log --json target/chaos/cluster.json --page docs/reliability.md $(ARGS)

# What many stations cost on three nodes over TLS, and a command through another node; about three minutes. Needs a file descriptor for each:
# ulimit -n. make fleet STATIONS=5000
STATIONS ?= 15600
.PHONY: fleet
fleet:
	@cargo build --release --locked -p ringmain-gateway -p ringmain-loadtest
	target/release/ringmain-loadtest fleet --plan loadtest/plans/heartbeat-5000.toml --node target/release/ringmain --tls --stations $(STATIONS) --stay-s 90 \
	  --orders 2000 $(ARGS)

# 200 roaming partners on one node with a crowd: one stalls, one is busy, one talks nonsense for five minutes; how late the others hear, and
# whether every bill comes once. About ten minutes. make partners-run ARGS="--minutes 1 --partners 50"
.PHONY: partners-run
partners-run:
	cargo build --release --locked -p ringmain-gateway -p ringmain-loadtest
	mkdir -p target/chaos
	ulimit -n $$(ulimit -H -n) && target/release/ringmain-loadtest partners --plan loadtest/plans/partners.toml --node target/release/ringmain \
	  --json target/chaos/partners.json --page target/chaos/partners.md $(ARGS)

# Thousands of drawn sites in virtual time: the sum of what stations were allowed against every limit. One line tells how it went and names the
# seeds that failed; replay one with SEEDS=1 SEED=n.
SEEDS ?= 10000
SEED ?= 1
.PHONY: load-simulation
load-simulation:
	SEEDS=$(SEEDS) SEED=$(SEED) cargo test --release -p ringmain-domain --test it no_seed_takes_a_site_over_its_limit -- --nocapture

# Thousands of drawn clusters in virtual time: three nodes, a dozen stations, everything between them fails, and the promises of routing,
# commands and ownership hold. Tell the story of one seed with SIM_SEED=n make cluster-simulation.
.PHONY: cluster-simulation
cluster-simulation:
	SEEDS=$(SEEDS) SEED=$(SEED) cargo test --release -p ringmain-domain --test it no_seed_breaks_a_promise_of_the_cluster -- --nocapture

# The external benchmark of the load planner. SETS is the folder of the recorded sets, which may not be published; without it they are
# told as SKIPPED. make bench-plan SETS=FOLDER ARGS="--write docs" puts table and plot into docs/charging.md.
.PHONY: bench-plan
bench-plan:
	@scripts/bench-plan.sh $(if $(SETS),--sets "$(SETS)") $(ARGS)

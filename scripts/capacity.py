"""The capacity model: what fleets of 10 thousand to 10 million stations need. Writes the tables of docs/capacity.md.

    scripts/capacity.py [--write | --check]

Without a flag it prints the tables; --write puts them into the page, between its marks; --check ends with 1 when the page says otherwise.
A figure is an assumption (ASSUMED), a unit cost that somebody measured (MEASURED), or computed from those. Nothing else is in the tables.
"""

import math
import pathlib
import re
import sys

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs/capacity.md"
FLEETS = [10_000, 100_000, 1_000_000, 10_000_000]

# name: (value, unit, what it is). Change them to your fleet's: scripts/capacity.py prints the tables of it.
ASSUMED = {
    "evses": (1.5, "", "EVSEs of a station"),
    "sessions": (8, "a day", "sessions of an EVSE"),
    "session_s": (2_700, "s", "length of a session"),
    "charging_at_peak": (0.30, "", "EVSEs that charge at the busiest time (a quarter do on average, by the two lines above)"),
    "meter_s": (60, "s", "between two readings of a session"),
    "heartbeat_s": (300, "s", "between heartbeats; as often a station is noted as seen"),
    "other_calls": (6, "a session", "calls beside start, readings and end: authorization, status"),
    "commands": (6, "a day", "commands to a station, limits of managed load included"),
    "elsewhere": (0.05, "", "stations on another node than their site's owner, in spite of the balancer's hash"),
    "fact_us": (50, "µs", "of a node for a message of a transaction beside the call itself: decision, commit, acknowledgement; not measured yet"),
    "call_bytes": (1_000, "B", "a call with its answer on the wire, TLS and headers included"),
    "frames_kept": (1_000, "", "recorded frames of a station (`messages.keep_per_station`)"),
    "busy": (0.5, "", "how busy processors are at the busiest time; the rest is for storms and lost nodes"),
    "node_cores": (8, "", "cores of a node"),
    "node_stations_max": (100_000, "", "stations of a node, so that losing one is no storm of its own (`stations.connections_max`)"),
    "commit_ms": (5, "ms", "a commit, the way to the database and back included; facts that come meanwhile share the next one"),
    "database_cores": (32, "", "cores of the largest PostgreSQL that one wants to run"),
    "database_tib": (16, "TiB", "disk of such a PostgreSQL"),
    "months_kept": (3, "months", "of facts in the database; older ones are elsewhere (see *Not yet*)"),
    "facts_of_a_start": (4, "", "facts when a station comes back: connected, booted, two of status"),
    "storm_per_core": (100, "/s", "connections that a core admits in a storm beside its other work (reliability.md 10: 200 on two cores)"),
    "balancer_kib": (40, "KiB", "HAProxy and kernel for one station that goes through; not measured here"),
    "balancer_stations": (500_000, "", "stations of a pair of HAProxies with ports enough"),
    "balancer_ports": (64_000, "", "connections from one address of HAProxy to one node"),
    "balancer_skew": (1.5, "", "of the mean: what one node may get more than the others (`hash-balance-factor`)"),
}

# name: (value, unit, what it is, where it was measured)
MEASURED = {
    "call_us": (35, "µs", "a node's processor time for a call at light load, answer included", "performance.md section 2"),
    "loaded_us": (9.4, "µs", "the same when the node is busy", "performance.md section 2"),
    "station_kib": (15.4, "KiB", "memory of a node for a connected station, recording included", "docs/performance.md"),
    "socket_kib": (5, "KiB", "kernel memory of a socket", "performance.md section 1"),
    "connect_us": (3_240, "µs", "all that a station costs until it has booted, registered for the first time", "docs/performance.md: 16.2 s for 5,000"),
    "store_light_us": (1_006, "µs", "PostgreSQL's for a message of a transaction, all its rows, when 0.88 share a commit", "docs/performance.md"),
    "store_crowded_us": (253, "µs", "the same when 6.06 share one", "docs/performance.md"),
    "store_frame_us": (46, "µs", "and for a recorded frame, the deletion of old ones included", "docs/performance.md"),
    "store_fact_wal": (4_882, "B", "WAL of a message of a transaction", "docs/performance.md"),
    "store_frame_wal": (635, "B", "WAL of a recorded frame", "docs/performance.md"),
    "fact_bytes": (258, "B", "kept of a fact, with its index entries", "docs/performance.md"),
    "message_bytes": (1_274, "B", "kept of a message of a transaction beside its fact", "docs/performance.md"),
    "session_bytes": (3_514, "B", "kept of a session and its bill", "docs/performance.md"),
    "frame_bytes": (463, "B", "kept of a recorded frame", "docs/performance.md"),
    "journals": (2, "", "commits of a node at once", "gateway/src/app.rs"),
    "rows": (5, "", "rows written for a message of a transaction: fact, document, session, station, outbox", "core/store/src/batch.rs"),
    "route_bytes": (228, "B", "of a route in Redis", "DESIGN section 6"),
    "route_sweep_s": (30, "s", "between two assertions of a route", "gateway/src/cluster/sweep.rs"),
    "redis_renewals": (604_000, "/s", "routes renewed in bulk by one Redis", "performance.md section 4"),
    "ping_s": (30, "s", "of silence until a ping", "core/domain/src/station/liveness.rs"),
}

DAY_S = 86_400
MONTH_S = 30.44 * DAY_S
KIB, GIB, TIB = 1024, 1024**3, 1024**4


def a(name):
    return ASSUMED[name][0]


def m(name):
    return MEASURED[name][0]


# Messages in a commit, in the two runs above.
LIGHT, CROWDED = 0.88, 6.06

# === the model ===


def store_us(shared):
    """What a message costs the database when so many share a commit: its own work and its part of the commit, by the two runs."""
    commit = (m("store_light_us") - m("store_crowded_us")) / (1 / LIGHT - 1 / CROWDED)
    return m("store_crowded_us") - commit / CROWDED + commit / shared


def model(stations):
    evses = stations * a("evses")
    charging = evses * a("charging_at_peak")
    sessions_s = charging / a("session_s")
    facts_s = charging / a("meter_s") + 2 * sessions_s
    calls_s = facts_s + a("other_calls") * sessions_s + stations / a("heartbeat_s")
    # Status, boots and "seen" are facts too, cheaper ones: counted like the others.
    small_facts_s = stations / a("heartbeat_s") + (a("other_calls") - 1) * sessions_s
    # A station that charges speaks often enough to need no ping.
    pings_s = (stations - charging) / m("ping_s")
    commands_s = stations * a("commands") / DAY_S
    cores = (calls_s * m("call_us") + facts_s * a("fact_us") + pings_s * m("loaded_us")) / 1e6
    nodes = max(3, math.ceil(cores / a("busy") / a("node_cores")), math.ceil(stations / a("node_stations_max")) + 1)
    storm_rate = nodes * a("node_cores") * a("storm_per_core")
    storm_shared = max(1, storm_rate * a("facts_of_a_start") / nodes / m("journals") * a("commit_ms") / 1000)
    # Call and answer.
    frames_s = 2 * (calls_s + commands_s)
    shared = max(1, (facts_s + small_facts_s) / nodes / m("journals") * a("commit_ms") / 1000)
    store_fact_cores = (facts_s + small_facts_s) * store_us(shared) / 1e6
    store_frame_cores = frames_s * m("store_frame_us") / 1e6
    sessions_month = evses * a("sessions") * MONTH_S / DAY_S
    facts_month = sessions_month * (2 + a("session_s") / a("meter_s"))
    small_facts_month = stations / a("heartbeat_s") * MONTH_S + sessions_month * (a("other_calls") - 1)
    month_bytes = facts_month * m("message_bytes") + sessions_month * m("session_bytes")
    month_bytes += (facts_month + small_facts_month) * m("fact_bytes")
    disk_gib = month_bytes * a("months_kept") / GIB
    recorded_gib = stations * a("frames_kept") * m("frame_bytes") / GIB
    by_disk = disk_gib / 1024 / a("database_tib")
    databases = math.ceil(max(store_fact_cores / a("busy") / a("database_cores"), by_disk))
    elsewhere = (nodes - 1) / nodes
    return {
        "charging": charging,
        "calls_s": calls_s,
        "facts_s": facts_s,
        "pings_s": pings_s,
        "commands_s": commands_s,
        "mbit_s": (calls_s * a("call_bytes") + pings_s * 160) * 8 / 1e6,
        "cores": cores,
        "nodes": nodes,
        "node_gib": stations * m("station_kib") * KIB / GIB,
        "kernel_gib": stations * m("socket_kib") * KIB / GIB,
        "balancer_gib": stations * a("balancer_kib") * KIB / GIB,
        "shared": shared,
        "rows_s": (facts_s + small_facts_s) * m("rows"),
        "frames_s": frames_s,
        "store_fact_cores": store_fact_cores,
        "store_frame_cores": store_frame_cores,
        "store_cores": store_fact_cores / a("busy"),
        "store_cores_recording": (store_fact_cores + store_frame_cores) / a("busy"),
        "wal_mb_s": (facts_s + small_facts_s) * m("store_fact_wal") / 1e6,
        "wal_frames_mb_s": frames_s * m("store_frame_wal") / 1e6,
        "facts_month": facts_month + small_facts_month,
        "month_gib": month_bytes / GIB,
        "disk_gib": disk_gib,
        "recorded_gib": recorded_gib,
        "databases": databases,
        "database_cores_each": store_fact_cores / a("busy") / databases,
        "database_gib_each": disk_gib / databases,
        "redises": max(1, math.ceil(stations / m("route_sweep_s") / m("redis_renewals") / a("busy"))),
        "balancers": 2 * math.ceil(stations / min(a("balancer_stations"), nodes * a("balancer_ports") / a("balancer_skew"))),
        "redis_ops_s": stations / m("route_sweep_s"),
        "redis_share": stations / m("route_sweep_s") / m("redis_renewals"),
        "redis_gib": stations * m("route_bytes") / GIB,
        "orders_s": commands_s * elsewhere,
        "notes_s": (facts_s + small_facts_s) * a("elsewhere"),
        "storm_rate": storm_rate,
        "storm_s": stations / storm_rate,
        "storm_store_cores": storm_rate * a("facts_of_a_start") * store_us(storm_shared) / 1e6,
        "storm_core_s": stations * m("connect_us") / 1e6,
        "lost_node": stations / nodes,
        "lost_node_s": stations / nodes / ((nodes - 1) * a("node_cores") * a("storm_per_core")),
        "backoff_s": max(30, stations / storm_rate / 0.7),
    }


# === writing ===


def number(value):
    """Two figures that count, and units that people read."""
    if value == 0:
        return "0"
    digits = max(0, 1 - math.floor(math.log10(abs(value))))
    if value >= 100:
        digits = 2 - math.ceil(math.log10(value))
        value = round(value, digits)
        return f"{value:,.0f}"
    return f"{value:,.{digits}f}"


def whole(value):
    return f"{value:,.0f}"


def millions(value):
    return f"{number(value / 1e6)} million"


def gib(value):
    return f"{number(value / 1024)} TiB" if value >= 1024 else f"{number(value)} GiB"


def lasting(value):
    return f"{number(value / 60)} min" if value >= 120 else f"{number(value)} s"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def by_fleet(rows):
    models = [model(stations) for stations in FLEETS]
    head = ["stations"] + [f"{stations:,}" for stations in FLEETS]
    return table(head, [[name] + [write(found[key]) for found in models] for name, key, write in rows])


def tables():
    unit = lambda value, unit: f"{value:,} {unit}".strip()
    return {
        "assumed": table(["assumed", "value"], [[text, unit(value, of)] for value, of, text in ASSUMED.values()]),
        "measured": table(
            ["measured", "value", "where"], [[text, unit(value, of), where] for value, of, text, where in MEASURED.values()]
        ),
        "traffic": by_fleet([
            ("EVSEs that charge", "charging", number),
            ("calls of stations a second", "calls_s", number),
            ("of them messages of transactions, answered after their commit", "facts_s", number),
            ("pings a second", "pings_s", number),
            ("commands a second", "commands_s", number),
            ("Mbit/s with stations", "mbit_s", number),
        ]),
        "nodes": by_fleet([
            ("cores busy, all nodes", "cores", number),
            ("nodes", "nodes", whole),
            ("memory of all nodes", "node_gib", gib),
            ("and of their kernels", "kernel_gib", gib),
            ("memory of all balancers", "balancer_gib", gib),
        ]),
        "store": by_fleet([
            ("rows written a second", "rows_s", number),
            ("facts in a commit", "shared", number),
            ("cores of PostgreSQL for them", "store_cores", number),
            ("WAL of them, MB/s", "wal_mb_s", number),
            ("recorded frames a second", "frames_s", number),
            ("cores with recording", "store_cores_recording", number),
            ("WAL of recording, MB/s", "wal_frames_mb_s", number),
            ("facts a month", "facts_month", millions),
            ("storage a month", "month_gib", gib),
            ("storage of what is kept", "disk_gib", gib),
            ("and of recorded frames", "recorded_gib", gib),
            ("databases, by processors and disk", "databases", whole),
        ]),
        "guide": by_fleet([
            ("nodes of 8 cores, 16 GiB", "nodes", whole),
            ("PostgreSQL, each with a standby", "databases", whole),
            ("cores of each", "database_cores_each", lambda cores: whole(max(4, 4 * math.ceil(cores / 4)))),
            ("disk of each, frames not counted", "database_gib_each", gib),
            ("Redis", "redises", whole),
            ("HAProxy", "balancers", whole),
        ]),
        "cluster": by_fleet([
            ("routes renewed in Redis a second", "redis_ops_s", number),
            ("of what one Redis can", "redis_share", lambda share: f"{number(share * 100)} %"),
            ("memory of Redis", "redis_gib", gib),
            ("commands passed from node to node a second", "orders_s", number),
            ("notes to owners of sites a second", "notes_s", number),
        ]),
        "storms": by_fleet([
            ("connections admitted a second", "storm_rate", number),
            ("everybody back after a power cut", "storm_s", lasting),
            ("core-seconds of the nodes it takes", "storm_core_s", number),
            ("cores of PostgreSQL busy meanwhile", "storm_store_cores", number),
            ("stations of one lost node", "lost_node", number),
            ("they are back on the others after", "lost_node_s", lasting),
            ("`RetryBackOffRandomRange` to set", "backoff_s", lasting),
        ]),
    }


def filled(page):
    for name, text in tables().items():
        mark = re.compile(rf"(<!-- capacity: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page, found = mark.subn(lambda match: match[1] + "\n" + text + "\n\n" + match[2], page)
        if found != 1:
            raise SystemExit(f"docs/capacity.md has {found} places for the table {name!r}")
    return page


def main():
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(filled(PAGE.read_text()))
    elif sys.argv[1:] == ["--check"]:
        page = PAGE.read_text()
        if filled(page) != page:
            print("docs/capacity.md is not what scripts/capacity.py computes: run scripts/capacity.py --write")
            return 1
    elif sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 64
    else:
        for name, text in tables().items():
            print(f"{name}\n\n{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Measures what PostgreSQL pays for a fact and for a recorded frame: processor time, WAL and bytes kept. The unit costs of docs/capacity.md.

    scripts/with-services.sh python3 scripts/measure-store.py [SECONDS]      default 60

Three runs of loadtest/plans/transactions.toml against one node on a private PostgreSQL: one records no frames, one does, and one has a
reading every second, so that many facts share a commit. Prints one JSON object. Needs target/debug/ringmain and ringmain-loadtest: the node's own speed is not measured, only the database's work.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
URL = os.environ["RINGMAIN_TEST_POSTGRES"]
PLAN = ROOT / "loadtest/plans/transactions.toml"
RAMP_S = 20
TICKS = os.sysconf("SC_CLK_TCK")
TABLES = ["events", "transaction_events", "sessions", "cdrs", "outbox", "messages", "stations", "connectors"]


def sql(url, query):
    done = subprocess.run(["psql", "-X", "-q", "-A", "-t", url, "-c", query], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def stat(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def server_of(url):
    """The parent of all backends of this server."""
    asleep = subprocess.Popen(["psql", "-X", "-q", url, "-c", "SELECT pg_sleep(2)"], stdout=subprocess.DEVNULL)
    time.sleep(1)
    backend = sql(url, "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' LIMIT 1")
    server = int(stat(backend)[1])
    asleep.wait()
    return server


def processor_s(server):
    """Of the server and all its children, those that ended included."""
    total = 0
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = stat(entry.name)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(entry.name) == server:
            total += sum(int(field) for field in fields[11:15])
        elif int(fields[1]) == server:
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def counts(url):
    rows = {table: int(sql(url, f"SELECT count(*) FROM {table}")) for table in TABLES}
    rows["frames"] = int(sql(url, "SELECT coalesce(max(id), 0) FROM messages"))
    rows["wal"] = int(sql(url, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"))
    rows["commits"] = int(sql(url, "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"))
    return rows


def run(url, record, meter_s, seconds, server):
    with tempfile.TemporaryDirectory(prefix="ringmain-measure.") as folder:
        ready = pathlib.Path(folder) / "ready.json"
        plan = pathlib.Path(folder) / "plan.toml"
        plan.write_text(PLAN.read_text().replace("meter_interval_s = 5", f"meter_interval_s = {meter_s}"))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RINGMAIN_")}
        environment |= {f"RINGMAIN_LISTEN__{listener}": "127.0.0.1:0" for listener in ("HTTP", "WS", "OPS")}
        environment |= {
            "RINGMAIN_LISTEN__WSS": "off",
            "RINGMAIN_STORE__URL": url,
            "RINGMAIN_STATIONS__UNKNOWN": "accept",
            "RINGMAIN_TOKENS__UNKNOWN": "accept",
            "RINGMAIN_MESSAGES__RECORD_ENABLED": str(record).lower(),
            "RINGMAIN_LOG__LEVEL": "error",
        }
        node = subprocess.Popen(
            [TARGET / "ringmain", "serve", "--data-dir", folder, "--ready-file", ready], env=environment, cwd=folder, stdout=subprocess.DEVNULL
        )
        crowd = None
        try:
            while not ready.exists():
                assert node.poll() is None, "the node ended"
                time.sleep(0.1)
            stations = f"ws://{json.loads(ready.read_text())['ws']}/ocpp"
            crowd = subprocess.Popen(
                [TARGET / "ringmain-loadtest", "run", "--plan", plan, "--url", stations, "--password", "of-the-measured-stations"]
                + ["--duration-s", str(RAMP_S + seconds + 30)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(RAMP_S)
            before, worked, at = counts(url), processor_s(server), time.monotonic()
            time.sleep(seconds)
            after, worked = counts(url), processor_s(server) - worked
            took = time.monotonic() - at
        finally:
            for process in (crowd, node):
                if process:
                    process.send_signal(signal.SIGTERM)
                    process.wait()
    grown = {name: after[name] - before[name] for name in after}
    return {"seconds": round(took, 1), "processor_s": round(worked, 2), **grown}


def bytes_per_row(url):
    """Of the table with its indexes."""
    found = {}
    for table in TABLES:
        rows = int(sql(url, f"SELECT count(*) FROM {table}"))
        # A table that is cut by month is the sum of its parts, and has no size of its own.
        parts = f"SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('{table}')"
        size = int(sql(url, f"SELECT coalesce(({parts}), pg_total_relation_size('{table}'))"))
        found[table] = round(size / rows) if rows else None
    return found


def measured(name, record, meter_s, seconds):
    base = URL.rsplit("/", 1)[0]
    sql(URL, f"CREATE DATABASE {name}")
    url = f"{base}/{name}"
    found = run(url, record, meter_s, seconds, server_of(url))
    # Without the room that updates leave behind, as in a table that is vacuumed and no longer grows.
    for table in TABLES:
        sql(url, f"VACUUM FULL {table}")
    return found, bytes_per_row(url)


def of_each(found, what):
    return {
        "processor_us": round(found["processor_s"] * 1e6 / found[what]),
        "wal_bytes": round(found["wal"] / found[what]),
        "in_a_commit": round(found[what] / found["commits"], 2),
        "a_second": round(found[what] / found["seconds"]),
    }


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    light, kept = measured("light", False, 5, seconds)
    recorded, kept_with_frames = measured("recorded", True, 5, seconds)
    crowded, _ = measured("crowded", False, 1, seconds)
    fact = of_each(light, "transaction_events")
    facts = recorded["transaction_events"]
    result = {
        "message of a transaction": fact,
        "the same, crowded": of_each(crowded, "transaction_events"),
        "recorded frame": {
            "processor_us": round((recorded["processor_s"] * 1e6 - facts * fact["processor_us"]) / recorded["frames"]),
            "wal_bytes": round((recorded["wal"] - facts * fact["wal_bytes"]) / recorded["frames"]),
        },
        "bytes of a row and its index entries": kept | {"messages": kept_with_frames["messages"]},
        "facts for a message of a transaction": round(light["events"] / light["transaction_events"], 2),
        "runs": {"light": light, "recorded": recorded, "crowded": crowded},
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

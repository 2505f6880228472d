"""Judges the planner: one-shot problems, then replays of every set and mode with the reference rules in the same run, and floors.

  python bench.py --ringmain target/release/ringmain [--sets FOLDER] [--only syn60] [--no-references] [--write DOCS]

Sets that are not found are told as SKIPPED. The exit code is not 0 when an answer is wrong, a limit exceeded or a floor missed.
--write puts table and plot into DOCS/charging.md and DOCS/images/.
"""
import argparse
import datetime
import json
import os
import subprocess
import sys

import plot
import replay

HERE = os.path.dirname(os.path.abspath(__file__))
SNAPSHOTS = os.path.join(HERE, "../../core/domain/tests/data/charging/snapshots.json")
SETS = ["caltech40", "eu100", "syn60"]
# What the replay tells of a car, and whether its departure is handled as answered for.
MODES = {"real": ("real", False), "trusted": ("real", True), "user": ("user", False)}
REFERENCES = {
    "uncontrolled": "no control",
    "fcfs": "first come",
    "edf": "earliest deadline",
    "llf": "least laxity",
    "rr1": "round robin",
    "maxmin": "max-min",
    "deadline_fill6": "deadline fill",
}
# Floors, not targets: delivered % and Jain's index at least, pauses per session at most.
FLOORS = {
    ("caltech40", "real"): (88.0, 0.975, 0.8),
    ("caltech40", "trusted"): (92.0, 0.98, 1.2),
    ("caltech40", "user"): (84.0, 0.96, 0.8),
    ("eu100", "real"): (84.5, 0.96, 1.2),
    ("eu100", "trusted"): (86.5, 0.955, 0.9),
    ("eu100", "user"): (74.5, 0.92, 2.0),
    ("syn60", "real"): (81.0, 0.93, 1.3),
    ("syn60", "trusted"): (88.0, 0.97, 1.1),
    ("syn60", "user"): (73.0, 0.885, 1.6),
}
CHANGES_PER_EV_H_MAX = 2.5
BEGIN, END = "<!-- written by make bench-plan -->", "<!-- end of what make bench-plan writes -->"


def solved(ringmain):
    """The one-shot problems, in words; a wrong answer ends the run."""
    done = subprocess.run([ringmain, "plan", "--snapshot", SNAPSHOTS], stdout=subprocess.PIPE, text=True, check=True)
    answers = json.loads(done.stdout)
    return f"{answers['exact']} of {answers['expected']} one-shot problems solved within 0.001 A"


def replayed(folder, mode, rule=None, command=None):
    """One replay of a set, by a rule of replay.py or by a command that speaks its protocol."""
    network = replay.Net(os.path.join(folder, "network.json"))
    sessions = replay.load(folder)
    with open(os.path.join(folder, "tariff.json"), encoding="utf-8") as file:
        prices = json.load(file)["price"]
    if command is None:
        return replay.simulate(network, sessions, replay.ALGS[rule], mode, prices)
    external = replay.External(network, command, mode)
    result = replay.simulate(network, sessions, None, mode, prices, external)
    external.p.stdin.close()
    if external.p.wait() != 0:
        sys.exit(f"{command}: exit code {external.p.returncode}")
    return result


def missed(name, mode, result, round_robin):
    """The floors a result misses, in words."""
    delivered, jain, pauses = FLOORS[name, mode]
    checks = [
        (result["viol_steps"] == 0 and result["viol_max_A"] <= 1e-4, f"a limit is exceeded by {result['viol_max_A']:.3f} A"),
        (result["delivered_pct"] >= delivered, f"{result['delivered_pct']:.2f} % delivered, floor {delivered}"),
        (result["jain"] >= jain, f"Jain's index {result['jain']:.4f}, floor {jain}"),
        (result["pauses_per_session"] <= pauses, f"{result['pauses_per_session']:.2f} pauses, at most {pauses}"),
        (result["changes_per_ev_h"] <= CHANGES_PER_EV_H_MAX, f"{result['changes_per_ev_h']:.2f} changes per car-hour"),
    ]
    if round_robin is not None and mode != "trusted":
        checks.append((result["delivered_pct"] > round_robin["delivered_pct"], "delivers no more than round robin"))
        checks.append((result["jain"] > round_robin["jain"], "is no fairer than round robin"))
    return [f"{name} {mode}: {words}" for holds, words in checks if not holds]


def run(args):
    """All results as {(set, mode, rule): result}, and the floors that are missed."""
    results, misses = {}, []
    for name in args.only or SETS:
        folders = [os.path.join(folder, name) for folder in [args.sets, HERE] if folder]
        folder = next((folder for folder in folders if os.path.isdir(folder)), None)
        if folder is None:
            print(f"{name}: SKIPPED: it may not be published; tell its folder with --sets", flush=True)
            continue
        for mode, (told, trusted) in MODES.items():
            command = f"exec {args.ringmain} plan" + (" --trusted" if trusted else "")
            result = results[name, mode, "ringmain"] = replayed(folder, told, command=command)
            report(name, mode, "ringmain", result)
            if args.references and not trusted:
                for rule in REFERENCES:
                    results[name, mode, rule] = replayed(folder, told, rule=rule)
                    report(name, mode, rule, results[name, mode, rule])
            misses += missed(name, mode, result, results.get((name, mode, "rr1")))
    return results, misses


def report(name, mode, rule, result):
    """A line for who waits."""
    keys = ["delivered_pct", "jain", "pauses_per_session", "changes_per_ev_h", "viol_steps", "decide_ms_p50", "decide_ms_p99"]
    print(name, mode, rule, *(f"{key}={result[key]:.4g}" for key in keys), flush=True)


def table(results):
    """Markdown: delivered % / Jain / pauses per session, the planner first."""
    heads = ["set, mode", "floor", "**Ringmain**", *REFERENCES.values(), "steps over a limit", "changes per car-hour"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name in SETS:
        for mode in MODES:
            own = results.get((name, mode, "ringmain"))
            if own is None:
                continue
            told = MODES[mode][0]
            delivered, jain, pauses = FLOORS[name, mode]
            cells = [f"{name} {mode}", cell(delivered, jain, pauses), f"**{figures(own)}**"]
            cells += [figures(results.get((name, told, rule))) for rule in REFERENCES]
            cells += [str(own["viol_steps"]), f"{own['changes_per_ev_h']:.2f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def figures(result):
    """Delivered, Jain and pauses of one result, and in how many steps a limit was exceeded."""
    if result is None:
        return "-"
    over = f" ({result['viol_steps']} over)" if result["viol_steps"] else ""
    return cell(result["delivered_pct"], result["jain"], result["pauses_per_session"]) + over


def cell(delivered, jain, pauses):
    """`88.9 / .979 / 0.48`"""
    return f"{delivered:.1f} / {f'{jain:.3f}'.removeprefix('0')} / {pauses:.2f}"


def birth_certificate():
    """Commit, day and machine."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True)
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = {line.split(":", 1)[1].strip() for line in file if line.startswith("model name")}
    cores = len(os.sched_getaffinity(0))
    return f"Commit `{commit.stdout.strip()}`, {datetime.date.today()}, {cores} cores ({', '.join(sorted(models))})"


def write(docs, results, snapshots):
    """Table and plot into the documentation."""
    page = os.path.join(docs, "charging.md")
    with open(page, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN)
    after = rest.split(END)[1]
    text = f"{birth_certificate()}. {snapshots}. Delivered % / Jain's index / pauses per session:\n\n{table(results)}\n"
    with open(page, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
    with open(os.path.join(docs, "images", "charging-benchmark.svg"), "w", encoding="utf-8") as file:
        # Without control nothing is shared, and its point would squeeze all others into a corner.
        file.write(plot.drawn(results, SETS, {rule: name for rule, name in REFERENCES.items() if rule != "uncontrolled"}, FLOORS))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ringmain", required=True, help="the binary")
    parser.add_argument("--sets", help="the folder of sets that are not in the repository")
    parser.add_argument("--only", action="append", choices=SETS, help="this set alone; may be given several times")
    parser.add_argument("--no-references", dest="references", action="store_false", help="the planner alone")
    parser.add_argument("--write", metavar="DOCS", help="the documentation's folder")
    args = parser.parse_args()
    snapshots = solved(args.ringmain)
    print(snapshots, flush=True)
    results, misses = run(args)
    print("\n" + table(results))
    if args.write:
        if any((name, mode, "ringmain") not in results for name in SETS for mode in MODES):
            sys.exit("--write needs all sets: the page shows them all")
        write(args.write, results, snapshots)
    for words in misses:
        print("MISSED", words)
    sys.exit(1 if misses else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Checks what Prometheus and Grafana would only show as an empty panel or an alert that never fires.

Every metric in a rule or a panel is one that core/domain/src/telemetry.rs declares, used as its kind
allows; every expression parses (promtool); every alert has its page, a case that fires and one that
does not; dashboards are laid out without overlaps and ask the chosen data source only.

Standard library only: it runs under Debian's Python, before any package is installed.
"""

import itertools
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TELEMETRY = ROOT / "core/domain/src/telemetry.rs"
RULES = ROOT / "grafana/alerts.yml"
RULE_TESTS = ROOT / "grafana/alerts_test.yml"
PAGES = ROOT / "docs/alerts"
DASHBOARDS = ROOT / "grafana/dashboards"

DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
GRID_COLUMNS = 24
PAGE_HEADINGS = ["## What it means", "## What to do first"]
# The first Grafana 10 writes 38.
SCHEMA_VERSION_MIN = 38

problems = []


def problem(where, what):
    problems.append(f"{where}: {what}")


def declared_metrics():
    """name -> Counter, Gauge or Histogram, from the one list of the house."""
    found = re.findall(r'"(ringmain_[a-z0-9_]+)",\s*(Counter|Gauge|Histogram)\b', TELEMETRY.read_text())
    if not found:
        problem(TELEMETRY.name, "no metric found: has the form of the list changed?")
    return dict(found)


def check_metrics(where, expression, declared):
    for match in re.finditer(r"\bringmain_[a-z0-9_]+", expression):
        name = match.group()
        before = expression[: match.start()]
        is_rated = re.search(r"\b(rate|increase|irate)\($", before) is not None
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        if declared.get(name) == "Counter" or declared.get(base) == "Histogram":
            if declared.get(name) == "Histogram":
                problem(where, f"{name} is a histogram: take its _bucket, _sum or _count")
            elif not is_rated:
                problem(where, f"{name} only counts up: take its rate or increase")
        elif declared.get(name) == "Gauge":
            if is_rated:
                problem(where, f"{name} is a gauge: it has no rate")
        else:
            problem(where, f"{name} is not declared in {TELEMETRY.relative_to(ROOT)}")


def check_expressions(expressions):
    """All of them in one rule file for promtool; Grafana's variables get a value first."""
    with tempfile.TemporaryDirectory() as folder:
        rules = pathlib.Path(folder) / "panels.yml"
        lines = ["groups:", "  - name: panels", "    rules:"]
        for n, (_, expression) in enumerate(expressions):
            plain = expression.replace("$__rate_interval", "1m").replace("$__range", "3h").replace("$node", ".*")
            lines += [f"      - record: panel:{n}", f"        expr: {json.dumps(plain)}"]
            if "$" in plain:
                problem(expressions[n][0], f"unknown variable in {expression}")
        rules.write_text("\n".join(lines) + "\n")
        result = subprocess.run(["promtool", "check", "rules", str(rules)], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            problem("panels", result.stderr.strip() or result.stdout.strip())


def check_layout(where, panels):
    ids = [panel["id"] for panel in panels]
    if len(ids) != len(set(ids)):
        problem(where, "two panels have the same id")
    cells = {}
    for panel in panels:
        grid = panel["gridPos"]
        if grid["x"] < 0 or grid["x"] + grid["w"] > GRID_COLUMNS:
            problem(where, f'{panel["title"]!r} is outside the grid')
        for cell in itertools.product(range(grid["x"], grid["x"] + grid["w"]), range(grid["y"], grid["y"] + grid["h"])):
            other = cells.setdefault(cell, panel["title"])
            if other != panel["title"]:
                problem(where, f'{panel["title"]!r} lies over {other!r}')
                break


def check_panel(where, panel, declared):
    """One panel; gives its expressions."""
    expressions = []
    where = f'{where}, {panel.get("title")!r}'
    for key in ("title", "description", "targets"):
        if not panel.get(key):
            problem(where, f"no {key}")
    if panel.get("datasource") != DATA_SOURCE:
        problem(where, "does not ask the chosen data source")
    if "unit" not in panel["fieldConfig"]["defaults"]:
        problem(where, "no unit")
    targets = panel.get("targets", [])
    if len({target["refId"] for target in targets}) != len(targets):
        problem(where, "two queries have the same refId")
    for target in targets:
        if target.get("datasource") != DATA_SOURCE:
            problem(where, "a query does not ask the chosen data source")
        check_metrics(where, target["expr"], declared)
        expressions.append((where, target["expr"]))
    return expressions


def check_dashboards(declared):
    expressions = []
    uids = {}
    links = []
    for path in sorted(DASHBOARDS.glob("*.json")):
        where = path.name
        dashboard = json.loads(path.read_text())
        if dashboard["uid"] in uids:
            problem(where, f'the uid is that of {uids[dashboard["uid"]]}')
        uids[dashboard["uid"]] = where
        if dashboard["schemaVersion"] < SCHEMA_VERSION_MIN:
            problem(where, "the schema is older than Grafana 10's")
        variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
        if variables.get("datasource", {}).get("type") != "datasource":
            problem(where, "no data source variable")
        if dashboard.get("id") is not None:
            problem(where, "has the id of some server's database")
        links += [(where, link["url"]) for link in dashboard["links"]]
        panels = dashboard["panels"]
        check_layout(where, panels)
        drawn = [panel for panel in panels if panel["type"] != "row"]
        if not drawn:
            problem(where, "no panel")
        for panel in drawn:
            found = check_panel(where, panel, declared)
            expressions += found
            used = {name for _, expression in found for name in re.findall(r"\$([a-z]+)", expression)}
            for name in used - variables.keys():
                problem(where, f'{panel["title"]!r} asks for an unknown variable ${name}')
    for where, url in links:
        if url.removeprefix("/d/") not in uids:
            problem(where, f"the link {url} leads nowhere")
    if not uids:
        problem(DASHBOARDS.name, "no dashboard")
    check_expressions(expressions)
    return expressions


def check_alerts(declared):
    rules = RULES.read_text()
    tests = RULE_TESTS.read_text()
    alerts = re.findall(r"^ +- alert: (\S+)$", rules, flags=re.MULTILINE)
    without_comments = re.sub(r"^\s*#.*$", "", rules, flags=re.MULTILINE)
    check_metrics(RULES.name, without_comments, declared)
    for alert in alerts:
        cases = re.findall(rf"alertname: {alert}\n\s+eval_time: \S+\n\s+exp_alerts:( \[\])?", tests)
        if "" not in cases:
            problem(RULE_TESTS.name, f"{alert} has no case that fires")
        if " []" not in cases:
            problem(RULE_TESTS.name, f"{alert} has no case that stays quiet")
        if f"runbook: docs/alerts/{alert}.md" not in rules:
            problem(RULES.name, f"{alert} does not name its page")
    pages = {path.stem: path.read_text() for path in PAGES.glob("*.md")}
    for alert in set(alerts) - pages.keys():
        problem(PAGES.relative_to(ROOT), f"no page for {alert}")
    for page in pages.keys() - set(alerts):
        problem(PAGES.relative_to(ROOT), f"{page} is no alert")
    for page, text in pages.items():
        if not text.startswith(f"# {page}\n"):
            problem(f"{page}.md", "its title is not the alert's name")
        for heading in PAGE_HEADINGS:
            if heading not in text:
                problem(f"{page}.md", f"no {heading!r}")
    return alerts


def main():
    declared = declared_metrics()
    expressions = check_dashboards(declared)
    alerts = check_alerts(declared)
    for text in problems:
        print(text, file=sys.stderr)
    if problems:
        return 1
    print(f"{len(expressions)} queries and {len(alerts)} alerts fit {len(declared)} declared metrics")
    return 0


if __name__ == "__main__":
    sys.exit(main())

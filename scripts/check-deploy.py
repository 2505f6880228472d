"""Holds the recipes in deploy/ to the schemas of the systems they are for, and to what Ringmain itself asks of them.

    scripts/check-deploy.py compose|kubernetes|systemd [DEPLOY]      DEPLOY: the folder of the recipes, `deploy` when absent

Prints what is wrong, one line each, and ends with 1; says nothing and ends with 0 when all is well. Needs target/venv (scripts/python-env.sh).
"""

import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
KUBERNETES_VERSIONS = ["1.30", "1.34", "1.37"]
# Kinds of other makers, which no schema of Kubernetes knows.
FOREIGN = {"Kustomization", "ServiceMonitor"}

wrong = []


def expect(condition, text):
    if not condition:
        wrong.append(text)


def keys_of_configuration():
    page = (ROOT / "docs/generated/configuration.md").read_text()
    return set(re.findall(r"^\| `([a-z_.]+)` \|", page, re.MULTILINE))


def key_of(variable):
    """RINGMAIN_STORE__URL -> store.url"""
    return variable.removeprefix("RINGMAIN_").lower().replace("__", ".")


def expect_keys(variables, where):
    known = keys_of_configuration()
    for variable in variables:
        if variable.startswith("RINGMAIN_"):
            expect(key_of(variable) in known, f"{where}: {variable} is no key of the configuration")


def seconds_to_leave(notice_s=10, drain_s=120):
    """The longest a leaving node waits, by gateway/src/drain.rs and its neighbours; deploy/README.md lists the parts."""
    drain = (ROOT / "gateway/src/drain.rs").read_text()
    goodbye, flush = (
        int(re.search(rf"const {name}: Duration = Duration::from_secs\((\d+)\)", drain)[1]) for name in ("GOODBYE", "FLUSH")
    )
    listeners = (ROOT / "gateway/src/app/listeners.rs").read_text()
    shutdown = int(re.search(r"const HTTP_SHUTDOWN_S: u64 = (\d+);", listeners)[1])
    journals = int(re.search(r"const JOURNALS_POSTGRES: usize = (\d+);", (ROOT / "gateway/src/app.rs").read_text())[1])
    # Sites handed over, each journal, recorded frames, the name off the list.
    flushes = 1 + journals + 1 + 1
    return notice_s + drain_s + goodbye + flushes * flush + 3 * shutdown


# === compose ===


def check_compose(deploy):
    import compose_spec

    folder = deploy / "compose"
    document = yaml.safe_load((folder / "compose.yaml").read_text())
    try:
        # Written again, because its own reader of YAML knows no merge keys (`<<`).
        compose_spec.PyCompose.from_yaml(yaml.safe_dump(document, sort_keys=False)).validate()
    except ValueError as error:
        expect(False, f"compose.yaml: {error}")
        return
    services = document["services"]
    nodes = {name: service for name, service in services.items() if name.startswith("node-")}
    expect(len(nodes) == 3, f"compose.yaml: {len(nodes)} nodes instead of 3")
    for name, node in nodes.items():
        environment = node["environment"]
        grace = re.fullmatch(r"(\d+)m", node.get("stop_grace_period", "0m"))
        leave = seconds_to_leave(
            int(environment["RINGMAIN_CLUSTER__DRAIN_NOTICE_S"]), int(environment["RINGMAIN_CLUSTER__DRAIN_S"])
        )
        expect(grace and int(grace[1]) * 60 >= leave, f"compose.yaml: {name} has less than {leave} s to leave")
        expect(environment["RINGMAIN_CLUSTER__NODE"] == name, f"compose.yaml: {name} has another's name")
        expect(environment["RINGMAIN_CLUSTER__HOST"] == name, f"compose.yaml: {name} is reached under another's name")
        expect(
            environment["RINGMAIN_LISTEN__PROXIES"] == services["haproxy"]["networks"]["nodes"]["ipv4_address"],
            f"compose.yaml: {name} believes another address than the balancer's",
        )
        expect(node.get("read_only") and node.get("cap_drop") == ["ALL"], f"compose.yaml: {name} may do too much")
        for value in environment.values():
            secret = re.search(r"/run/secrets/(.+)$", value)
            expect(not secret or secret[1] in node["secrets"], f"compose.yaml: {name} is not given {value}")
    for name, service in services.items():
        expect_keys(service.get("environment", {}) if name.startswith(("node-", "migrate")) else (), f"compose.yaml: {name}")
        image = service.get("image", "")
        expect(":" in image and not image.endswith(":latest"), f"compose.yaml: {name}: the image {image!r} has no version")
        for other in service.get("depends_on", []):
            expect(other in services, f"compose.yaml: {name} waits for {other}, which does not exist")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                # Outside deploy/ the tree itself is looked at: a copy of deploy/ alone may be checked.
                base = folder if source.startswith("./") or source.startswith("../haproxy") else ROOT / "deploy/compose"
                expect((base / source).exists(), f"compose.yaml: {name}: {source} does not exist")
    variables = set(re.findall(r"presetenv (RINGMAIN_\w+)", (deploy / "haproxy/haproxy.cfg").read_text()))
    for variable in services["haproxy"]["environment"]:
        expect(variable in variables, f"compose.yaml: haproxy.cfg knows no {variable}")
    check_roles(folder, services["migrate"]["command"])
    check_image(folder)


def check_roles(folder, migrate):
    """Who signs in at the database was made there, and the schema's owner lets the nodes in."""
    made = set(re.findall(r"^CREATE ROLE (\w+) ", (folder / "roles.sh").read_text(), re.MULTILINE))
    urls = dict(re.findall(r"^(\w+)_url\(\) .*postgres://(\w+):", (folder / "prepare.sh").read_text(), re.MULTILINE))
    expect(set(urls.values()) == made, f"compose: roles are {sorted(made)}, and those who sign in are {sorted(urls.values())}")
    expect(migrate[-2:] == ["--grant-app", urls.get("app")], "compose.yaml: migrate lets another role than the nodes' in")


def check_image(folder):
    lines = (folder / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    steps = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]
    stages = [number for number, step in enumerate(steps) if step[0] == "FROM"]
    expect(len(stages) == 2, "Dockerfile: a stage that builds and one that is left are needed")
    last = steps[stages[-1]:]
    users = [argument for step, argument in last if step == "USER"]
    expect(users and users[-1].split(":")[0] not in ("0", "root"), "Dockerfile: the image runs as root")
    expect(all(":" in argument for step, argument in steps if step == "FROM"), "Dockerfile: a base image has no version")
    expect(any(step == "ENTRYPOINT" for step, _ in last), "Dockerfile: there is no ENTRYPOINT")
    expect("--locked" in " ".join(argument for _, argument in steps), "Dockerfile: builds what the lock file does not say")


# === kubernetes ===


def check_kubernetes(deploy):
    import kubernetes_validate

    folder = deploy / "kubernetes"
    documents = []
    for file in sorted(folder.rglob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            documents.append((file.name, document))
            if document["kind"] in FOREIGN:
                continue
            for version in KUBERNETES_VERSIONS:
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                except Exception as error:
                    text = str(getattr(error, "message", error)).splitlines()[0]
                    path = ".".join(str(part) for part in getattr(error, "path", []))
                    expect(False, f"{file.name}: {document['kind']} by {version}: {path}: {text}")
                    break
    if wrong:
        # What follows reads fields as the schemas have them.
        return
    listed = next(document["resources"] for _, document in documents if document["kind"] == "Kustomization")
    here = {file.name for file in folder.glob("*.yaml")} - {"kustomization.yaml"}
    expect(set(listed) == here, f"kustomization.yaml: lists {sorted(listed)}, and there are {sorted(here)}")
    workloads = [document for _, document in documents if document["kind"] in ("StatefulSet", "Deployment", "Job")]
    page = (folder / "README.md").read_text()
    for workload in workloads:
        check_pods(workload, page)
    labels = [workload["spec"]["template"]["metadata"]["labels"] for workload in workloads]
    ports = {port["name"] for workload in workloads for port in ports_of(workload)}
    for name, document in documents:
        spec, kind = document.get("spec", {}), document["kind"]
        selector = spec.get("podSelector" if kind == "NetworkPolicy" else "selector", {})
        wanted = selector.get("matchLabels", selector if kind == "Service" else {})
        fits = any(wanted.items() <= found.items() for found in labels)
        expect(fits, f"{name}: {kind} {document.get('metadata', {}).get('name')} selects nothing: {wanted}")
        for port in spec.get("ports", []) if kind == "Service" else []:
            expect(port["targetPort"] in ports, f"{name}: the service leads to no port {port['targetPort']}")
        if kind not in ("Kustomization", "Namespace"):
            expect(document["metadata"].get("namespace") == "ringmain", f"{name}: {kind} is in no namespace")
    nodes = next(workload for workload in workloads if workload["kind"] == "StatefulSet")
    check_nodes(nodes, documents, deploy)


def ports_of(workload):
    return [port for container in workload["spec"]["template"]["spec"]["containers"] for port in container.get("ports", [])]


def check_pods(workload, page):
    """The rules of the standard `restricted`, which the namespace enforces; secrets that the page tells to make; probes of ports."""
    name, pod = workload["metadata"]["name"], workload["spec"]["template"]["spec"]
    secure = pod["securityContext"]
    expect(secure.get("runAsNonRoot") and secure.get("runAsUser"), f"{name}: may run as root")
    expect(secure.get("seccompProfile", {}).get("type") == "RuntimeDefault", f"{name}: has no seccomp profile")
    expect(pod.get("automountServiceAccountToken") is False, f"{name}: gets a token of the cluster, and needs none")
    volumes = {volume["name"] for volume in pod["volumes"]}
    for volume in pod["volumes"]:
        named = volume.get("secret", {}).get("secretName")
        expect(not named or f"`{named}`" in page, f"{name}: README.md does not tell how to make the secret {named}")
    for container in pod["containers"]:
        own = container["securityContext"]
        restricted = (own.get("allowPrivilegeEscalation"), own.get("readOnlyRootFilesystem"), own["capabilities"])
        expect(restricted == (False, True, {"drop": ["ALL"]}), f"{name}: is not as restricted as its namespace demands")
        expect("requests" in container["resources"] and "limits" in container["resources"], f"{name}: asks for no resources")
        expect({mount["name"] for mount in container["volumeMounts"]} == volumes, f"{name}: mounts are not its volumes")
        names = {port["name"] for port in container.get("ports", [])}
        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            if probe in container:
                expect(container[probe]["httpGet"]["port"] in names, f"{name}: {probe} asks a port that is not there")
    if workload["kind"] != "Deployment":
        variables = {variable["name"] for container in pod["containers"] for variable in container.get("env", [])}
        expect_keys(variables, name)


def check_nodes(nodes, documents, deploy):
    import tomllib

    pod = nodes["spec"]["template"]["spec"]
    container = pod["containers"][0]
    text = next(document["data"]["ringmain.toml"] for _, document in documents if document["kind"] == "ConfigMap")
    configuration = tomllib.loads(text)
    sections = {name: value if isinstance(value, dict) else None for name, value in configuration.items()}
    written = {f"{section}.{key}" for section, keys in sections.items() for key in keys or ()}
    written |= {key for key, keys in sections.items() if keys is None}
    for key in sorted(written - keys_of_configuration()):
        expect(False, f"config.yaml: {key} is no key of the configuration")
    if wrong:
        return
    cluster = configuration["cluster"]
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    leave = pause + seconds_to_leave(cluster["drain_notice_s"], cluster["drain_s"])
    expect(pod["terminationGracePeriodSeconds"] >= leave, f"nodes.yaml: a node has less than {leave} s to leave")
    expect(container["readinessProbe"]["httpGet"]["path"] == "/readyz", "nodes.yaml: readiness is asked elsewhere")
    expect(container["livenessProbe"]["httpGet"]["path"] == "/livez", "nodes.yaml: liveness is asked elsewhere")
    listening = {int(value.rsplit(":", 1)[1]) for value in configuration["listen"].values() if re.search(r":\d+$", value)}
    expect({port["containerPort"] for port in ports_of(nodes)} == listening, f"nodes.yaml: ports are not {sorted(listening)}")
    services = {document["metadata"]["name"]: document["spec"] for _, document in documents if document["kind"] == "Service"}
    headless = services.get(nodes["spec"]["serviceName"], {})
    expect(headless.get("clusterIP") == "None", "nodes.yaml: the service of the nodes is not headless")
    expect(headless.get("publishNotReadyAddresses"), "nodes.yaml: a draining node has no name")
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    for path in re.findall(r'"(?:file:)?(/[^"]+)"', text):
        expect(any(path.startswith(mount) for mount in mounts), f"config.yaml: {path} is in no mount")
    balancer = next(document for _, document in documents if document["kind"] == "Deployment")
    known = set(re.findall(r"presetenv (RINGMAIN_\w+)", (deploy / "haproxy/haproxy.cfg").read_text()))
    for variable in balancer["spec"]["template"]["spec"]["containers"][0]["env"]:
        expect(variable["name"] in known, f"haproxy.yaml: haproxy.cfg knows no {variable['name']}")


# === systemd ===


def check_systemd(deploy):
    folder = deploy / "systemd"
    node = (folder / "ringmain@.service").read_text()
    for name in ("ringmain@.service", "ringmain-migrate.service"):
        text = (folder / name).read_text()
        expect_keys(re.findall(r"^Environment=(RINGMAIN_\w+)=", text, re.MULTILINE), name)
        for credential in re.findall(r"%d/([\w.-]+)", text):
            expect(f"LoadCredential={credential}:" in text, f"{name}: the credential {credential} is not loaded")
        for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "User=ringmain", "CapabilityBoundingSet="):
            expect(re.search(rf"^{line}$", text, re.MULTILINE), f"{name}: {line} is missing")
    stop = re.search(r"^TimeoutStopSec=(\d+)$", node, re.MULTILINE)
    expect(stop and int(stop[1]) > seconds_to_leave(), f"ringmain@.service: a node has less than {seconds_to_leave()} s to leave")
    files = re.search(r"^LimitNOFILE=(\d+)$", node, re.MULTILINE)
    expect(files and int(files[1]) >= 100_000, "ringmain@.service: too few open files")


CHECKS = {"compose": check_compose, "kubernetes": check_kubernetes, "systemd": check_systemd}


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in CHECKS:
        print(__doc__, file=sys.stderr)
        return 64
    CHECKS[sys.argv[1]](pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else ROOT / "deploy")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

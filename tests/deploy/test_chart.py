"""The Helm chart: what it renders is sound, unprivileged, and made of the repository's own rules and dashboards."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

import flowaudit
from flowaudit.config import load

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "flowaudit"
CASES = sorted((CHART / "ci").glob("*-values.yaml"))
DEFAULT, FULL, CLAIM = (CHART / "ci" / f"{name}-values.yaml" for name in ("default", "full", "claim"))
KUBERNETES = "1.34"
OPERATOR = {"PrometheusRule", "ServiceMonitor"}
"""Kinds of the Prometheus operator, which Kubernetes' schemas do not have."""
Manifest = dict[str, Any]
pytestmark = pytest.mark.skipif(shutil.which("helm") is None, reason="needs helm, which .ci/run installs")


def helm(verb: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run helm for a cluster of a known version."""
    command = ["helm", verb, *arguments, f"--kube-version={KUBERNETES}.0"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rendered(values: Path, *options: str, chart: Path = CHART) -> list[Manifest]:
    """Return the manifests of a release `audit` in the namespace `security`."""
    ran = helm("template", "audit", chart, "--namespace=security", f"--values={values}", *options)
    assert ran.returncode == 0, ran.stderr
    return [manifest for manifest in yaml.safe_load_all(ran.stdout) if manifest]


def refusal(*options: str) -> str:
    """Return why helm does not render the chart with the default values and options."""
    ran = helm("template", "audit", CHART, f"--values={DEFAULT}", *options)
    assert ran.returncode != 0
    return ran.stderr


def the(kind: str, manifests: list[Manifest]) -> Manifest:
    """Return the one manifest of a kind."""
    (found,) = (manifest for manifest in manifests if manifest["kind"] == kind)
    return found


def pod(manifests: list[Manifest]) -> Manifest:
    """Return the specification of the pod."""
    return the("Deployment", manifests)["spec"]["template"]["spec"]


@pytest.mark.parametrize("values", CASES, ids=lambda values: values.stem)
def test_the_chart_is_sound(values: Path) -> None:
    """`helm lint --strict` has no complaint, with any of the example values."""
    linted = helm("lint", CHART, "--strict", f"--values={values}")
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("values", CASES, ids=lambda values: values.stem)
def test_kubernetes_takes_every_manifest(values: Path) -> None:
    """Each manifest fits Kubernetes' schema strictly, and is in the namespace of the release."""
    manifests = rendered(values)
    for manifest in manifests:
        assert manifest["metadata"]["namespace"] == "security"
        if manifest["kind"] not in OPERATOR:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests]
    assert len(names) == len(set(names))


def test_the_readmes_examples_are_taken(tmp_path: Path) -> None:
    """The values of README.md, alone and with those for Slack, TLS and a password, render; a misspelt key does not."""
    text = (CHART / "README.md").read_text()
    first, second = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for name, block in (("first", first), ("second", second)):
        (tmp_path / name).write_text(block)
    assert the("ServiceMonitor", rendered(tmp_path / "first"))["spec"]["endpoints"][0]["scheme"] == "http"
    both = rendered(tmp_path / "first", f"--values={tmp_path / 'second'}")
    (endpoint,) = the("ServiceMonitor", both)["spec"]["endpoints"]
    made = set(re.findall(r"create secret generic (\S+)", text))
    named = {endpoint["basicAuth"]["password"]["name"], endpoint["tlsConfig"]["ca"]["secret"]["name"]}
    (container,) = pod(both)["containers"]
    assert named | {each["secretRef"]["name"] for each in container["envFrom"]} == made
    (tmp_path / "second").write_text(second.replace("webConfig:", "webconfig:"))
    with pytest.raises(AssertionError, match="webconfig"):
        rendered(tmp_path / "first", f"--values={tmp_path / 'second'}")


# --- the pod ----------------------------------------------------------------------------------------------------------


def test_there_is_one_writer() -> None:
    """One replica, replaced only after it has ended; no value changes that."""
    spec = the("Deployment", rendered(DEFAULT))["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert "replicas" in refusal("--set", "replicas=2")


@pytest.mark.parametrize("values", CASES, ids=lambda values: values.stem)
def test_the_pod_has_no_rights(values: Path) -> None:
    """The pod fits Kubernetes' restricted standard, has no token of the API and a read-only root."""
    spec = pod(rendered(values))
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert (spec["securityContext"]["runAsUser"], spec["securityContext"]["fsGroup"]) == (65532, 65532)
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/tmp", "/var/lib/flowaudit"}


def test_the_user_is_that_of_the_image() -> None:
    """The pod's user and its writable folder are those that the Dockerfile names."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "USER 65532:65532" in dockerfile
    assert "WORKDIR /var/lib/flowaudit\n" in dockerfile


def test_a_change_of_the_configuration_restarts_the_pod() -> None:
    """The pod's template holds a checksum of flowaudit.toml."""
    sums = [
        the("Deployment", rendered(DEFAULT, *options))["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
        for options in ((), ("--set", "config=# another"))
    ]
    assert sums[0] != sums[1]


@pytest.mark.parametrize("values", CASES, ids=lambda values: values.stem)
def test_flowaudit_takes_its_configuration(values: Path, tmp_path: Path) -> None:
    """The ConfigMap's file and the pod's variables are a configuration without a mistake."""
    manifests = rendered(values)
    (text,) = (each["data"]["flowaudit.toml"] for each in manifests if "flowaudit.toml" in each.get("data", {}))
    file = tmp_path / "flowaudit.toml"
    file.write_text(text)
    (container,) = pod(manifests)["containers"]
    config = load(file, {variable["name"]: variable["value"] for variable in container["env"]})
    assert config.http.listen == "0.0.0.0:9184"
    assert config.lake.uri == yaml.safe_load(values.read_text()).get("lake", {}).get("uri", "/var/lib/flowaudit/lake")


@pytest.mark.parametrize(
    ("values", "volume"),
    [
        (DEFAULT, {"persistentVolumeClaim": {"claimName": "audit-flowaudit"}}),
        (CLAIM, {"persistentVolumeClaim": {"claimName": "flow-logs"}}),
        (FULL, {"emptyDir": {"sizeLimit": "64Mi"}}),
    ],
    ids=["made", "existing", "s3"],
)
def test_the_lake_has_its_volume(values: Path, volume: dict[str, Any]) -> None:
    """A lake in a folder has a claim, made only where none is named; a lake on S3 has none."""
    manifests = rendered(values)
    assert {"name": "lake", **volume} in pod(manifests)["volumes"]
    assert any(each["kind"] == "PersistentVolumeClaim" for each in manifests) == (values == DEFAULT)


def test_the_role_is_assumed_by_the_service_account() -> None:
    """The pod's service account has EKS's annotation."""
    manifests = rendered(FULL)
    account = the("ServiceAccount", manifests)["metadata"]
    assert account["annotations"] == {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/flowaudit"}
    assert pod(manifests)["serviceAccountName"] == account["name"]


def test_the_network_is_open_for_metrics_and_aws_only() -> None:
    """Without further values, a pod can be reached on its metrics port, and reaches 443 and DNS."""
    spec = the("NetworkPolicy", rendered(DEFAULT))["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"] == [{"ports": [{"port": "metrics"}]}]
    assert sorted({port["port"] for rule in spec["egress"] for port in rule["ports"]}) == [53, 443]


# --- rules and dashboards ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["alerts", "recording_rules"])
def test_rules_are_the_repositorys_own(kind: str, tmp_path: Path) -> None:
    """Each PrometheusRule holds its file as it is, templates of Prometheus included; promtool takes it."""
    (rule,) = (
        each
        for each in rendered(FULL)
        if each["kind"] == "PrometheusRule" and each["metadata"]["name"].endswith(kind.replace("_", "-"))
    )
    assert rule["spec"] == yaml.safe_load((ROOT / "dashboards" / "prometheus" / f"{kind}.yaml").read_text())
    if promtool := shutil.which("promtool"):
        (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rule["spec"]))
        checked = subprocess.run(
            [promtool, "check", "rules", tmp_path / "rules.yaml"], capture_output=True, check=False
        )
        assert checked.returncode == 0, checked.stdout


def test_metrics_have_the_job_that_the_rules_select() -> None:
    """The ServiceMonitor finds the Service, and names the job as the rules do."""
    manifests = rendered(FULL)
    monitor, service = the("ServiceMonitor", manifests), the("Service", manifests)
    (endpoint,) = monitor["spec"]["endpoints"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": "flowaudit"}]


def test_dashboards_are_config_maps_that_grafana_finds(tmp_path: Path) -> None:
    """Each JSON file of the folder is in a ConfigMap with Grafana's label, as it is, legends included."""
    chart = Path(shutil.copytree(CHART, tmp_path / "flowaudit"))
    folder = chart / "files" / "dashboards" / "grafana"
    folder.mkdir(exist_ok=True)
    (folder / "sample.json").write_text(json.dumps({"legendFormat": "{{detector}}"}, indent=2))
    found: dict[str, str] = {}
    for each in rendered(FULL, chart=chart):
        if "grafana_dashboard" in each["metadata"]["labels"]:
            assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
            found |= each["data"]
    assert {name: json.loads(text) for name, text in found.items()} == {
        f"flowaudit-{file.name}": json.loads(file.read_text()) for file in folder.glob("*.json")
    }


def test_a_package_holds_only_what_the_chart_needs(tmp_path: Path) -> None:
    """`helm package` follows the link to the dashboards, and leaves programs, tests and examples out."""
    command: list[str | Path] = ["helm", "package", CHART, f"--destination={tmp_path}"]
    subprocess.run(command, capture_output=True, check=True)
    (package,) = tmp_path.glob("*.tgz")
    with tarfile.open(package) as archive:
        names = {name.removeprefix("flowaudit/files/dashboards/") for name in archive.getnames() if "/files/" in name}
    shipped = {f"grafana/{file.name}" for file in (ROOT / "dashboards" / "grafana").glob("*.json")}
    assert names == {"prometheus/alerts.yaml", "prometheus/recording_rules.yaml"} | shipped


# --- wrong values -----------------------------------------------------------------------------------------------------


def test_the_image_has_to_be_named() -> None:
    """Without the image's repository nothing is rendered, and the message says what to set."""
    ran = helm("template", "audit", CHART)
    assert ran.returncode != 0
    assert "image.repository: name the registry and repository that the image was pushed to" in ran.stderr


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("imagge.tag=1", "imagge"),
        ("lake.url=s3://a/b", "url"),
        ("lake.uri=/data", "/lake/uri"),
        ("image.digest=sha256:12", "/image/digest"),
        ("monitoring.serviceMonitor.enabled=maybe", "/monitoring/serviceMonitor/enabled"),
        ("serviceAccount.roleArn=flowaudit", "/serviceAccount/roleArn"),
        ("terminationGracePeriodSeconds=1", "/terminationGracePeriodSeconds"),
    ],
)
def test_a_wrong_value_is_refused(option: str, named: str) -> None:
    """A key that does not exist, or a value that cannot be right, ends in a message that names it."""
    message = refusal("--set", option)
    assert "don't meet the specifications of the schema" in message
    assert named in message or named.strip("/").replace("/", ".") in message


def test_the_versions_are_those_of_the_program() -> None:
    """The chart's appVersion and the Dockerfile's VERSION are the version of pyproject.toml."""
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == flowaudit.__version__
    assert f"ARG VERSION={flowaudit.__version__}\n" in (ROOT / "Dockerfile").read_text()

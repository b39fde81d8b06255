"""The alerting and recording rules load, fire when they should, and are explained."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
from typer.main import get_command

from dashboards.prometheus.settings import BUCKETS
from flowaudit.cli import verbs
from tests.rendered import FILES, METRICS, OF_PROMETHEUS, ROOT, RULES, TARGET, parsed, rules

ALERTMANAGER = ROOT / "dashboards" / "alertmanager" / "alertmanager.yml"
RUNBOOKS = ROOT / "docs" / "runbooks"
CASES = sorted((RULES / "tests").glob("*.yaml"))
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
# It always fires: that is what it is for.
NEVER_SILENT = {"FlowauditWatchdog"}

ALERTS = [rule for rule in rules() if "alert" in rule]
NAMES = sorted({rule["alert"] for rule in ALERTS})
RECORDED = {rule["record"] for rule in rules() if "record" in rule}


def ran(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a program of Prometheus, or skip where it is missing."""
    if "/" not in str(command[0]) and shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def render(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run what scripts/rules runs."""
    return ran(sys.executable, "-m", "dashboards.prometheus.render", *arguments)


def alert_cases() -> list[dict[str, Any]]:
    """Return every moment of the promtool tests at which an alert is looked at."""
    return [case for file in CASES for test in parsed(file)["tests"] for case in test.get("alert_rule_test", [])]


def test_prometheus_accepts_the_rules() -> None:
    """Promtool finds nothing wrong with the rendered files."""
    checked = ran("promtool", "check", "rules", *FILES)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("cases", CASES, ids=lambda file: file.stem)
def test_alerts_fire_and_keep_silent_as_they_should(cases: Path) -> None:
    """Each case of the promtool tests holds, with labels and words."""
    checked = ran("promtool", "test", "rules", cases)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("alert", NAMES)
def test_each_alert_is_shown_firing_and_silent(alert: str) -> None:
    """Each alert has a case in which it fires, with its runbook in full, and one in which it does not."""
    cases = [case for case in alert_cases() if case["alertname"] == alert]
    fired = [case for case in cases if case.get("exp_alerts")]
    wanted = {"summary", "description", "runbook_url"}
    assert fired
    assert all(set(one["exp_annotations"]) == wanted for case in fired for one in case["exp_alerts"])
    assert alert in NEVER_SILENT or [case for case in cases if not case.get("exp_alerts")]


def test_each_rule_of_one_name_is_shown_firing() -> None:
    """Rules that share a name, a stage or a pair of windows each, are all shown firing."""
    shown = [one["exp_labels"] for case in alert_cases() for one in case.get("exp_alerts", [])]
    silent = [
        rule
        for rule in ALERTS
        if not any(rule["labels"].items() <= {**labels}.items() for labels in shown if "severity" in labels)
    ]
    assert silent == []


def test_no_case_is_of_an_alert_that_is_gone() -> None:
    """A promtool case with a wrong name would always be silent, so that each name has to be an alert's."""
    assert {case["alertname"] for case in alert_cases()} == set(NAMES)


def test_without_data_each_alert_is_looked_at() -> None:
    """The case without any data names all alerts but the one that always fires."""
    (test,) = parsed(RULES / "tests" / "no-data.yaml")["tests"]
    assert [case["alertname"] for case in test["alert_rule_test"]] == sorted(set(NAMES) - NEVER_SILENT)


def test_the_rendered_files_are_up_to_date() -> None:
    """The committed rules are those that scripts/rules renders."""
    checked = render("--check")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_file_that_is_out_of_date_is_named(tmp_path: Path) -> None:
    """`--check` writes nothing, names each file that differs and exits with 1."""
    assert render("--output", tmp_path).returncode == 0
    (tmp_path / "alerts.yaml").write_text("groups: []\n", "utf-8")
    checked = render("--output", tmp_path, "--check")
    assert checked.returncode == 1
    assert checked.stderr == f"scripts/rules: {tmp_path}/alerts.yaml is out of date: run scripts/rules\n"
    assert (tmp_path / "alerts.yaml").read_text("utf-8") == "groups: []\n"


def test_a_severity_is_lowered_without_a_fork(tmp_path: Path) -> None:
    """A file with nothing but one key changes that one, and leaves everything else as it is shipped."""
    (tmp_path / "my.toml").write_text('[alerts.FlowauditLeakFound]\nseverity = "warning"\n', "utf-8")
    assert render("--config", tmp_path / "my.toml", "--output", tmp_path).returncode == 0
    before, after = (
        [rule for group in parsed(file)["groups"] for rule in group["rules"]]
        for file in (FILES[0], tmp_path / "alerts.yaml")
    )
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [(old["alert"], new["labels"]["severity"]) for old, new in changed] == [("FlowauditLeakFound", "warning")]


def test_selector_and_runbooks_are_the_users(tmp_path: Path) -> None:
    """Every series is selected by the user's matchers, and every runbook stands at the user's address."""
    (tmp_path / "my.toml").write_text(
        "selector = 'job=\"audit\",team=\"net\"'\nrunbook_url = 'https://wiki.example.com/{alert}'\n", "utf-8"
    )
    assert render("--config", tmp_path / "my.toml", "--output", tmp_path).returncode == 0
    for name in ("alerts.yaml", "recording_rules.yaml"):
        text = (tmp_path / name).read_text("utf-8")
        assert 'job="flowaudit"' not in text
        assert "github.com" not in text
    assert "runbook_url: https://wiki.example.com/FlowauditDown" in (tmp_path / "alerts.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[alerts.FlowauditDwn]\nfor = "5m"',
            "there is no key alerts.FlowauditDwn.for; did you mean alerts.FlowauditDown.for?",
        ),
        ("colour = 1", "there is no key colour"),
        ("[alerts.FlowauditDown]\nfor = 5", 'alerts.FlowauditDown.for is 5, but has to be a duration such as "15m"'),
        ('[alerts.FlowauditDown]\nfor = "soon"', "alerts.FlowauditDown.for is 'soon', but has to be a duration"),
        (
            '[alerts.FlowauditDown]\nseverity = "page"',
            "severity is 'page', but has to be one of critical, warning, info",
        ),
        (
            "[alerts.FlowauditLogObjectsFailing]\nthreshold = true",
            "threshold is True, but has to be a number of 0 or more",
        ),
        (
            '[alerts.FlowauditDetectorFailing]\nwindow = "30s"',
            "window is '30s', but has to be at least two scrapes, 60s",
        ),
        ("[slo.coverage]\nobjective = 0.9", "objective is 0.9, but has to be a share above 0.931"),
        ("[slo.freshness]\nwithin = 90", "slo.freshness.within is 90, but has to be one of 5, 10, 15, 30, 60, 120"),
        ("selector = 'job'", "selector is 'job', but has to be label matchers such as job=\"flowaudit\""),
        ('runbook_url = "https://example.com"', "runbook_url is 'https://example.com', but has to be an address with"),
        ("selector = [", "is no TOML: "),
    ],
)
def test_a_mistake_in_the_configuration_is_told(text: str, told: str, tmp_path: Path) -> None:
    """A configuration that cannot be used ends in one line that says where and why, and in exit code 2."""
    (tmp_path / "my.toml").write_text(text, "utf-8")
    checked = render("--config", tmp_path / "my.toml", "--output", tmp_path)
    assert checked.returncode == 2
    assert checked.stderr.startswith(f"scripts/rules: {tmp_path}/my.toml")
    assert told in checked.stderr
    assert checked.stderr.count("\n") == 1
    assert not (tmp_path / "alerts.yaml").exists()


def test_a_configuration_that_is_missing_is_told(tmp_path: Path) -> None:
    """A file that is not there ends in one line and exit code 2."""
    checked = render("--config", tmp_path / "none.toml", "--check")
    assert checked.returncode == 2
    assert checked.stderr == f"scripts/rules: {tmp_path}/none.toml cannot be read: No such file or directory\n"


def test_each_alert_has_its_runbook() -> None:
    """docs/runbooks/ has a page for each alert, and for nothing else."""
    assert sorted(page.stem for page in RUNBOOKS.glob("*")) == NAMES


@pytest.mark.parametrize("alert", NAMES)
def test_a_runbook_has_four_parts(alert: str) -> None:
    """A runbook says what the alert means, what it does harm to, how to look and what to do, on one screen."""
    text = (RUNBOOKS / f"{alert}.md").read_text("utf-8")
    assert text.startswith(f"# {alert}\n")
    assert re.findall(r"^##+ (.*)$", text, re.MULTILINE) == HEADINGS
    assert len(text.splitlines()) <= 45


@pytest.mark.parametrize("alert", NAMES)
def test_the_runbook_that_an_alert_links_is_a_page_of_ours(alert: str) -> None:
    """The address ends in the path of the page in the repository."""
    (url,) = {rule["annotations"]["runbook_url"] for rule in ALERTS if rule["alert"] == alert}
    assert (ROOT / url.partition("/blob/main/")[2]).is_file()


@pytest.mark.parametrize("alert", NAMES)
def test_a_runbook_and_its_alert_name_commands_that_there_are(alert: str) -> None:
    """Each command of flowaudit is a verb, with options that the verb has."""
    words = [rule["annotations"]["description"] for rule in ALERTS if rule["alert"] == alert]
    page = (RUNBOOKS / f"{alert}.md").read_text("utf-8")
    root = get_command(verbs)
    told = re.findall(r"`flowaudit ([a-z][^`\"]*)", page) + re.findall(r"Next: flowaudit ([^\"]+)", " ".join(words))
    for command in told:
        verb: Any = root
        for word in command.split():
            if word.startswith("-") and not re.fullmatch(r"-\d+[hd]", word):
                assert word in {name for option in verb.params for name in option.opts}, command
            elif verb is root or word in getattr(verb, "commands", {}):
                assert word in verb.commands, command
                verb = verb.commands[word]


def selectors(expr: str) -> list[promql.VectorSelector]:
    """Return every selection of series in an expression."""
    found: list[promql.VectorSelector] = []

    def visit(node: promql.Expr) -> None:
        if isinstance(node, promql.MatrixSelector):
            found.append(node.vector_selector)
        elif isinstance(node, promql.VectorSelector):
            found.append(node)

    promql.walk(promql.parse(expr), visit)
    return found


def test_rules_use_metrics_that_there_are() -> None:
    """Every series that is selected is a known metric with known labels, and each is of the configured job."""
    used = set()
    for selector in (one for rule in rules() for one in selectors(rule["expr"])):
        labels = {matcher.name for matcher in selector.matchers.matchers}
        assert selector.name in METRICS.keys() | OF_PROMETHEUS | RECORDED, selector.name
        assert labels <= TARGET | METRICS.get(str(selector.name), set()), selector.name
        assert "job" in labels or selector.name in RECORDED, selector.name
        used.add(str(selector.name))
    in_words = {
        name for rule in ALERTS for name in re.findall(r"flowaudit_\w+(?=\{)", rule["annotations"]["description"])
    }
    assert used | in_words <= METRICS.keys() | OF_PROMETHEUS | RECORDED
    assert used >= RECORDED | OF_PROMETHEUS


def test_words_use_labels_that_there_are() -> None:
    """A description names labels of its series only."""
    for rule in ALERTS:
        names = {str(selector.name) for selector in selectors(rule["expr"])}
        known = TARGET.union(*(METRICS.get(name, set()) for name in names))
        assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["description"])) <= known, rule["alert"]


def test_the_freshness_objective_is_a_bucket() -> None:
    """The bucket is written as the exporter writes it, with its decimal."""
    written = {
        matcher.value
        for rule in rules()
        for selector in selectors(rule["expr"])
        for matcher in selector.matchers.matchers
        if matcher.name == "le"
    }
    assert written == {"120.0"}
    assert 120 in BUCKETS


def test_the_example_for_prometheus_is_a_good_one() -> None:
    """Promtool accepts prometheus.yml, with the rules that it names."""
    checked = ran("promtool", "check", "config", RULES / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_example_for_alertmanager_is_a_good_one() -> None:
    """Amtool accepts alertmanager.yml."""
    checked = ran("amtool", "check-config", ALERTMANAGER)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=FlowauditLeakFound", "severity=critical"), "page"),
        (("alertname=FlowauditRecordsOld", "severity=warning"), "ticket"),
        (("alertname=FlowauditDetectorBlind", "severity=info"), "nobody"),
        (("alertname=FlowauditWatchdog", "severity=none"), "dead-mans-switch"),
    ],
)
def test_severity_decides_who_is_told(labels: tuple[str, ...], receiver: str) -> None:
    """In the example, critical pages, warning is a ticket, info reaches nobody, the watchdog its switch."""
    routed = ran("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", *labels)
    assert routed.stdout.split() == [receiver]

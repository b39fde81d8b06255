"""`flowaudit discover`, `interfaces`, `workloads` and `doctor`, as they print and end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flowaudit.inventory import history
from flowaudit.lake import Lake
from flowaudit.topology import Discovery, Gap, Interface, Owner, VpcConfig, Workload
from tests.cli.conftest import Run
from tests.scenario.cloud import serving

ACCOUNT, REGION = "123456789012", "us-east-1"
NOW = datetime.now(UTC)
FIRST, SECOND = NOW - timedelta(hours=4), NOW - timedelta(hours=2)
BEFORE, AFTER, BETWEEN = "-5h", "-1h", "-3h"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/"


def interface(id: str, **more: Any) -> Interface:
    """An interface of SageMaker's."""
    told: dict[str, Any] = {
        "interface_id": id,
        "account_id": ACCOUNT,
        "region": REGION,
        "owner": Owner.SAGEMAKER,
        "status": "in-use",
    }
    return Interface(**told | more)


def job(name: str, **more: Any) -> Workload:
    """A training job that runs."""
    told: dict[str, Any] = {
        "arn": ARN + name,
        "kind": "training_job",
        "name": name,
        "account_id": ACCOUNT,
        "region": REGION,
    }
    told |= {"created_at": FIRST, "vpc_configs": (VpcConfig(subnets=("subnet-b", "subnet-a")),)}
    return Workload(**told | {"status": "InProgress", "running": True} | more)


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two looks: a job's interface that is gone in the second, one that came, one of nobody, one of a Lambda."""
    lake = Lake(str(tmp_path_factory.mktemp("inventory") / "lake"))
    lake.create()
    of_job = {"workload_kind": "training_job", "workload": "fraud", "workload_arn": ARN + "fraud"}
    gone = interface("eni-gone", **of_job, attribution="security_groups", confidence=0.8, evidence="fits")
    stays = [interface("eni-nobody", owner=Owner.UNKNOWN), interface("eni-lambda", owner=Owner.LAMBDA)]
    came = interface("eni-came", candidates=(ARN + "fraud", ARN + "other"), evidence="two would fit")
    plain = Workload(arn=ARN + "m", kind="model", name="m", account_id=ACCOUNT, region=REGION)
    long = "User: arn:aws:sts::123456789012:assumed-role/flowaudit/flowaudit is not authorized " * 3
    gap = Gap(
        account_id=ACCOUNT, region=REGION, service="ec2", operation="describe_vpcs", reason="denied", message=long,
        transient=False,
    )  # fmt: skip
    for at, interfaces, workloads, gaps in (
        (FIRST, (gone, *stays), (job("fraud"), plain), ()),
        (SECOND, (came, *stays), (job("fraud", status="Completed", running=False), plain), (gap,)),
    ):
        found = Discovery(
            account_id=ACCOUNT, region=REGION, at=at, interfaces=interfaces, workloads=workloads, networks=(), gaps=gaps
        )
        history.record(lake, found)
    return Path(lake.uri)


class TestInterfaces:
    """`flowaudit interfaces`."""

    @pytest.mark.parametrize(
        ("options", "ids"),
        [
            ((), ["eni-came", "eni-nobody"]),
            (("--at", AFTER), ["eni-came", "eni-nobody"]),
            (("--at", BETWEEN), ["eni-gone", "eni-came", "eni-nobody"]),
            (("--at", BEFORE), ["eni-gone", "eni-nobody"]),
            (("--at", AFTER, "--all"), ["eni-came", "eni-lambda", "eni-nobody"]),
        ],
        ids=["now", "after the change", "before the change", "before the first look", "all"],
    )
    def test_those_of_then(self, run: Run, inventory: Path, options: tuple[str, ...], ids: list[str]) -> None:
        """SageMaker's first, and those that may be its; `--all` has also what is positively something else.

        What came between two looks counts from the first of them on.
        """
        ended = run("--lake", inventory, "interfaces", *options, "--format", "json")
        assert (ended.code, ended.err) == (0, "")
        assert [row["interface_id"] for row in ended.json] == ids

    def test_whose_they_are(self, run: Run, inventory: Path) -> None:
        """Name, kind and why; where several would fit, how many."""
        told = ("interface_id", "workload_kind", "workload", "attribution", "confidence", "evidence", "candidates")
        rows = run("--lake", inventory, "interfaces", "--at", BETWEEN, "--format", "json").json
        assert [rows[0][name] for name in told] == [
            "eni-gone", "training_job", "fraud", "security_groups", 0.8, "fits", 0
        ]  # fmt: skip
        (came, _) = run("--lake", inventory, "interfaces", "--format", "json").json
        assert (came["workload"], came["candidates"], came["evidence"]) == (None, 2, "two would fit")

    def test_the_table_is_the_short_of_it(self, run: Run, inventory: Path) -> None:
        """A table has what fits a terminal, every other format has all columns."""
        ended = run("--lake", inventory, "interfaces", "--all")
        names = "interface_id owner workload_kind workload attribution confidence evidence"
        assert ended.out.splitlines()[0].split() == names.split()
        assert {"subnet_id", "vpc_id", "addresses", "status", "candidates"} <= set(
            run("--lake", inventory, "interfaces", "--format", "json").json[0]
        )


class TestWorkloads:
    """`flowaudit workloads`."""

    @pytest.mark.parametrize(
        ("options", "rows"),
        [
            ((), []),
            (("--at", BETWEEN), [("fraud", "InProgress", 1)]),
            (("--at", BEFORE), []),
            (("--all",), [("m", "", 0), ("fraud", "Completed", 1)]),
        ],
        ids=["now", "while it ran", "before it was created", "all"],
    )
    def test_those_of_then(self, run: Run, inventory: Path, options: tuple[str, ...], rows: list[object]) -> None:
        """Those that were running, with how many interfaces were theirs; `--all` has the others too."""
        ended = run("--lake", inventory, "workloads", *options, "--format", "json")
        assert ended.code == 0
        assert [(row["workload"], row["status"], row["interfaces"]) for row in ended.json] == rows
        assert bool(ended.err) is not bool(rows)

    def test_what_it_tells(self, run: Run, inventory: Path) -> None:
        """Subnets of all its configurations, each once, in order; none where it has no VPC."""
        rows = run("--lake", inventory, "workloads", "--all", "--format", "json").json
        assert [row["subnets"] for row in rows] == [[], ["subnet-a", "subnet-b"]]

    def test_where_there_are_none_it_says_so(self, run: Run, inventory: Path) -> None:
        """What might be done is on stderr, and only what can help is named; the table is empty and the exit code 0."""
        ended = run("--lake", inventory, "workloads", "--at", BEFORE)
        assert ended.code == 0
        assert "no workloads are known of that time; `flowaudit discover` asks AWS, --all lists others" in ended.err


class TestWrongTimes:
    """`--at`, and lakes."""

    @pytest.mark.parametrize("verb", ["interfaces", "workloads"])
    @pytest.mark.parametrize(
        ("at", "said"),
        [
            ("yesterday", "yesterday"),
            ("", "RFC 3339"),
            ("2999-01-01T00:00:00Z", "--at 2999-01-01T00:00:00Z lies in the future: name a time that is past"),
        ],
        ids=["no time", "empty", "future"],
    )
    def test_a_wrong_time_is_told(self, run: Run, inventory: Path, verb: str, at: str, said: str) -> None:
        """It ends with 2 and a message; nothing is listed."""
        ended = run("--lake", inventory, verb, "--at", at)
        assert (ended.code, ended.out) == (2, "")
        assert said in ended.err

    @pytest.mark.parametrize("verb", ["interfaces", "workloads", "doctor"])
    def test_a_lake_that_is_not_there_is_told(self, run: Run, verb: str, tmp_path: Path) -> None:
        """It ends with 3, names the lake, and makes none."""
        ended = run("--lake", tmp_path / "none", verb)
        assert (ended.code, ended.out) == (3, "")
        assert f"there is no lake at {tmp_path / 'none'} yet" in ended.err
        assert not (tmp_path / "none").exists()


class TestDoctor:
    """`flowaudit doctor`."""

    def test_the_page_fits_a_narrow_terminal(self, run: Run, inventory: Path) -> None:
        """Detectors, when AWS was asked, interfaces by what they are, gaps; only AWS's own words are long."""
        ended = run("--lake", inventory, "doctor")
        assert (ended.code, ended.err) == (0, "")
        assert max(len(line) for line in ended.out.splitlines() if not line.startswith("no answer: ")) <= 80
        for said in ("newest record: none: run `flowaudit collect`", "there are no records", "describe_vpcs", "denied"):
            assert said in ended.out
        assert re.search(rf"discovered {ACCOUNT} {REGION}: 2h ago", ended.out)
        assert re.search(r"sagemaker +1 +0 +1 +0", ended.out)

    def test_the_json_has_it_all(self, run: Run, inventory: Path) -> None:
        """One document: detectors with reasons, regions with the time of the look, owners, gaps in full, doubles."""
        found = run("--lake", inventory, "doctor", "--format", "json").json
        assert set(found) == {"newest_record", "capabilities", "looked_at", "owners", "gaps", "twice"}
        assert {"detector": "path-undecided", "visibility": "none", "reasons": ["there are no records"]} in found[
            "capabilities"
        ]
        (looked,) = found["looked_at"]
        assert (looked["account_id"], looked["region"]) == (ACCOUNT, REGION)
        assert datetime.fromisoformat(looked["looked_at"]) == SECOND
        assert {row["owner"]: row["interfaces"] for row in found["owners"]} == {
            "lambda": 1,
            "sagemaker": 1,
            "unknown": 1,
        }
        assert [row["reason"] for row in found["gaps"]] == ["denied"]

    def test_records_without_an_inventory(self, run: Run, lake: Path) -> None:
        """Where AWS was never asked it says what is lost by it, and the page is there all the same."""
        ended = run("--lake", lake, "doctor")
        assert ended.code == 0
        assert "AWS was never asked what exists: `flowaudit discover`" in ended.err
        assert re.search(r"internet-egress-bypasses-nat +full", ended.out)

    def test_a_diagnosis_is_no_table(self, run: Run, inventory: Path) -> None:
        """Formats of tables are refused with those that will do."""
        ended = run("--lake", inventory, "doctor", "--format", "csv")
        assert (ended.code, ended.out) == (2, "")
        assert "choose table, json or ndjson" in ended.err


class TestDiscover:
    """`flowaudit discover`."""

    @pytest.fixture(scope="class", autouse=True)
    @staticmethod
    def url() -> Iterator[str]:
        """An emulated cloud."""
        with serving() as url:
            yield url

    @pytest.fixture
    def cloud(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its credentials and its address."""
        values = {"ENDPOINT_URL": url, "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "MAX_ATTEMPTS": "1"}
        for name, value in values.items():
            monkeypatch.setenv(f"AWS_{name}", value)

    def test_gaps_are_no_failure(self, run: Run, cloud: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What does not answer is told line by line; the rest is kept, and it ends with 0."""
        monkeypatch.setenv("AWS_REGION", REGION)
        ended = run("--lake", tmp_path / "lake", "discover", "--format", "json")
        assert ended.code == 0
        assert set(ended.json) == {
            "regions", "interfaces", "workloads", "networks", "only_in_logs", "changes", "calls", "gaps", "seconds"
        }  # fmt: skip
        assert (ended.json["regions"], ended.json["networks"]) == ([f"{ACCOUNT} {REGION}"], 1)
        assert f"no answer: sagemaker list_apps in {ACCOUNT} {REGION}: failed: " in ended.err
        assert ended.err.count("no answer: ") == ended.json["gaps"]

    def test_without_a_region_it_fails(self, run: Run, cloud: None, tmp_path: Path) -> None:
        """Whom it could not ask at all is told, and it ends with 3."""
        ended = run("--lake", tmp_path / "lake", "discover")
        assert ended.code == 3
        assert "there is no region; set AWS_REGION or [aws] regions" in ended.err

    def test_without_credentials_it_fails(self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody can be asked: it says what AWS's chain lacks, and ends with 3."""
        for name, value in {"REGION": REGION, "EC2_METADATA_DISABLED": "true", "CONFIG_FILE": "none"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
        ended = run("--lake", tmp_path / "lake", "discover")
        assert ended.code == 3
        assert "Unable to locate credentials" in ended.err

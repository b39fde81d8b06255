"""`flowaudit explain` tells why, and what is wrong with a question."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from flowaudit import catalogue
from flowaudit.config import shipped
from flowaudit.detect import detect
from flowaudit.topology import Attribution
from tests.cli.conftest import Run
from tests.explained import (
    ADDRESS,
    GATEWAY,
    JOB,
    NAT,
    S3_ADDRESS,
    S3_ELSEWHERE,
    Scene,
    interface,
    network,
    record,
    to,
)
from tests.flowlogs import V2

LEAK = """\
eni-0a to 203.0.113.9 at 2026-01-01T12:01:50Z: internet_gateway (traffic_path),
finding FINDING: Internet egress bypasses the NAT gateway

What was recorded
  2 records, 12.0 MB, from 2026-01-01T12:00:00Z to 2026-01-01T12:01:50Z; 1
  accepted, 1 rejected.
  The telling one: 10.0.0.5 port 40000 to 203.0.113.9 port 443, TCP,
  2026-01-01T12:01:00Z to 2026-01-01T12:01:50Z.
  It is egress: flow-direction, as recorded.
  It says flow-direction egress, traffic-path 8 (internet gateway), pkt-srcaddr
  10.0.0.5, pkt-dstaddr 203.0.113.9.
  Flow log fl-0a, object
  OBJECT.

Whose interface
  Owner sagemaker: its subnet and security groups are this job's alone.
  Its description: [DO NOT DELETE] ENI managed by SageMaker
  Its addresses: 10.0.0.5, 192.0.2.4 (public).
  Workload: training job fraud,
  arn:aws:sagemaker:us-east-1:123456789012:training-job/fraud.
  Known by security_groups, confidence 80%.

Which route
  Subnet subnet-0a in vpc-0a.
  As seen 2026-01-01T12:00:00Z.
  Route table rtb-0a, associated with the subnet.
  The route that matches: 0.0.0.0/0 to igw-0a, internet_gateway.

Which service, which endpoint
  The address is public; no AWS service is known there.
  No prefix list that is known has it.

What decided
  Path internet_gateway, evidence traffic_path: the record's traffic-path proves
  it.
  Rule traffic_path: This traffic-path names one way.

What to do
  Take the public address 192.0.2.4 from eni-0a: without one nothing leaves over
  the internet gateway.
    aws ec2 disassociate-address \\
      --association-id "$(aws ec2 describe-addresses --public-ips 192.0.2.4 \\
      --region us-east-1 --query 'Addresses[0].AssociationId' --output text)" \\
      --region us-east-1
    Mind: Open connections over this address are dropped.
    Mind: An address that is no Elastic IP has no association: it goes with its
    interface.
  Lead 0.0.0.0/0 in rtb-0a to NAT gateway nat-0a instead of igw-0a.
    aws ec2 replace-route --route-table-id rtb-0a \\
      --destination-cidr-block 0.0.0.0/0 --nat-gateway-id nat-0a \\
      --region us-east-1
    Mind: Open connections over this route are dropped.

Its other remotes
  192.0.2.130, S3: 1.0 kB in 1 record, internet_gateway (traffic_path)
"""

UNDECIDED = """\
eni-0a to 198.51.100.7 at 2026-01-01T12:04:50Z: unknown (none)

What was recorded
  1 record, 1.0 kB, from 2026-01-01T12:04:00Z to 2026-01-01T12:04:50Z; accepted.
  The telling one: 10.0.0.5 port 40000 to 198.51.100.7 port 443, TCP,
  2026-01-01T12:04:00Z to 2026-01-01T12:04:50Z.
  It is egress: only one of the addresses is the interface's own.
  It has no field that names a way.
  Flow log fl-0a, object
  OBJECT.

Whose interface
  Owner sagemaker: both made it.
  Its description: [DO NOT DELETE] ENI managed by SageMaker
  Its addresses: 10.0.0.5.
  Whose it is cannot be told: 2 workloads fit.
  - arn:aws:sagemaker:us-east-1:123456789012:training-job/fraud
  - arn:aws:sagemaker:us-east-1:123456789012:training-job/fraud-2

Which route
  Subnet subnet-0a in vpc-0a.
  It changed between 2026-01-01T12:00:00Z and 2026-01-01T12:10:00Z; the two
  looks differ, so no way is known from them.
  2026-01-01T12:00:00Z: Route table rtb-0a, the VPC's main one, as the subnet
  has none of its own. The route that matches: pl-0s3
  (com.amazonaws.us-east-1.s3, there 198.51.100.0/24) to vpce-0s3,
  gateway_endpoint. Less specific, so passed over: 0.0.0.0/0 to nat-0a,
  nat_gateway.
  2026-01-01T12:10:00Z: Route table rtb-0a, associated with the subnet. The
  route that matches: 0.0.0.0/0 to nat-0a, nat_gateway.

Which service, which endpoint
  The address is public; AWS service S3 in us-east-1, by the region's prefix
  list.
  It is in prefix list pl-0s3 (com.amazonaws.us-east-1.s3, there
  198.51.100.0/24).
  2026-01-01T12:00:00Z: The VPC had gateway endpoint vpce-0s3 for S3, associated
  with this route table.
  2026-01-01T12:10:00Z: The VPC had gateway endpoint vpce-0s3 for S3, not
  associated with this route table.

What decided
  Path unknown, evidence none: nothing proves a way.
  Rule undecided: Neither the record nor the routes prove a way.

What to do
  Have the VPC's flow log record what decides. A format cannot be changed: make
  a second one, then delete the first.
    aws ec2 create-flow-logs --resource-type VPC --resource-ids vpc-0a \\
      --traffic-type ALL --max-aggregation-interval 60 \\
      --log-destination-type s3 --log-destination arn:aws:s3:::BUCKET/PREFIX/ \\
      --log-format FORMAT \\
      --region us-east-1
    Mind: Put your own bucket in the place of BUCKET/PREFIX.
    Mind: The way of what is on record already stays undecided.
"""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Return an empty scene."""
    return Scene(tmp_path)


@pytest.fixture
def leak(scene: Scene) -> Scene:
    """Return a scene with a leak over the internet gateway that the detectors have found."""
    scene.look(network(to("igw-0a"), gateways=(NAT,)), interface(public_addresses=("192.0.2.4",)))
    scene.collect(
        record(traffic_path=8, bytes=12_000_000),
        record(1, traffic_path=8, action="REJECT"),
        record(2, traffic_path=8, dstaddr=S3_ELSEWHERE),
    )
    detect(scene.lake, catalogue.load([shipped("queries")]))
    return scene


def finding(run: Run, scene: Scene) -> str:
    """Return the id of the leak's finding."""
    found = run("--lake", scene.lake.uri, "findings", "--detector", "internet-egress-bypasses-nat", "--format", "json")
    return str(found.json[0]["id"])


def expected(page: str, scene: Scene, id: str = "") -> str:
    """Return a page with what differs from run to run."""
    (log,) = scene.folder.rglob("*.log.gz")
    return page.replace("FINDING", id).replace("OBJECT", str(log))


def test_a_finding_is_explained_in_words(run: Run, leak: Scene) -> None:
    """From the record to the commands, at 80 columns; the beginning of an id is enough."""
    id = finding(run, leak)
    ended = run("--lake", leak.lake.uri, "explain", id[:6])
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == expected(LEAK, leak, id)


def test_what_cannot_be_told_is_explained_in_words(run: Run, scene: Scene) -> None:
    """Two looks that differ, an interface that two workloads may have, a record without a telling field."""
    ambiguous = replace(
        interface(), workload=None, workload_arn=None, workload_kind=None, attribution=Attribution.NONE,
        confidence=0.0, evidence="both made it", candidates=(JOB, f"{JOB}-2"),
    )  # fmt: skip
    led = replace(GATEWAY, route_table_ids=("rtb-0a",))
    scene.look(network(to("nat-0a"), to("vpce-0s3", "pl-0s3"), main=True, endpoints=(led,)), ambiguous)
    scene.look(network(to("nat-0a"), endpoints=(GATEWAY,)), ambiguous, minute=10)
    scene.collect(record(4, header=V2, dstaddr=S3_ADDRESS), header=V2)
    ended = run("--lake", scene.lake.uri, "explain", "--interface", "eni-0a", "--remote", S3_ADDRESS)
    out = "\n".join(
        "      --log-format FORMAT \\" if "--log-format" in line else line for line in ended.out.split("\n")
    )
    assert out == expected(UNDECIDED, scene)


def test_the_example_in_the_docs_is_this_one(run: Run, leak: Scene) -> None:
    """docs/how-it-works.md shows what is printed, but for the folder of the object."""
    page = (Path(__file__).parents[2] / "docs" / "how-it-works.md").read_text("utf-8")
    (log,) = leak.folder.rglob("*.log.gz")
    assert LEAK.replace("FINDING", finding(run, leak)).replace("OBJECT", f"s3://flow-logs/{log.name}") in page


def test_folded_commands_are_the_commands(run: Run, leak: Scene) -> None:
    """What is broken over lines for people is, to a shell, what JSON has in one."""
    id = finding(run, leak)
    page = run("--lake", leak.lake.uri, "explain", id).out.replace("\\\n", "")
    told = [shlex.split(line) for line in page.splitlines() if line.startswith("    aws ")]
    remedies = run("--lake", leak.lake.uri, "explain", id, "--format", "json").json["remedies"]
    wanted = [shlex.split(command) for remedy in remedies for command in remedy["commands"]]
    assert [[" ".join(word.split()) for word in words] for words in told] == wanted


def test_json_is_one_object_and_ndjson_one_line(run: Run, leak: Scene) -> None:
    """Times are RFC 3339, and nothing is left to the words."""
    where = ("--lake", leak.lake.uri, "explain", "--interface", "eni-0a", "--remote", ADDRESS)
    document = run(*where, "--format", "json").json
    assert list(document) == [
        "interface_id", "remote", "at", "finding", "title", "records", "interface", "routing", "destination",
        "verdict", "remedies", "others",
    ]  # fmt: skip
    assert (document["at"], document["finding"]) == ("2026-01-01T12:01:50Z", None)
    assert document["routing"]["looks"][0]["routes"][0]["target"] == "igw-0a"
    assert document["verdict"]["rule"] == "traffic_path"
    assert json.loads(run(*where, "--format", "ndjson").out) == document


def test_findings_show_leads_here(run: Run, leak: Scene) -> None:
    """The page of a finding ends with the command that explains it."""
    id = finding(run, leak)
    assert run("--lake", leak.lake.uri, "findings", "show", id).out.endswith(
        f"Why it says so: flowaudit explain {id}\n"
    )


def test_what_strangers_wrote_stays_text(run: Run, scene: Scene) -> None:
    """A description with control characters reaches no terminal as such."""
    scene.look(network(to("nat-0a")), interface(description="red \x1b[31m alert"))
    out = run("--lake", scene.lake.uri, "explain", "--interface", "eni-0a", "--remote", ADDRESS).out
    assert "Its description: red \\x1b[31m alert" in out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "error: what is to be explained? give a finding's id, or --interface ENI and --remote ADDRESS"),
        (["--interface", "eni-0a"], 2, "error: what is to be explained? give a finding's id"),
        (["--remote", ADDRESS], 2, "error: what is to be explained? give a finding's id"),
        (["4f2a", "--interface", "eni-0a"], 2, "error: a finding and --interface or --remote are two questions"),
        (["zzzz"], 2, "error: 'zzzz' names no one finding, there is none; `flowaudit findings` lists them"),
        (
            ["--interface", "eni-0a", "--remote", "bucket"],
            2,
            "error: --remote 'bucket' is no IP address: give one like",
        ),
        (["--interface", "eni-0a", "--remote", ADDRESS, "--at", "noon"], 2, "error: 'noon' is no time"),
    ],
)
def test_a_question_that_is_none_is_told_of(words: list[str], code: int, message: str, run: Run, lake: Path) -> None:
    """One message that says how to ask, and exit 2."""
    ended = run("--lake", lake, "explain", *words)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith(message)
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize("words", [["4f2a"], ["--interface", "eni-0a", "--remote", ADDRESS]])
def test_without_a_lake_nothing_is_explained(words: list[str], run: Run) -> None:
    """Exit 3, and where the lake was looked for."""
    ended = run("--lake", "nowhere", "explain", *words)
    assert (ended.code, ended.out) == (3, "")
    assert "nowhere" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_time_ago_and_an_interface_nobody_knows(run: Run, lake: Path) -> None:
    """What is in no record and in no inventory is said to be so, and the way to learn more."""
    ended = run("--lake", lake, "explain", "--interface", "eni-0f", "--remote", "2001:DB8::0001", "--at", "-1h")
    assert ended.code == 0
    assert ended.out.startswith("eni-0f to 2001:db8::1 at 20")
    for sentence in ("No record: what follows", "has never heard of it", "never discovered"):
        assert sentence in ended.out

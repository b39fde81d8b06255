"""`flowaudit setup policy`, as it is typed, against a cloud that is served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from moto.sagemaker.responses import SageMakerResponse

from flowaudit.collect import collect
from flowaudit.inventory import history
from flowaudit.lake import Lake
from flowaudit.paths import Atlas
from flowaudit.policies import Decision, Policy, Request
from flowaudit.sources.local import LocalSource
from flowaudit.topology import Discovery, Interface
from tests.cli.conftest import Run
from tests.flowlogs import V5, write
from tests.scenario.cloud import REGION, S3, client, serving

ACCOUNT = "123456789012"
LACKING = {
    "list_inference_components": "InferenceComponents",
    "list_user_profiles": "UserProfiles",
    "list_auto_ml_jobs": "AutoMLJobSummaries",
    "list_hyper_parameter_tuning_jobs": "HyperParameterTuningJobSummaries",
}
"""What moto does not have, or not by every filter: lists that are empty here."""


@dataclass(frozen=True)
class Built:
    """Ids of what was built."""

    vpc: str
    endpoint: str


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of a cloud."""
    with serving() as address:
        yield address


@pytest.fixture(scope="module")
def built(url: str) -> Built:
    """A VPC with an S3 endpoint; two endpoints of SageMaker in it, and a model that nothing runs."""
    ec2, sagemaker, s3 = (client(name, url) for name in ("ec2", "sagemaker", "s3"))
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    endpoint = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=S3, VpcEndpointType="Gateway")["VpcEndpoint"]
    s3.create_bucket(Bucket="models")
    role = f"arn:aws:iam::{ACCOUNT}:role/x"
    network = {"Subnets": [subnet], "SecurityGroupIds": ["sg-1"]}
    for name in ("fraud", "churn", "idle"):
        container = {"Image": "registry.example.com/x", "ModelDataUrl": f"s3://models/{name}/model.tar.gz"}
        sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer=container, VpcConfig=network)
    for name in ("fraud", "churn"):
        variant = {"VariantName": "v", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    return Built(vpc, endpoint["VpcEndpointId"])


@pytest.fixture(autouse=True)
def _cloud(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its credentials and its address."""
    values = {
        "ENDPOINT_URL": url,
        "ACCESS_KEY_ID": "x",
        "SECRET_ACCESS_KEY": "x",
        "MAX_ATTEMPTS": "1",
        "REGION": REGION,
    }
    for name, value in values.items():
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists that moto lacks, empty."""
    for name, key in LACKING.items():
        answer = json.dumps({key: []})
        monkeypatch.setattr(SageMakerResponse, name, lambda self, answer=answer: answer, raising=False)


def gets(document: Any, name: str) -> bool:
    """Return whether a policy lets a model's data be read."""
    arn = f"arn:aws:s3:::models/{name}/model.tar.gz"
    request = Request("s3:GetObject", arn, context={"aws:PrincipalAccount": ACCOUNT})
    return Policy.parse(document).decide(request).decision is Decision.ALLOWED


def test_json_is_the_policy_alone(run: Run, built: Built, whole: None) -> None:
    """It can be piped into the AWS CLI; all else is on stderr, the command that applies it in two lines."""
    ended = run("setup", "policy", "--vpc", built.vpc, "--format", "json")
    assert ended.code == 0, ended.err
    assert gets(ended.json, "fraud")
    assert gets(ended.json, "churn")
    assert not gets(ended.json, "idle")
    assert ended.err.splitlines()[-2:] == [
        f"aws ec2 modify-vpc-endpoint --region {REGION} --vpc-endpoint-id {built.endpoint} \\",
        "  --policy-document file://policy.json",
    ]


def test_the_page_has_the_reasons(run: Run, built: Built, whole: None) -> None:
    """Who needs what and by which field, what nothing runs, what the present policy allows, and the diff."""
    ended = run("setup", "policy", "--vpc", built.vpc)
    assert (ended.code, ended.err) == (0, "")
    assert (
        "endpoint fraud  read  s3://models/fraud/model.tar.gz  model fraud: PrimaryContainer.ModelDataUrl" in ended.out
    )
    assert "Left out: no endpoint or job uses it; add it with --workload:\n  model idle\n" in ended.out
    assert f"{built.endpoint} at present: does not allow what is needed:\n  nothing is lacking\n" in ended.out
    assert "statement 1: * on all buckets (*)" in ended.out
    assert "--- present\n+++ needed\n" in ended.out
    assert "Traffic to S3 over the gateway endpoint, the last 30 days:\n  not known: there is no lake\n" in ended.out


def test_it_is_written_to_a_file(run: Run, built: Built, whole: None, tmp_path: Path) -> None:
    """The file has the policy, stdout the page, and the command the name of the file."""
    file = tmp_path / "a policy.json"
    ended = run("setup", "policy", "--vpc", built.vpc, "--output", file)
    assert gets(file.read_text(), "fraud")
    assert not ended.out.startswith("{")
    assert ended.out.endswith(f"  --policy-document 'file://{file}'\n")


def test_a_workload_by_name(run: Run, built: Built, whole: None) -> None:
    """Its needs alone, with a warning about all others; an unknown name is an error that names the nearest."""
    ended = run("setup", "policy", "--vpc", built.vpc, "--workload", "churn", "--format", "json")
    assert gets(ended.json, "churn")
    assert not gets(ended.json, "fraud")
    assert "warning: only for what is named: applied, the policy denies S3 to every other workload" in ended.err
    wrong = run("setup", "policy", "--vpc", built.vpc, "--workload", "chrun")
    assert (wrong.code, wrong.out) == (2, "")
    assert "there is no workload 'chrun': did you mean churn?" in wrong.err


def test_what_was_not_read_is_a_warning(run: Run, built: Built) -> None:
    """An API without an answer is named, and the command is left out: applied, the policy could deny what is needed."""
    ended = run("setup", "policy", "--vpc", built.vpc, "--format", "json")
    assert ended.code == 0
    assert gets(ended.json, "fraud")
    assert "warning: not read: sagemaker list_inference_components in" in ended.err
    assert "The command is left out: something was not read." in ended.err
    assert "modify-vpc-endpoint" not in ended.err


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ((), 2, "there is no VPC: name it with --vpc, make it with flowaudit setup apply"),
        (("--vpc", "vpc-12345678"), 2, f"--vpc vpc-12345678: there is no such VPC in {REGION}"),
        (("--vpc", "vpc-12345678", "--since", "soon"), 2, "'soon' is no time"),
    ],
)
def test_wrong_options(run: Run, args: tuple[str, ...], code: int, message: str) -> None:
    """They end with 2 and say what to do."""
    ended = run("setup", "policy", *args)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err


def test_aws_that_does_not_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with an error, not with a policy that allows nothing."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:1")
    ended = run("setup", "policy", "--vpc", "vpc-12345678")
    assert (ended.code, ended.out) == (3, "")
    assert "the subnets of vpc-12345678 are not known: ec2 describe_subnets" in ended.err


def test_traffic_that_was_seen(run: Run, built: Built, whole: None, tmp_path: Path) -> None:
    """By workload: allowed for its prefixes, denied as it is not in the policy, or not known."""
    lake = Lake(str(tmp_path / "lake"))
    lake.create()
    start = datetime.now(UTC) - timedelta(days=1)
    whose = {"eni-1": ("endpoint", "fraud"), "eni-2": ("training_job", "old"), "eni-3": ("app", "d-1/ann")}
    found = tuple(
        Interface(
            account_id=ACCOUNT,
            region=REGION,
            interface_id=id,
            vpc_id=built.vpc,
            owner="sagemaker",
            workload_kind=kind,
            workload=name,
            workload_arn=f"arn:{id}",
        )
        for id, (kind, name) in whose.items()
    )
    history.record(
        lake, Discovery(account_id=ACCOUNT, region=REGION, at=start, interfaces=found, workloads=(), networks=())
    )
    second = int(start.timestamp())
    head, tail = (
        "10.0.0.5 52.216.0.9 40000 443 6 10",
        f"ACCEPT OK {built.vpc} subnet-1 - 2 IPv4 10.0.0.5 52.216.0.9 {REGION} use1-az1 - - -",
    )
    lines = [
        f"5 {ACCOUNT} {id} {head} {size} {second} {second + 50} {tail} {service} egress {path}"
        for id, size, path, service in [
            ("eni-1", 1000, 7, "S3"),
            ("eni-2", 500, 7, "S3"),
            ("eni-3", 100, 7, "S3"),
            ("eni-1", 9, 7, "DYNAMODB"),
            ("eni-2", 9, 8, "S3"),
        ]
    ]
    write(tmp_path / "logs" / f"{ACCOUNT}_vpcflowlogs_{REGION}_fl-1a_20260101T0000Z_1.log.gz", *lines, header=V5)
    collect([(LocalSource(str(tmp_path / "logs")), None)], lake, atlas=Atlas(everything=True))
    ended = run("--lake", tmp_path / "lake", "setup", "policy", "--vpc", built.vpc, "--format", "json")
    page = ended.err.partition("Traffic to S3")[2].splitlines()
    assert [line.split("  ")[1] for line in page[1:4]] == ["endpoint fraud", "training job old", "app d-1/ann"]
    assert page[1].endswith("allowed for its prefixes; flow logs name no bucket")
    assert page[2].endswith("denied unless it uses the same prefixes: it is not in this policy, or it is gone")
    assert page[3].endswith("not known: S3 URIs of this kind are not read")
    assert "  1 flow  1.0 kB  " in page[1]
    assert "Flow logs name neither bucket nor key" in page[4]

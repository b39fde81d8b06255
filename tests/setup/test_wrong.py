"""Each wrong configuration of the VPC has its message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowaudit.config import Config, load
from flowaudit.errors import ConfigError
from flowaudit.setup import template

WRONG = {
    "name = 'Prod'": (
        "setup.name: must be 2 to 32 lowercase letters, digits and -, starting with a letter: it names resources"
    ),
    "region = 'mars'": "setup.region: must be an AWS region, as in us-east-1",
    "region = 'cn-north-1'": (
        "setup.region: regions of China are not supported: their endpoint services have other names"
    ),
    "profile = 'public'": "setup.profile: must be one of 'isolated' or 'nat'",
    "nat = 'none'": "setup.nat: must be one of 'one_per_az', 'single' or 'regional'",
    "cidr = '10.0.0.0'": "setup.cidr: 10.0.0.0 is not between /16 and /28, the sizes that a VPC can have",
    "cidr = '10.0.0.1/16'": "setup.cidr: '10.0.0.1/16' is no IPv4 network: write one as in 10.0.0.0/16",
    "cidr = '10.0.0.0/8'": "setup.cidr: 10.0.0.0/8 is not between /16 and /28, the sizes that a VPC can have",
    "cidr = '2001:db8::/32'": "setup.cidr: '2001:db8::/32' is no IPv4 network: write one as in 10.0.0.0/16",
    "availability_zones = 1": (
        "setup.availability_zones: must be 2 to 6: SageMaker needs subnets in two zones, even for one instance"
    ),
    "availability_zones = true": (
        'setup.availability_zones: must be a number, or ids of zones, as in ["use1-az1", "use1-az2"]'
    ),
    "availability_zones = ['us-east-1a', 'us-east-1b']": (
        "setup.availability_zones: 'us-east-1a' is no id of a zone: write ids, as in use1-az1; names differ between "
        "accounts"
    ),
    "availability_zones = ['use1-az1', 'use1-az1']": (
        "setup.availability_zones: must be 2 to 6 different zones: SageMaker needs two, even for one instance"
    ),
    "availability_zones = ['use1-az1']": (
        "setup.availability_zones: must be 2 to 6 different zones: SageMaker needs two, even for one instance"
    ),
    "instances = 0": "setup.instances: Input should be greater than or equal to 1",
    "amazon_linux_repositories = 'yes'": "setup.amazon_linux_repositories: must be one of 'allow' or 'deny'",
    "s3_prefix_list = 'com.amazonaws.us-east-1.s3'": (
        "setup.s3_prefix_list: 'com.amazonaws.us-east-1.s3' is no id: write one as in pl-0123456789abcdef0"
    ),
    "buckets = { read_only = ['s3://models'] }": (
        "setup.buckets.read_only[0]: 's3://models' is no name of a bucket: write the name alone, without s3:// and "
        "without a prefix"
    ),
    "buckets = { read_only = ['*'] }": (
        "setup.buckets.read_only[0]: '*' is no name of a bucket: write the name alone, without s3:// and without a "
        "prefix"
    ),
    "buckets = { read_only = ['models'], read_write = ['models'] }": (
        "setup.buckets: 'models' is named twice: name it in read_only or in read_write"
    ),
    "buckets = { read_only = ['al2023-models'] }": (
        "setup: buckets: 'al2023-models' matches al2023-*, a repository of Amazon Linux, which are denied: rename it, "
        "or allow them"
    ),
    "interface_endpoints = { sagemaker_apis = true }": (
        "setup.interface_endpoints.sagemaker_apis: no such key: did you mean sagemaker_api?"
    ),
    "interface_endpoints = { kms = 'yes' }": "setup.interface_endpoints.kms: must be true or false",
    "flow_logs = { destination = 'firehose' }": (
        "setup.flow_logs.destination: must be one of 's3' or 'cloud-watch-logs'"
    ),
    "flow_logs = { destination = 'cloud-watch-logs', format = 'parquet' }": (
        'setup.flow_logs: format: CloudWatch Logs has text only: remove it, or set destination = "s3"'
    ),
    "flow_logs = { destination = 'cloud-watch-logs', retention = '100d' }": (
        "setup.flow_logs: retention: CloudWatch Logs does not offer 100d: the nearest is 90d"
    ),
    "flow_logs = { retention = '36h' }": (
        "setup.flow_logs.retention: must be whole days, as in 365d, and at most 36500d"
    ),
    "flow_logs = { retention = '0d' }": "setup.flow_logs.retention: must be longer than nothing",
    "flow_logs = { fields = ['bytes', 'bytes'] }": "setup.flow_logs: fields: 'bytes' is named twice",
    "bucket_policy = { enabled = true }": (
        "setup.bucket_policy: break_glass: is missing: without it nobody outside the VPC can reach the buckets any more"
    ),
    "bucket_policy = { break_glass = ['admin'] }": (
        "setup.bucket_policy.break_glass[0]: must be the ARN of a role or a user, as in "
        "arn:aws:iam::111122223333:role/admin"
    ),
    "bucket_policy = { enabled = true, break_glass = ['arn:aws:iam::111122223333:role/admin'] }": (
        "setup: bucket_policy: there is no bucket to protect: name it in buckets"
    ),
    "profile = 'nat'\nblock_public_access = 'block-bidirectional'": (
        'setup: block_public_access: "block-bidirectional" closes the NAT gateway too: use "block-ingress"'
    ),
    "encryption_controls = 'on'": "setup.encryption_controls: must be one of 'off', 'monitor' or 'enforce'",
    "existing_vpc = { subnets = ['subnet-01234567'] }": (
        "setup.existing_vpc: id: is missing: name the VPC that they belong to"
    ),
    "existing_vpc = { id = 'vpc-01234567', subnets = ['subnet-01234567'], route_tables = ['rtb-01234567'] }": (
        "setup.existing_vpc: subnets: must be two different ones or more, each in a zone of its own"
    ),
    "existing_vpc = { id = 'vpc-01234567', subnets = ['subnet-01234567', 'subnet-01234568'] }": (
        "setup.existing_vpc: route_tables: must name each route table of the subnets, once"
    ),
    "existing_vpc = { id = 'my-vpc' }": (
        "setup.existing_vpc.id: 'my-vpc' is no id: write one as in vpc-0123456789abcdef0"
    ),
    "instances = 9\nexisting_vpc = { id = 'vpc-01234567', subnets = ['subnet-01234567', 'subnet-01234568'], "
    "route_tables = ['rtb-01234567'] }": "setup: instances: belongs to a new VPC: remove it, or existing_vpc",
    "tags = { Name = 'x' }": "setup.tags: 'Name' is set by flowaudit itself: remove it",
    "tags = { 'aws:x' = 'x' }": (
        "setup.tags: 'aws:x': keys and values are letters, digits, spaces and +-=._:/@, without aws: in front"
    ),
    "availability_zone = 3": "setup.availability_zone: no such key: did you mean availability_zones?",
}


def refusal(path: Path, text: str) -> str:
    """Return what is said of a section with this text."""
    (path / "flowaudit.toml").write_text(f"[setup]\n{text}\n", "utf-8")
    with pytest.raises(ConfigError) as refused:
        load(path / "flowaudit.toml", {})
    return str(refused.value).replace(f"{path}/", "")


@pytest.mark.parametrize(("text", "expected"), WRONG.items(), ids=WRONG)
def test_a_mistake_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    """A mistake is told with its file, its place and what is allowed there."""
    assert refusal(tmp_path, text) == f"flowaudit.toml: {expected}"


def test_several_contradictions_are_told_at_once(tmp_path: Path) -> None:
    """Nobody mends one to be told of the next."""
    told = refusal(tmp_path, "cidr = '10.0.0.0/28'\nprofile = 'nat'\nblock_public_access = 'block-bidirectional'")
    assert "cidr: 10.0.0.0/28 has 16 addresses" in told
    assert "; block_public_access: " in told


def test_what_a_template_needs_is_asked_for() -> None:
    """A section is fine without region and buckets; a template is not."""
    with pytest.raises(ConfigError, match=r"^setup\.region: is missing: name the region of the VPC"):
        template(Config().setup)
    with pytest.raises(ConfigError, match=r"^setup\.buckets: there is none: name in read_only or read_write"):
        template(Config.model_validate({"setup": {"region": "us-east-1"}}).setup)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("pkt-dst-adr", "did you mean pkt-dstaddr?"),
        ("${bytes}", "did you mean bytes?"),
        ("quux", "docs/operations.md has them all"),
    ],
)
def test_an_unknown_field_is_refused(name: str, hint: str) -> None:
    """AWS would refuse the flow log when everything else is made already."""
    config = {"setup": {"region": "us-east-1", "buckets": {"read_only": ["models"]}, "flow_logs": {"fields": [name]}}}
    with pytest.raises(ConfigError) as refused:
        template(Config.model_validate(config).setup)
    assert str(refused.value) == f"setup.flow_logs.fields[0]: {name!r} is no field of flow logs: {hint}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot be read"),
        ("{", "is no policy"),
        ('{"Statement": [{"Effect": "Perhaps"}]}', "is no policy"),
        ('{"Version": "2012-10-17", "Statement": []}' + " " * 9, ""),
        (f'{{"Id": "{"x" * 20_480}", "Version": "2012-10-17", "Statement": []}}', "at most 20,480"),
    ],
    ids=["none", "no JSON", "no effect", "sound", "too long"],
)
def test_a_policy_file_is_read_before_anything_is_rendered(tmp_path: Path, text: str | None, why: str) -> None:
    """What is wrong with it is one message with its name; a sound one is the endpoint's whole policy."""
    file = tmp_path / "policy.json"
    if text is not None:
        file.write_text(text)
    wish = {"region": "us-east-1", "s3_endpoint_policy": str(file)}
    settings = Config.model_validate({"setup": wish}).setup
    if why:
        with pytest.raises(ConfigError, match=rf"setup\.s3_endpoint_policy: .*policy\.json .*{why}"):
            template(settings)
    else:
        (endpoint,) = [each for each in template(settings).resources if each.name == "S3Endpoint"]
        assert endpoint.properties["PolicyDocument"] == json.loads(text or "")

"""Any valid configuration renders a template that CloudFormation's tools read, with subnets that fit."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from itertools import combinations
from typing import Any

import cfnlint.decode.cfn_yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from flowaudit.config import ENDPOINT_SERVICES, Setup
from flowaudit.schema import FIELDS
from flowaudit.setup import template, to_json, to_yaml
from tests.setup.wishes import ADMIN, of_type, references

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,30}[a-z0-9]", fullmatch=True)
BUCKET = st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}[a-z0-9]", fullmatch=True)
TAG = st.text("abcXYZ019 +-=._:/@", max_size=20)
ZONES = [f"use1-az{number}" for number in range(1, 7)]
FIELD_NAMES = [field.name for field in FIELDS]


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    """Return the keys of a section, nearly always a valid one."""
    prefix = draw(st.integers(16, 24))
    buckets = draw(st.lists(BUCKET, min_size=1, max_size=4, unique=True))
    cut = draw(st.integers(0, len(buckets)))
    destination = draw(st.sampled_from(["s3", "cloud-watch-logs"]))
    days = st.integers(1, 3_650) if destination == "s3" else st.sampled_from([1, 30, 365, 3_653])
    profile = draw(st.sampled_from(["isolated", "nat"]))
    return {
        "name": draw(NAMES),
        "region": "us-east-1",
        "profile": profile,
        "nat": draw(st.sampled_from(["one_per_az", "single", "regional"])),
        "cidr": f"10.{draw(st.integers(0, 255))}.0.0/{prefix}",
        "availability_zones": draw(
            st.one_of(st.integers(2, 6), st.lists(st.sampled_from(ZONES), min_size=2, max_size=6, unique=True))
        ),
        "instances": draw(st.integers(1, 2_000)),
        "inter_node": draw(st.booleans()),
        "buckets": {"read_only": buckets[:cut], "read_write": buckets[cut:], "jumpstart": draw(st.booleans())},
        "amazon_linux_repositories": draw(st.sampled_from(["allow", "deny"])),
        "interface_endpoints": {key: draw(st.booleans()) for key in ENDPOINT_SERVICES},
        "flow_logs": {
            "destination": destination,
            "retention": f"{draw(days)}d",
            "fields": draw(st.lists(st.sampled_from(FIELD_NAMES), max_size=60, unique=True)),
        },
        "bucket_policy": draw(st.sampled_from([{}, {"enabled": True, "break_glass": [ADMIN]}])),
        "encryption_controls": draw(st.sampled_from(["off", "monitor", "enforce"])),
        "guardrail": draw(st.booleans()),
        "tags": draw(st.dictionaries(TAG.filter(bool), TAG, max_size=4)),
    }


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(wishes())
def test_any_valid_configuration_renders(wish: dict[str, Any]) -> None:
    """The YAML is the JSON, names what is there, and its subnets are disjoint and inside the VPC."""
    setup, refusal = Setup(), ""
    try:
        setup = Setup.model_validate(wish)
    except ValidationError as error:
        refusal = str(error)
    assert not refusal or "addresses" in refusal, "what is refused is a VPC that is too small"
    assume(not refusal)
    made = template(setup)
    told = json.loads(to_json(made))
    assert cfnlint.decode.cfn_yaml.loads(to_yaml(made)) == told
    assert set(references(told)) <= {*told["Resources"], *told["Parameters"], "AWS::AccountId"}
    subnets = [IPv4Network(each["CidrBlock"]) for each in of_type(told, "AWS::EC2::Subnet").values()]
    assert all(subnet.subnet_of(IPv4Network(setup.cidr)) for subnet in subnets)
    assert not any(one.overlaps(other) for one, other in combinations(subnets, 2))

"""Configurations of the VPC that the tests render, and what a template says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flowaudit.config import ENDPOINT_SERVICES, Setup
from flowaudit.setup import Template, template, to_json

BUCKETS = {"read_only": ["amzn-example-models"], "read_write": ["amzn-example-outputs"]}
LEAST = {"region": "us-east-1", "buckets": BUCKETS}
ADMIN = "arn:aws:iam::111122223333:role/admin"
EXISTING = {
    "id": "vpc-0123456789abcdef0",
    "subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    "route_tables": ["rtb-0123456789abcdef0"],
}
NO_ENDPOINTS = dict.fromkeys(ENDPOINT_SERVICES, False)

WISHES: dict[str, dict[str, Any]] = {
    "isolated": {},
    "nat per zone": {"profile": "nat"},
    "single nat, zones by id, distributed jobs, packages": {
        "profile": "nat",
        "nat": "single",
        "availability_zones": ["use1-az1", "use1-az2", "use1-az4"],
        "inter_node": True,
        "amazon_linux_repositories": "allow",
    },
    "regional nat, both account controls": {
        "profile": "nat",
        "nat": "regional",
        "encryption_controls": "enforce",
        "block_public_access": "block-ingress",
        "s3_prefix_list": "pl-63a5400a",
    },
    "log group and guardrail": {"flow_logs": {"destination": "cloud-watch-logs"}, "guardrail": True},
    "text with few fields": {"flow_logs": {"format": "text", "fields": ["version", "interface-tag", "bytes"]}},
    "everything": {
        "profile": "nat",
        "availability_zones": 4,
        "inter_node": True,
        "interface_endpoints": dict.fromkeys(ENDPOINT_SERVICES, True),
        "buckets": {**BUCKETS, "jumpstart": True},
        "bucket_policy": {"enabled": True, "break_glass": [ADMIN]},
        "encryption_controls": "monitor",
        "guardrail": True,
        "tags": {"team": "ml", "cost-center": "0123"},
    },
    "existing VPC": {"existing_vpc": EXISTING, "profile": "nat", "guardrail": True},
    "another partition": {"region": "us-gov-west-1"},
    "no interface endpoint, nothing public": {
        "interface_endpoints": NO_ENDPOINTS,
        "block_public_access": "block-bidirectional",
    },
}


def setup(**wish: Any) -> Setup:
    """Return the section with these keys, beside the region and the buckets that it needs."""
    return Setup.model_validate({**LEAST, **wish})


def made(**wish: Any) -> Template:
    """Return the template of these keys."""
    return template(setup(**wish))


def document(**wish: Any) -> dict[str, Any]:
    """Return the template of these keys as CloudFormation reads it, functions in their long form."""
    return json.loads(to_json(made(**wish)))


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the resources of a type, by name."""
    return {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == kind}


def references(value: Any) -> Iterator[str]:
    """Yield the names that a value refers to."""
    match value:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [name, *_]}:
            yield name
        case dict():
            for member in value.values():
                yield from references(member)
        case list():
            for member in value:
                yield from references(member)

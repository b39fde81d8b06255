"""A template is valid, complete, readable, and the same for the same configuration."""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
import cfnlint.decode.cfn_yaml
import pytest
import yaml
from cfnlint.api import ManualArgs, lint
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from moto import mock_aws

from flowaudit.config import ENDPOINT_SERVICES
from flowaudit.config.setup import InterfaceEndpoints
from flowaudit.setup import to_json, to_yaml
from flowaudit.setup.request import LONGEST_BODY
from tests.setup.wishes import LEAST, WISHES, document, made, of_type, references, setup

wishes = pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)


@wishes
def test_cfn_lint_finds_nothing(wish: dict[str, Any]) -> None:
    """CloudFormation's linter has no finding, not even a warning."""
    region = wish.get("region", LEAST["region"])
    assert lint(to_yaml(made(**wish)), config=ManualArgs(regions=[region])) == []


@wishes
def test_yaml_and_json_say_the_same(wish: dict[str, Any]) -> None:
    """Quoted, folded or on one line: read back, the YAML is the JSON."""
    assert cfnlint.decode.cfn_yaml.loads(to_yaml(made(**wish))) == json.loads(to_json(made(**wish)))


@wishes
def test_the_same_configuration_is_the_same_text(wish: dict[str, Any]) -> None:
    """Rendering is a function: no time, no random id."""
    assert to_yaml(made(**wish)) == to_yaml(made(**wish))


def test_the_order_of_tags_does_not_matter() -> None:
    """Tags are a table, and tables of TOML have no order."""
    assert to_yaml(made(tags={"a": "1", "b": "2"})) == to_yaml(made(tags={"b": "2", "a": "1"}))


@wishes
def test_everything_is_described(wish: dict[str, Any]) -> None:
    """Each resource has a comment in front of it; parameters and outputs have their Description."""
    text = to_yaml(made(**wish))
    resources = text.partition("\nResources:\n")[2].partition("\nOutputs:\n")[0]
    lines = resources.splitlines()
    named = [number for number, line in enumerate(lines) if re.match(r"  \w+:$", line)]
    assert len(named) == len(made(**wish).resources)
    assert all(lines[number - 1].startswith("  # ") for number in named)
    told = document(**wish)
    assert all(each["Description"] for each in (*told["Parameters"].values(), *told["Outputs"].values()))


@wishes
def test_it_is_plain_yaml(wish: dict[str, Any]) -> None:
    """There is no anchor, no alias, no function in its long form, and no comment wider than the page."""
    text = to_yaml(made(**wish))
    tokens = list(yaml.scan(text, Loader=yaml.SafeLoader))
    assert not [token for token in tokens if isinstance(token, yaml.AnchorToken | yaml.AliasToken)]
    assert "Fn::" not in text
    assert all(len(line) <= 118 for line in text.splitlines() if line.startswith(" " * 2) and "#" in line)


@wishes
def test_all_that_can_have_tags_has_them(wish: dict[str, Any]) -> None:
    """Each resource whose type has Tags is named, belongs to its set-up, and has the user's tags."""
    for name, resource in document(**wish)["Resources"].items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource["Type"]).schema
        if "Tags" in schema["properties"]:
            tags = {each["Key"]: each["Value"] for each in resource["Properties"]["Tags"]}
            assert {"Name", "flowaudit:setup", *wish.get("tags", {})} == set(tags), name


@wishes
def test_references_name_what_is_there(wish: dict[str, Any]) -> None:
    """What a resource or an output refers to is a resource, a parameter, or CloudFormation's own."""
    told = document(**wish)
    known = {*told["Resources"], *told["Parameters"], "AWS::AccountId"}
    assert set(references(told)) <= known
    assert set(told["Parameters"]) <= set(references(told)), "each parameter is used"


def test_no_parameter_is_left_when_the_prefix_list_is_known() -> None:
    """`s3_prefix_list` becomes the default of the only parameter, which has to be given without it."""
    assert document(s3_prefix_list="pl-63a5400a")["Parameters"]["S3PrefixListId"]["Default"] == "pl-63a5400a"
    assert "Default" not in document()["Parameters"]["S3PrefixListId"]


def test_a_usual_template_fits_into_a_request() -> None:
    """Three zones with NAT and every option but the endpoints stay below what CloudFormation takes in a request."""
    everything = {**WISHES["everything"], "availability_zones": 3, "interface_endpoints": {}}
    assert len(to_yaml(made(**everything)).encode()) < LONGEST_BODY


def test_each_endpoint_key_has_its_services() -> None:
    """The keys of the configuration and the table of services are the same."""
    assert set(InterfaceEndpoints.model_fields) == set(ENDPOINT_SERVICES)


def test_the_endpoint_services_are_awss() -> None:
    """Each service is one that EC2 lists, as an interface endpoint with policies and with private DNS."""
    with mock_aws():
        details = boto3.client("ec2", "us-east-1").describe_vpc_endpoint_services()["ServiceDetails"]
    listed = {
        each["ServiceName"]
        for each in details
        if each["VpcEndpointPolicySupported"]
        and each.get("PrivateDnsName")
        and {"ServiceType": "Interface"} in each["ServiceType"]
    }
    everything = setup(interface_endpoints=dict.fromkeys(ENDPOINT_SERVICES, True))
    assert set(everything.interface_endpoints.services("us-east-1")) <= listed


def test_every_endpoint_can_be_left_out() -> None:
    """With all of them off there is no interface endpoint, no group for them, and no rule that names it."""
    told = document(interface_endpoints=dict.fromkeys(ENDPOINT_SERVICES, False))
    assert list(of_type(told, "AWS::EC2::VPCEndpoint")) == ["S3Endpoint"]
    assert "EndpointSecurityGroup" not in json.dumps(told)

"""Made-up regions for the tests of networks: a real client that is given the answers of some operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.validate import validate_parameters

from flowaudit.inventory.asking import Asker
from flowaudit.inventory.network import PARTS
from flowaudit.topology import Network

ACCOUNT, REGION, VPC = "123456789012", "eu-west-1", "vpc-1"
OPERATIONS = {"describe_vpcs": "Vpcs", **dict(PARTS.values())}

Answer = Mapping[str, Any] | str | Callable[[Mapping[str, str]], Mapping[str, Any] | str]
"""Of an operation: what it returns, the code of its error, or what tells either from the request."""


def asker(**answers: Answer) -> Asker:
    """Ask a real client that has been given the answers of some operations: a word in place of one is an error's."""
    client = boto3.client("ec2", REGION, aws_access_key_id="nobody", aws_secret_access_key="nobody")

    def answer(model: Any, params: Mapping[str, Any], **_: object) -> tuple[AWSResponse, Mapping[str, Any]] | None:
        given = answers.get(method[model.name])
        given = given(params["body"]) if callable(given) else given
        if given is None:
            return None
        if isinstance(given, str):
            return AWSResponse("", 403, {}, None), {"Error": {"Code": given, "Message": "no"}}
        validate_parameters(given, model.output_shape)  # what AWS cannot say is not made up here
        return AWSResponse("", 200, {}, None), given

    method = {operation: name for name, operation in client.meta.method_to_api_mapping.items()}
    client.meta.events.register_first("before-call.ec2", answer)
    return Asker(ACCOUNT, REGION, lambda _: client)


def cloud(**answers: Answer) -> Asker:
    """Ask a region with one VPC and nothing in it but what the answers say."""
    nothing: dict[str, Answer] = {operation: {key: []} for operation, key in OPERATIONS.items()}
    rest: dict[str, Answer] = {
        "describe_vpcs": {"Vpcs": [vpc()]},
        "describe_vpc_attribute": attributes,
        "describe_managed_prefix_lists": {"PrefixLists": []},
    }
    return asker(**nothing | rest | answers)


def attributes(asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Return a DNS attribute that is on, of DescribeVpcAttribute."""
    return {asked["Attribute"][0].upper() + asked["Attribute"][1:]: {"Value": True}}


def vpc(vpc_id: str = VPC, **more: Any) -> dict[str, Any]:
    """A VPC of DescribeVpcs."""
    return {"VpcId": vpc_id, "OwnerId": ACCOUNT, "CidrBlock": "10.0.0.0/16", "DhcpOptionsId": "default", **more}


def subnet(subnet_id: str, **more: Any) -> dict[str, Any]:
    """A subnet of DescribeSubnets."""
    return {"SubnetId": subnet_id, "VpcId": VPC, "CidrBlock": "10.0.0.0/24", **more}


def table(*routes: Mapping[str, Any], associations: tuple[Mapping[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
    """A route table of DescribeRouteTables."""
    associated = [{"AssociationState": {"State": "associated"}, **one} for one in associations]
    return {"RouteTableId": "rtb-1", "VpcId": VPC, "Routes": list(routes), "Associations": associated, **more}


def only(found: tuple[Network, ...] | None) -> Network:
    """The one VPC there is."""
    assert found is not None
    (network,) = found
    return network

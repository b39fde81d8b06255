"""Interface endpoints: AWS services that workloads reach inside the VPC."""

from __future__ import annotations

import re

from flowaudit.config import Setup
from flowaudit.setup.naming import ENDPOINTS, VPC, private_subnets, tags
from flowaudit.setup.template import ACCOUNT, Noted, Output, Part, Resource, Value, joined, ref


def interface_endpoints(setup: Setup) -> Part:
    """Return an endpoint for each service, with private DNS and an interface in every zone."""
    services = setup.interface_endpoints.services(setup.region)
    resources = tuple(_endpoint(setup, service, first=service == services[0]) for service in services)
    names = joined(each.name for each in resources)
    return Part(
        resources=resources,
        outputs=(Output("InterfaceEndpointIds", "The interface endpoints.", names),) if resources else (),
    )


def _endpoint(setup: Setup, service: str, *, first: bool) -> Resource:
    """Return one endpoint; the first has the comments for all of them."""
    short, dns = short_name(service, setup.region), "The standard DNS name of the service resolves to the endpoint."
    return Resource(
        "".join(word.capitalize() for word in re.split(r"[.-]", short)) + "Endpoint",
        "AWS::EC2::VPCEndpoint",
        f"{short} without the internet.",
        {
            "VpcId": ref(VPC),
            "VpcEndpointType": "Interface",
            "ServiceName": service,
            "SubnetIds": [ref(name) for name in private_subnets(setup)],
            "SecurityGroupIds": [ref(ENDPOINTS)],
            "PrivateDnsEnabled": Noted(True, dns) if first else True,
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [_own_account(first=first)]},
            "Tags": tags(setup, short),
        },
    )


def short_name(service: str, region: str) -> str:
    """Return what is particular to an endpoint service: `sagemaker.api`, `sagemaker.studio`."""
    return service.replace(f".{region}.", ".").removeprefix("com.amazonaws.").removeprefix("aws.")


def _own_account(*, first: bool) -> Value:
    condition: Value = {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}
    reason = "Denies credentials of other accounts: they could copy data out of the VPC."
    return {
        "Sid": "OwnAccount",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "*",
        "Resource": "*",
        "Condition": Noted(condition, reason) if first else condition,
    }

"""The security groups of workloads and of interface endpoints: what may be spoken to, said outright."""

from __future__ import annotations

from collections.abc import Iterator

from flowaudit.config import Setup
from flowaudit.setup.naming import ENDPOINTS, PREFIX_LIST, VPC, WORKLOADS, private_subnets, tags
from flowaudit.setup.template import Noted, Output, Part, Resource, Value, ref, sub

HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}


def security_groups(setup: Setup) -> Part:
    """Return the group of the workloads, the one of the endpoints if there are any, and the VpcConfig with it."""
    subnets = ",".join(f'"${{{name}}}"' for name in private_subnets(setup))
    config = sub(f'{{"Subnets":[{subnets}],"SecurityGroupIds":["${{{WORKLOADS}}}"]}}')
    return Part(
        resources=(_workloads(setup), *_between_nodes(setup), *_endpoints(setup)),
        outputs=(
            Output("WorkloadSecurityGroupId", "The security group of models, jobs and notebooks.", ref(WORKLOADS)),
            Output("VpcConfig", "The parameter VpcConfig of CreateModel and CreateTrainingJob.", config),
        ),
    )


def has_endpoints(setup: Setup) -> bool:
    """Return whether there is any interface endpoint."""
    return bool(setup.interface_endpoints.services(setup.region))


def _workloads(setup: Setup) -> Resource:
    return Resource(
        WORKLOADS,
        "AWS::EC2::SecurityGroup",
        "The security group of the workloads: nobody speaks to them, and they speak to what is listed. "
        "Amazon DNS needs no rule: security groups do not filter it.",
        {
            "GroupDescription": f"SageMaker workloads of {setup.name}",
            "VpcId": ref(VPC),
            "SecurityGroupEgress": Noted(
                list(_egress(setup)), "Said outright, which takes the place of the default rule that allows everything."
            ),
            "Tags": tags(setup, "workloads"),
        },
    )


def _egress(setup: Setup) -> Iterator[Value]:
    yield {"Description": "S3 over the gateway endpoint", **HTTPS, "DestinationPrefixListId": ref(PREFIX_LIST)}
    if has_endpoints(setup):
        yield {
            "Description": "AWS services over the interface endpoints",
            **HTTPS,
            "DestinationSecurityGroupId": ref(ENDPOINTS),
        }
    if setup.profile == "nat":
        rule: Value = {"Description": "HTTPS over the NAT gateway", **HTTPS, "CidrIp": "0.0.0.0/0"}
        yield Noted(rule, "The internet, by HTTPS only; the routes lead there over NAT and nothing else.")


def _between_nodes(setup: Setup) -> Iterator[Resource]:
    """Yield what nodes of distributed jobs need of each other: everything, and in both directions for EFA."""
    if not setup.inter_node:
        return
    for name, kind, peer in (
        ("FromOtherNodes", "AWS::EC2::SecurityGroupIngress", "SourceSecurityGroupId"),
        ("ToOtherNodes", "AWS::EC2::SecurityGroupEgress", "DestinationSecurityGroupId"),
    ):
        yield Resource(
            name,
            kind,
            "Nodes of distributed training and transform jobs speak to each other on any port.",
            {
                "GroupId": ref(WORKLOADS),
                "Description": "Nodes of distributed jobs",
                "IpProtocol": "-1",
                peer: Noted(ref(WORKLOADS), "The group itself, and nobody else."),
            },
        )


def _endpoints(setup: Setup) -> Iterator[Resource]:
    if not has_endpoints(setup):
        return
    nowhere: Value = {
        "Description": "Endpoints open no connections",
        "IpProtocol": "-1",
        "CidrIp": "127.0.0.1/32",
    }
    yield Resource(
        ENDPOINTS,
        "AWS::EC2::SecurityGroup",
        "The security group of the interface endpoints.",
        {
            "GroupDescription": f"Interface endpoints of {setup.name}",
            "VpcId": ref(VPC),
            "SecurityGroupEgress": Noted(
                [nowhere], "A rule that leads nowhere takes the place of the default rule that allows everything."
            ),
            "Tags": tags(setup, "endpoints"),
        },
    )
    yield Resource(
        "EndpointsFromWorkloads",
        "AWS::EC2::SecurityGroupIngress",
        "Only workloads speak to the endpoints, by HTTPS; without this rule their requests time out.",
        {
            "GroupId": ref(ENDPOINTS),
            "Description": "HTTPS from SageMaker workloads",
            **HTTPS,
            "SourceSecurityGroupId": ref(WORKLOADS),
        },
    )

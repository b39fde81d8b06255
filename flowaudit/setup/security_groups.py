"""The security groups of workloads and of interface endpoints: what may be spoken to, said outright."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowaudit.config import Setup
from flowaudit.setup.naming import ENDPOINTS, PREFIX_LIST, VPC, WORKLOADS, private_subnets, tags
from flowaudit.setup.template import Noted, Output, Part, Resource, Value, ref, sub

HTTPS: Mapping[str, Value] = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}


def security_groups(setup: Setup) -> Part:
    """Return the group of the workloads, the one of the endpoints if there are any, and the VpcConfig with it."""
    subnets = ",".join(f'"${{{name}}}"' for name in private_subnets(setup))
    config = sub(f'{{"Subnets":[{subnets}],"SecurityGroupIds":["${{{WORKLOADS}}}"]}}')
    return Part(
        resources=(_workloads(setup), *_between_nodes(setup), *_endpoints(setup)),
        outputs=(
            Output("WorkloadSecurityGroupId", "Security group of models, jobs and notebooks.", ref(WORKLOADS)),
            Output("VpcConfig", "Parameter VpcConfig of CreateModel and CreateTrainingJob.", config),
        ),
    )


def has_endpoints(setup: Setup) -> bool:
    """Return whether there is any interface endpoint."""
    return bool(setup.interface_endpoints.services(setup.region))


def _workloads(setup: Setup) -> Resource:
    return Resource(
        WORKLOADS,
        "AWS::EC2::SecurityGroup",
        "Security group of models, jobs and notebooks: no inbound rule, and only these outbound rules. Amazon DNS "
        "needs none: security groups do not filter it.",
        {
            "GroupDescription": f"SageMaker workloads of {setup.name}",
            "VpcId": ref(VPC),
            "SecurityGroupEgress": Noted(
                list(_egress(setup)), "Explicit rules replace the default rule, which allows all outbound traffic."
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
        yield Noted(rule, "Internet access by HTTPS only; its route is over NAT.")


def _between_nodes(setup: Setup) -> Iterator[Resource]:
    """Yield the rules between nodes of distributed jobs: all traffic, in both directions as EFA needs it."""
    if not setup.inter_node:
        return
    for name, kind, peer in (
        ("FromOtherNodes", "AWS::EC2::SecurityGroupIngress", "SourceSecurityGroupId"),
        ("ToOtherNodes", "AWS::EC2::SecurityGroupEgress", "DestinationSecurityGroupId"),
    ):
        yield Resource(
            name,
            kind,
            "Distributed training and transform jobs use any port between their nodes.",
            {
                "GroupId": ref(WORKLOADS),
                "Description": "Nodes of distributed jobs",
                "IpProtocol": "-1",
                peer: Noted(ref(WORKLOADS), "Self-reference: this security group only."),
            },
        )


def _endpoints(setup: Setup) -> Iterator[Resource]:
    if not has_endpoints(setup):
        return
    nowhere: Value = {
        "Description": "No outbound traffic",
        "IpProtocol": "-1",
        "CidrIp": "127.0.0.1/32",
    }
    yield Resource(
        ENDPOINTS,
        "AWS::EC2::SecurityGroup",
        "Security group of the interface endpoints.",
        {
            "GroupDescription": f"Interface endpoints of {setup.name}",
            "VpcId": ref(VPC),
            "SecurityGroupEgress": Noted(
                [nowhere], "A rule without effect replaces the default rule, which allows all outbound traffic."
            ),
            "Tags": tags(setup, "endpoints"),
        },
    )
    yield Resource(
        "EndpointsFromWorkloads",
        "AWS::EC2::SecurityGroupIngress",
        "The only inbound rule of the endpoints: HTTPS from the workloads. Without it their requests time out.",
        {
            "GroupId": ref(ENDPOINTS),
            "Description": "HTTPS from SageMaker workloads",
            **HTTPS,
            "SourceSecurityGroupId": ref(WORKLOADS),
        },
    )

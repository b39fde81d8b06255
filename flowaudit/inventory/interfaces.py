"""The network interfaces of an account's region, and what each positively is where it is not SageMaker's.

Nothing is concluded from what is missing: an interface of a kind that nobody has told of is `unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from types import MappingProxyType
from typing import Any

from flowaudit.inventory.asking import Asker
from flowaudit.topology import Interface, Owner

PAGE = 1000
"""Interfaces in an answer at most (EC2 API, `DescribeNetworkInterfaces`)."""

_TYPES = (
    ("nat_gateway", Owner.NAT_GATEWAY),
    ("transit_gateway", Owner.TRANSIT_GATEWAY),
    ("gateway_load_balancer_endpoint", Owner.GATEWAY_LOAD_BALANCER_ENDPOINT),
    ("vpc_endpoint", Owner.VPC_ENDPOINT),
    ("network_load_balancer", Owner.NETWORK_LOAD_BALANCER),
    ("gateway_load_balancer", Owner.LOAD_BALANCER),
    ("load_balancer", Owner.LOAD_BALANCER),
    ("lambda", Owner.LAMBDA),
    ("efs", Owner.EFS),
    ("api_gateway_managed", Owner.OTHER),
    ("aws_codestar_connections_managed", Owner.OTHER),
    ("branch", Owner.OTHER),
    ("ec2_instance_connect_endpoint", Owner.OTHER),
    ("evs", Owner.OTHER),
    ("global_accelerator_managed", Owner.OTHER),
    ("iot_rules_managed", Owner.OTHER),
    ("quicksight", Owner.OTHER),
    ("trunk", Owner.OTHER),
)
"""What types begin with, in snake case (EC2 API, filter `interface-type`); a type of `interface` or `efa` says nothing.

Answers spell a type in more than one way (`natGateway`, `nat_gateway`), and know more of them than the reference.
"""

_DESCRIPTIONS = tuple(
    (re.compile(pattern), owner)
    for pattern, owner in (
        (r"ELB net/", Owner.NETWORK_LOAD_BALANCER),
        (r"ELB ", Owner.LOAD_BALANCER),
        (r"AWS Lambda VPC ENI", Owner.LAMBDA),
        (r"VPC Endpoint Interface vpce-", Owner.VPC_ENDPOINT),
        (r"Interface for NAT Gateway", Owner.NAT_GATEWAY),
        (r"Network Interface for Transit Gateway Attachment", Owner.TRANSIT_GATEWAY),
        (r"EFS mount target for", Owner.EFS),
        (r"RDSNetworkInterface|Network interface for DBProxy", Owner.RDS),
        (r"arn:aws[a-z-]*:ecs:", Owner.ECS),
        (r"ElastiCache[ +]|RedshiftNetworkInterface|DMSNetworkInterface|Amazon EKS ", Owner.OTHER),
        (r"Attached to Glue using role: |AWS ElasticMapReduce|Route 53 Resolver: ", Owner.OTHER),
        (r"AWS created network interface for directory ", Owner.OTHER),
        (r"(?i:aws-k8s-)", Owner.OTHER),
    )
)
"""What the descriptions begin with that other services write."""

_NODES = re.compile(r"(?i)aws-k8s-|branch$|trunk$")
"""Interfaces of a cluster's nodes: where the node is another account's, the cluster may be SageMaker's HyperPod."""


def interfaces(ask: Asker, known: Mapping[str, str] = MappingProxyType({})) -> tuple[Interface, ...] | None:
    """Return every interface of the account's region, sorted by id; None: could not be asked.

    `known` gives owners by interface id that are certain from elsewhere, as from NAT gateways and endpoints.
    """
    params: dict[str, Any] = {"MaxResults": PAGE}
    if ask.takes("ec2", "describe_network_interfaces", "IncludeManagedResources"):
        params["IncludeManagedResources"] = True  # else an account's settings may hide those that services manage
    answers = ask.all("ec2", "describe_network_interfaces", "NetworkInterfaces", **params)
    if answers is None:
        return None
    found = (_interface(answer, ask, known) for answer in answers)
    return tuple(sorted(found, key=lambda interface: interface.interface_id))


def _interface(answer: dict[str, Any], ask: Asker, known: Mapping[str, str]) -> Interface:
    attachment = answer.get("Attachment") or {}
    attached = attachment.get("AttachTime")
    owner, evidence = _owner(answer, known)
    return Interface(
        interface_id=answer["NetworkInterfaceId"],
        account_id=answer.get("OwnerId") or ask.account_id,
        region=ask.region,
        vpc_id=answer.get("VpcId"),
        subnet_id=answer.get("SubnetId"),
        az_id=answer.get("AvailabilityZoneId"),
        status=answer.get("Status"),
        interface_type=answer.get("InterfaceType"),
        description=answer.get("Description") or "",
        private_addresses=_private(answer),
        ipv6_addresses=_sorted(answer, "Ipv6Addresses", "Ipv6Address"),
        public_addresses=_public(answer),
        security_groups=_sorted(answer, "Groups", "GroupId"),
        requester_id=answer.get("RequesterId"),
        requester_managed=bool(answer.get("RequesterManaged")),
        instance_id=attachment.get("InstanceId"),
        instance_owner_id=attachment.get("InstanceOwnerId"),
        attached_at=attached.astimezone(UTC) if attached else None,
        tags=tuple(sorted((tag["Key"], tag.get("Value", "")) for tag in answer.get("TagSet") or ())),
        owner=owner,
        evidence=evidence,
    )


def _sorted(answer: dict[str, Any], key: str, name: str) -> tuple[str, ...]:
    return tuple(sorted(each[name] for each in answer.get(key) or () if each.get(name)))


def _private(answer: dict[str, Any]) -> tuple[str, ...]:
    """Return the private IPv4 addresses: the primary one, then the others."""
    primary = answer.get("PrivateIpAddress")
    others = [address for address in _sorted(answer, "PrivateIpAddresses", "PrivateIpAddress") if address != primary]
    return (primary, *others) if primary else tuple(others)


def _public(answer: dict[str, Any]) -> tuple[str, ...]:
    """Return the public IPv4 addresses of all private ones; a Wavelength Zone's are called the carrier's."""
    held = [answer, *(answer.get("PrivateIpAddresses") or ())]
    associations = [each.get("Association") or {} for each in held]
    addresses = {each.get(name) for each in associations for name in ("PublicIp", "CarrierIp")}
    return tuple(sorted(address for address in addresses if address))


def _owner(answer: dict[str, Any], known: Mapping[str, str]) -> tuple[str, str]:
    """Return what an interface positively is, and what that rests on; `unknown` and nothing else."""
    if owner := known.get(answer["NetworkInterfaceId"]):
        return owner, f"AWS names it among the interfaces of a {owner}"
    attachment = answer.get("Attachment") or {}
    instance, holder = attachment.get("InstanceId"), attachment.get("InstanceOwnerId")
    if owner := _by_type(answer.get("InterfaceType") or "", foreign=_foreign(answer)):
        return owner, f"its type is {answer['InterfaceType']}"
    if instance and holder and holder == answer.get("OwnerId"):
        return Owner.EC2_INSTANCE, f"attached to the account's own instance {instance}"
    if owner := _by_description(answer.get("Description") or "", foreign=_foreign(answer)):
        return owner, f"its description is {answer['Description']!r}"
    return Owner.UNKNOWN, ""


def _foreign(answer: dict[str, Any]) -> bool:
    """Tell whether an interface is attached to what is not the account's own."""
    holder = (answer.get("Attachment") or {}).get("InstanceOwnerId")
    return bool(holder) and holder != answer.get("OwnerId")


def _by_type(spelled: str, *, foreign: bool) -> Owner | None:
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", spelled).replace("-", "_").lower()
    if foreign and _NODES.match(kind):
        return None
    return next((owner for start, owner in _TYPES if kind.startswith(start)), None)


def _by_description(text: str, *, foreign: bool) -> Owner | None:
    return None if foreign and _NODES.match(text) else described(text)


def described(text: str) -> Owner | None:
    """Return whose an interface is by its description alone, which anybody may rewrite who may change interfaces."""
    return next((owner for pattern, owner in _DESCRIPTIONS if pattern.match(text)), None)

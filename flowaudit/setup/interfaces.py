"""Network interfaces that are still in a stack's VPC, whose they are, and the deletion of those that nobody uses.

EC2 deletes no VPC, subnet or security group while a network interface is in it (VPC User Guide, "Delete your VPC").
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from flowaudit.config import Setup
from flowaudit.inventory.asking import Asker
from flowaudit.inventory.attribution import Rules, attribute
from flowaudit.inventory.interfaces import interfaces
from flowaudit.inventory.workloads import workloads
from flowaudit.topology import Attribution, Gap, Interface, Owner, Workload

WAITS = (1, 2, 4, 8, 16)
"""Seconds between the tries of a deletion that may succeed later."""
_LATER = re.compile(r"(?i)throttl|RequestLimitExceeded|TooManyRequests|Unavailable|InternalError")
"""Not InUse: an interface that was not attached and now is has been taken by somebody since it was listed."""
_GONE = "InvalidNetworkInterfaceID.NotFound"
_STUDIO = re.compile(r"security-group-for-(?:in|out)bound-nfs-(?P<domain>d-[a-z0-9]+)")
"""Names of the security groups that Studio makes for a domain, and does not delete with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackNetwork:
    """The network of a stack by ids; `whole`: the VPC itself is the stack's, and is deleted with it."""

    vpc_id: str
    whole: bool = True
    subnets: frozenset[str] = frozenset()
    security_groups: frozenset[str] = frozenset()
    endpoints: frozenset[str] = frozenset()
    nat_gateways: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """An interface that nobody uses any more, and what that rests on."""

    interface: Interface
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioGroup:
    """A security group that Studio made for a domain; `listed`: the domain is still there."""

    group_id: str
    name: str
    domain: str
    listed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """What is still in the VPC of a stack.

    `sagemaker` are interfaces of SageMaker's workloads, `others` those of anybody else, `own` those of the stack's
    endpoints and NAT gateways, `orphans` those that can be deleted. `workloads` are running ones whose VpcConfig names
    a subnet of it, whether or not they have an interface now; `running` are the ARNs of all running ones. `gaps` are
    what AWS did not answer: with any of them, nothing is an orphan, and what is not listed may be there all the same.
    """

    vpc_id: str
    sagemaker: tuple[Interface, ...] = ()
    others: tuple[Interface, ...] = ()
    own: tuple[Interface, ...] = ()
    orphans: tuple[Orphan, ...] = ()
    workloads: tuple[Workload, ...] = ()
    running: frozenset[str] = frozenset()
    studio_groups: tuple[StudioGroup, ...] = ()
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """What became of orphans: ids of those that are gone, and the reason for each of the others, by id."""

    deleted: tuple[str, ...] = ()
    failed: Mapping[str, str]


def stack_network(setup: Setup, resources: Iterable[tuple[str, str]]) -> StackNetwork:
    """Return the network of a stack from the types and physical ids of its resources."""
    ids: dict[str, set[str]] = {}
    for kind, physical_id in resources:
        if physical_id:
            ids.setdefault(kind.removeprefix("AWS::EC2::"), set()).add(physical_id)
    given = setup.existing_vpc
    return StackNetwork(
        vpc_id=given.id or next(iter(ids.get("VPC", ())), ""),
        whole=not given.id,
        subnets=frozenset(given.subnets or ids.get("Subnet", ())),
        security_groups=frozenset(ids.get("SecurityGroup", ())),
        endpoints=frozenset(ids.get("VPCEndpoint", ())),
        nat_gateways=frozenset(ids.get("NatGateway", ())),
    )


def remaining(ask: Asker, stack: StackNetwork, rules: Rules, now: datetime) -> Remaining:
    """Return the interfaces and workloads that are still in a stack's VPC; without a VPC, none.

    Calls: four lists of EC2, and those of `flowaudit.inventory.workloads`.
    """
    if not stack.vpc_id:
        return Remaining(vpc_id="")
    of_vpc = [{"Name": "vpc-id", "Values": [stack.vpc_id]}]
    endpoints = ask.all("ec2", "describe_vpc_endpoints", "VpcEndpoints", Filters=of_vpc) or []
    gateways = ask.all("ec2", "describe_nat_gateways", "NatGateways", Filter=of_vpc) or []
    subnets = ask.all("ec2", "describe_subnets", "Subnets", Filters=of_vpc) or []
    groups = ask.all("ec2", "describe_security_groups", "SecurityGroups", Filters=of_vpc) or []
    listed, _ = workloads(ask, (), None, now)
    running = frozenset(each.arn for each in listed if each.running)
    known = {**_interfaces_of(endpoints, Owner.VPC_ENDPOINT), **_interfaces_of(gateways, Owner.NAT_GATEWAY)}
    own = _own(endpoints, "VpcEndpointId", stack.endpoints) | _own(gateways, "NatGatewayId", stack.nat_gateways)
    found = [each for each in interfaces(ask, known) or () if each.vpc_id == stack.vpc_id]
    gaps = tuple(gap for gap in ask.gaps if gap.reason != "unsupported")
    look = _Look(stack, running, own, sure=not gaps)
    parts = look.divided(attribute(found, listed, {}, {}, rules, now))
    return Remaining(
        vpc_id=stack.vpc_id,
        sagemaker=tuple(parts.sagemaker),
        others=tuple(parts.others),
        own=tuple(parts.own),
        orphans=tuple(parts.orphans),
        running=running,
        workloads=tuple(_in(listed, {each["SubnetId"] for each in subnets} if stack.whole else stack.subnets)),
        studio_groups=tuple(_studio_groups(groups, listed)) if stack.whole else (),
        gaps=gaps,
    )


def _interfaces_of(answers: Iterable[Mapping[str, Any]], owner: Owner) -> dict[str, str]:
    return {interface: owner for answer in answers for interface in _named(answer)}


def _own(answers: Iterable[Mapping[str, Any]], key: str, ids: Collection[str]) -> set[str]:
    return {interface for answer in answers if answer[key] in ids for interface in _named(answer)}


def _named(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield the interfaces that an endpoint or a NAT gateway names as its own."""
    yield from answer.get("NetworkInterfaceIds") or ()
    for address in answer.get("NatGatewayAddresses") or ():
        if found := address.get("NetworkInterfaceId"):
            yield found


def _in(some: Iterable[Workload], subnets: Collection[str]) -> Iterator[Workload]:
    for each in some:
        if each.running and any(not set(subnets).isdisjoint(vpc.subnets) for vpc in each.vpc_configs):
            yield each


def _studio_groups(groups: Iterable[Mapping[str, Any]], some: Iterable[Workload]) -> Iterator[StudioGroup]:
    domains = {each.name for each in some if each.kind == "domain"}
    for group in sorted(groups, key=lambda each: str(each["GroupId"])):
        if named := _STUDIO.fullmatch(group.get("GroupName", "")):
            domain = named["domain"]
            yield StudioGroup(
                group_id=group["GroupId"], name=group["GroupName"], domain=domain, listed=domain in domains
            )


@dataclass(frozen=True, slots=True)
class _Parts:
    sagemaker: list[Interface]
    others: list[Interface]
    own: list[Interface]
    orphans: list[Orphan]


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at a VPC: `running` are ARNs, `own` interface ids; `sure`: AWS has answered everything."""

    stack: StackNetwork
    running: Collection[str]
    own: Collection[str]
    sure: bool

    def divided(self, found: Iterable[Interface]) -> _Parts:
        """Return interfaces by whose they are, without those that are nothing to a stack in somebody else's VPC."""
        parts = _Parts([], [], [], [])
        for each in found:
            if each.interface_id in self.own:
                parts.own.append(each)
            elif not self._concerns(each):
                continue
            elif reason := self._orphaned(each):
                parts.orphans.append(Orphan(interface=each, reason=reason))
            else:
                (parts.sagemaker if each.owner == Owner.SAGEMAKER else parts.others).append(each)
        return parts

    def _concerns(self, each: Interface) -> bool:
        if self.stack.whole or not self.stack.security_groups.isdisjoint(each.security_groups):
            return True
        return each.owner == Owner.SAGEMAKER and each.subnet_id in self.stack.subnets

    def _orphaned(self, each: Interface) -> str:
        """Return why nobody uses an interface; empty: somebody does, or may."""
        attached = each.attached_at or each.instance_id or each.instance_owner_id
        if not self.sure or each.status != "available" or attached:
            return ""
        if not {each.workload_arn, *each.candidates}.isdisjoint(self.running):
            return ""
        if each.owner == Owner.SAGEMAKER and each.attribution != Attribution.OPERATOR:  # a subnet is no evidence
            return f"not attached, and the workload that it was made for is gone: {each.evidence}"
        if mine := sorted(self.stack.security_groups.intersection(each.security_groups)):
            return f"not attached, and in {', '.join(mine)}, a security group of the stack"
        return ""


def delete_orphans(
    ec2: Any,  # noqa: ANN401  a boto3 client
    orphans: Sequence[Orphan],
    sleep: Callable[[float], None] = time.sleep,
) -> Deletion:
    """Delete interfaces, waiting where EC2 is busy; one that is gone counts as deleted, one in use again is left.

    Nothing is raised: what could not be deleted is in the result, with EC2's own reason.
    """
    deleted: list[str] = []
    failed: dict[str, str] = {}
    for orphan in orphans:
        interface_id = orphan.interface.interface_id
        if reason := _delete(ec2, interface_id, sleep):
            failed[interface_id] = reason
        else:
            deleted.append(interface_id)
    return Deletion(deleted=tuple(deleted), failed=failed)


def _delete(ec2: Any, interface_id: str, sleep: Callable[[float], None]) -> str:  # noqa: ANN401
    """Return why an interface could not be deleted; empty: it is gone."""
    for wait in (*WAITS, None):
        try:
            ec2.delete_network_interface(NetworkInterfaceId=interface_id)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code == _GONE:
                return ""
            if wait is None or not _LATER.search(code):
                return str(error)
        except BotoCoreError as error:
            return str(error)
        else:
            return ""
        sleep(wait)
    return ""

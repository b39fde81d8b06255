"""Network ACLs of the workloads' subnets let their traffic through."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from flowaudit.posture.checks.subnets import workloads_subnets
from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, Missing, Property, Unseen, compared
from flowaudit.topology import AclEntry, NetworkAcl

Block = ipaddress.IPv4Network


@dataclass(frozen=True, slots=True)
class _Flow:
    """TCP to or from a network, as a network ACL sees it: each direction by itself."""

    egress: bool
    peer: Block
    from_port: int
    to_port: int


def _flows(expected: Expected, live: Live) -> list[_Flow]:
    """Return what workloads need: HTTPS to S3, endpoints and, with NAT, the internet, and answers; raises Unseen.

    Interface endpoints are in the same subnets: between two of them, HTTPS comes in as well.
    """
    live.need("prefix_lists")
    service = f"com.amazonaws.{live.region}.s3"
    lists = [each for each in live.network.prefix_lists if each.name == service]
    if not lists:
        raise Unseen(Missing("", f"EC2 does not list the addresses of {service}"))
    s3 = {cidr for each in lists for cidr in each.cidrs}
    own = {cidr for each in workloads_subnets(expected, live) for cidr in each.cidrs} if expected.services else set()
    out = ["0.0.0.0/0"] if expected.internet == "nat" else sorted(s3 | own)
    ports = ((True, 443, 443), (False, 1024, 65535))
    flows = [(egress, each, low, high) for each in out for egress, low, high in ports]
    flows += [(not egress, each, low, high) for each in sorted(own) for egress, low, high in ports]
    return [_Flow(egress, Block(each), low, high) for egress, each, low, high in flows if ":" not in each]


def _acls(expected: Expected, live: Live) -> Iterator[Property]:
    known = live.network_acls
    flows = _flows(expected, live) if expected.subnets else []
    used = dict.fromkeys(each.network_acl_id for each in workloads_subnets(expected, live))
    for acl_id in used:
        if acl_id in known:
            stopped = list(dict.fromkeys(filter(None, (_stopped(known[acl_id], flow) for flow in flows))))
            yield compared(
                acl_id,
                "HTTPS and its answers",
                "allowed",
                "; ".join(stopped) or "allowed",
                ok=not stopped,
                why="connections of workloads time out",
            )


def _stopped(acl: NetworkAcl, flow: _Flow) -> str:
    """Return which entry denies some of a flow, "" if all of it is allowed: the lowest number decides."""
    for entry in acl.entries:
        if entry.egress != flow.egress or entry.protocol not in ("-1", "6", "tcp") or ":" in entry.cidr:
            continue
        low, high = _ports(entry)
        block = Block(entry.cidr)
        if entry.action == "deny" and low <= flow.to_port and flow.from_port <= high and block.overlaps(flow.peer):
            return f"entry {entry.number} denies {_words(flow)}"
        if low <= flow.from_port and flow.to_port <= high and flow.peer.subnet_of(block):
            return ""
    return f"no entry allows {_words(flow)}"


def _ports(entry: AclEntry) -> tuple[int, int]:
    if entry.protocol == "-1" or entry.from_port is None:
        return 0, 65535
    return entry.from_port, 65535 if entry.to_port is None else entry.to_port


def _words(flow: _Flow) -> str:
    ports = str(flow.from_port) if flow.from_port == flow.to_port else f"{flow.from_port}-{flow.to_port}"
    return f"{'outbound to' if flow.egress else 'inbound from'} {flow.peer}, ports {ports}"


CHECKS = (
    Check(
        "network-acls",
        "G16 Configure Your Private VPC for Amazon SageMaker Hosting",
        "Network ACL of the subnets allows HTTPS and its answers",
        _acls,
    ),
)

"""Security groups: those of workloads and endpoints have the rules that are expected, and no others."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from flowaudit.posture.checks.subnets import workloads_subnets
from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, Property, Reach, compared
from flowaudit.topology import Endpoint, SecurityGroup, SecurityGroupRule

HTTPS = 443
NOWHERE = "127.0.0.1/32"
"""The peer of a rule without effect, which replaces the rule that allows everything."""
ANYWHERE = "0.0.0.0/0"


def admits(expected: Expected, live: Live, groups: Iterable[str], workloads: str) -> bool:
    """Return whether one of these groups admits HTTPS from a group of workloads; raises Unseen."""
    known = live.security_groups
    rules = [rule for each in groups if each in known for rule in known[each].rules if not rule.egress]
    return any(_is_https(rule) and _covers(expected, live, rule.peer, workloads) for rule in rules)


def _is_https(rule: SecurityGroupRule) -> bool:
    if rule.protocol == "-1":
        return True
    return rule.protocol in ("tcp", "6") and (rule.from_port or 0) <= HTTPS <= (rule.to_port or 65535)


def _covers(expected: Expected, live: Live, peer: str, workloads: str) -> bool:
    """Return whether a peer is the group of the workloads, or a network that has all their subnets."""
    if peer == workloads:
        return True
    try:
        network = ipaddress.ip_network(peer)
    except ValueError:
        return False
    cidrs = [each for subnet in workloads_subnets(expected, live) for each in subnet.cidrs]
    subnets = [each for each in map(ipaddress.ip_network, cidrs) if each.version == network.version]
    return bool(subnets) and all(_is_within(each, network) for each in subnets)


def _is_within(inner: ipaddress.IPv4Network | ipaddress.IPv6Network, outer: object) -> bool:
    return inner.subnet_of(outer)  # type: ignore[arg-type]  # of the same version: seen by the caller


def _https(egress: bool, peer: str) -> SecurityGroupRule:
    return SecurityGroupRule(egress=egress, protocol="tcp", peer=peer, from_port=HTTPS, to_port=HTTPS)


def _wished(expected: Expected, live: Live, group: str) -> set[SecurityGroupRule]:
    """Return the rules that a group of workloads has to have, no more; raises Unseen."""
    reach, rules = expected.reach or frozenset(), set[SecurityGroupRule]()
    if Reach.S3 in reach:
        live.need("prefix_lists")
        service = f"com.amazonaws.{live.region}.s3"
        rules |= {_https(True, each.prefix_list_id) for each in live.network.prefix_lists if each.name == service}
    if Reach.ENDPOINTS in reach:
        rules |= {_https(True, each) for each in _endpoint_groups(expected, live)}
    if Reach.INTERNET in reach:
        rules.add(_https(True, ANYWHERE))
    if Reach.NODES in reach:
        rules |= {SecurityGroupRule(egress=each, protocol="-1", peer=group) for each in (True, False)}
    return rules


def _endpoint_groups(expected: Expected, live: Live) -> list[str]:
    """Return the security groups of the wished interface endpoints; raises Unseen."""
    return sorted({group for each in _endpoints(expected, live) for group in each.security_groups})


def _endpoints(expected: Expected, live: Live) -> Iterator[Endpoint]:
    return (each for each in live.endpoints if each.type == "Interface" and each.service in expected.services)


def _workloads(expected: Expected, live: Live) -> Iterator[Property]:
    if expected.reach is None:
        return
    known = live.security_groups
    for each in expected.workload_groups:
        if each in known:
            yield from _exactly(known[each], _wished(expected, live, each))
        else:
            yield compared(each, "security group", "present", "absent", ok=False)


def _endpoint_rules(expected: Expected, live: Live) -> Iterator[Property]:
    if expected.reach is None or not expected.services or not expected.workload_groups:
        return
    known = live.security_groups
    for each in _endpoint_groups(expected, live):
        if each in known:
            yield from _exactly(known[each], {_https(False, one) for one in expected.workload_groups})


def _exactly(group: SecurityGroup, wished: set[SecurityGroupRule]) -> Iterator[Property]:
    """Yield one property for each rule that is wished for, and one for each that is there beyond."""
    found = {rule for rule in group.rules if not (rule.egress and rule.peer == NOWHERE)}
    for rule in sorted(wished, key=repr):
        there = rule in found
        yield compared(group.group_id, _words(rule), "present", "present" if there else "absent", ok=there)
    beyond = sorted(found - wished, key=repr)
    said = "; ".join(map(_words, beyond)) or "none"
    yield compared(group.group_id, "other rules", "none", said, ok=not beyond)


def _words(rule: SecurityGroupRule) -> str:
    direction = "outbound to" if rule.egress else "inbound from"
    if rule.protocol == "-1":
        return f"{direction} {rule.peer}: all traffic"
    ports = "all ports" if rule.from_port is None else f"{rule.from_port}"
    if rule.to_port not in (None, rule.from_port):
        ports += f"-{rule.to_port}"
    return f"{direction} {rule.peer}: {rule.protocol} {ports}"


def _default(expected: Expected, live: Live) -> Iterator[Property]:
    if not expected.default_group_empty:
        return
    for each in live.security_groups.values():
        if each.name == "default":
            said = "; ".join(map(_words, each.rules)) or "none"
            why = "an interface that is made without a group may reach everything: flowaudit setup apply removes them"
            yield compared(
                each.group_id, "rules of the default security group", "none", said, ok=not each.rules, why=why
            )


CHECKS = (
    Check(
        "workload-security-group",
        "G14 G15 Connect Resources Outside Your VPC",
        "Security group of workloads has the expected rules only",
        _workloads,
    ),
    Check(
        "endpoint-security-group",
        "G12 G14 Connect Resources Outside Your VPC",
        "Security group of endpoints admits HTTPS from workloads only",
        _endpoint_rules,
    ),
    Check(
        "default-security-group",
        "G14 Connect Resources Outside Your VPC",
        "Default security group of the VPC has no rules",
        _default,
    ),
)

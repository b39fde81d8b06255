"""What lets packets pass: security groups and network ACLs, as values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowaudit.topology import AclEntry, NetworkAcl, SecurityGroup, SecurityGroupRule

_PEERS = (
    ("IpRanges", "CidrIp"),
    ("Ipv6Ranges", "CidrIpv6"),
    ("PrefixListIds", "PrefixListId"),
    ("UserIdGroupPairs", "GroupId"),
)
_ALL = -1
"""EC2's word for every type or code of ICMP."""


def security_group(item: Mapping[str, Any]) -> SecurityGroup:
    """Return a security group of DescribeSecurityGroups."""
    rules = {
        rule
        for key, egress in (("IpPermissions", False), ("IpPermissionsEgress", True))
        for permission in item.get(key) or ()
        for rule in _rules(permission, egress=egress)
    }
    return SecurityGroup(
        group_id=item["GroupId"],
        name=item.get("GroupName") or "",
        rules=tuple(sorted(rules, key=repr)),  # ports that are None have no order of their own
    )


def _rules(permission: Mapping[str, Any], *, egress: bool) -> Iterator[SecurityGroupRule]:
    """One rule for each peer of a permission."""
    for key, peer in _PEERS:
        for one in permission.get(key) or ():
            yield SecurityGroupRule(
                egress=egress,
                protocol=permission["IpProtocol"],
                peer=one[peer],
                from_port=_port(permission.get("FromPort")),
                to_port=_port(permission.get("ToPort")),
            )


def network_acl(item: Mapping[str, Any]) -> NetworkAcl:
    """Return a network ACL of DescribeNetworkAcls, its entries in the order in which EC2 weighs them."""
    entries = sorted(map(_entry, item.get("Entries") or ()), key=lambda entry: (entry.number, entry.egress, entry.cidr))
    return NetworkAcl(network_acl_id=item["NetworkAclId"], default=item.get("IsDefault", False), entries=tuple(entries))


def _entry(item: Mapping[str, Any]) -> AclEntry:
    ports, icmp = item.get("PortRange") or {}, item.get("IcmpTypeCode") or {}
    return AclEntry(
        number=item["RuleNumber"],
        egress=item["Egress"],
        action=item["RuleAction"],
        protocol=item["Protocol"],
        cidr=item.get("CidrBlock") or item["Ipv6CidrBlock"],
        from_port=_port(ports.get("From", icmp.get("Type"))),
        to_port=_port(ports.get("To", icmp.get("Code"))),
    )


def _port(number: int | None) -> int | None:
    return None if number == _ALL else number

"""The prefix lists that decide where packets go: AWS's of S3 and DynamoDB, and those that routes and rules name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowaudit.inventory.asking import Asker
from flowaudit.topology import Network, PrefixList

_SERVICES = ("s3", "s3express", "dynamodb")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixLists:
    """Prefix lists of a region: those with entries by id, and which are of the services with gateway endpoints.

    `answered` tells whether prefix lists could be asked at all.
    """

    answered: bool
    services: frozenset[str]
    found: Mapping[str, PrefixList]


def named(network: Network) -> frozenset[str]:
    """Return the ids of prefix lists that the network's routes and security groups name."""
    routes = {route.destination for table in network.route_tables for route in table.routes}
    peers = {rule.peer for group in network.security_groups for rule in group.rules}
    return frozenset(one for one in routes | peers if one.startswith("pl-"))


def prefix_lists(ask: Asker, wanted: frozenset[str]) -> PrefixLists:
    """Return the region's lists of S3 and DynamoDB, and the `wanted` ones; one without entries to be had is not found.

    Entries are GetManagedPrefixListEntries', or, where that does not answer, DescribePrefixLists', which knows only
    AWS's own lists (EC2 API).
    """
    managed = ask.all("ec2", "describe_managed_prefix_lists", "PrefixLists")
    counted = {item["PrefixListId"]: item for item in managed or () if _counts(item, wanted, ask.region)}
    entries = {prefix_list_id: _entries(ask, prefix_list_id) for prefix_list_id in counted}
    plain = None
    if managed is None or None in entries.values():
        plain = ask.all("ec2", "describe_prefix_lists", "PrefixLists")
        for item in plain or ():
            prefix_list_id = item["PrefixListId"]
            if entries.get(prefix_list_id) is None and _counts(item, wanted, ask.region):
                counted.setdefault(prefix_list_id, item)
                # AWS's own lists are never empty.
                entries[prefix_list_id] = item.get("Cidrs") or None
    return PrefixLists(
        answered=managed is not None or plain is not None,
        services=frozenset(one for one, item in counted.items() if _of_service(item, ask.region)),
        found={one: _prefix_list(counted[one], cidrs) for one, cidrs in entries.items() if cidrs is not None},
    )


def _counts(item: Mapping[str, Any], wanted: frozenset[str], region: str) -> bool:
    return item["PrefixListId"] in wanted or _of_service(item, region)


def _of_service(item: Mapping[str, Any], region: str) -> bool:
    return item["PrefixListName"] in {f"com.amazonaws.{region}.{service}" for service in _SERVICES}


def _entries(ask: Asker, prefix_list_id: str) -> list[str] | None:
    answer = ask.all("ec2", "get_managed_prefix_list_entries", "Entries", PrefixListId=prefix_list_id)
    return None if answer is None else [entry["Cidr"] for entry in answer]


def _prefix_list(item: Mapping[str, Any], cidrs: list[str]) -> PrefixList:
    return PrefixList(
        prefix_list_id=item["PrefixListId"],
        name=item["PrefixListName"],
        owner_id=item.get("OwnerId") or "AWS",  # DescribePrefixLists knows no other owner
        cidrs=tuple(sorted(cidrs)),
    )

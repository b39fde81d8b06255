"""Inventories in small: the TOML beside a detector's case, as what one look at AWS finds."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from flowaudit.topology import Discovery, Interface, IpRange, Network, Workload

HOME = {"account_id": "123456789012", "region": "us-east-1"}
"""Where everything is that does not say so itself."""


def discovery(file: Path) -> Discovery:
    """Return what a file tells: `at`, and tables as `topology` names their fields, of which most have defaults."""
    told = tomllib.loads(file.read_text("utf-8"))
    return Discovery(
        account_id=HOME["account_id"],
        region=HOME["region"],
        at=told["at"],
        interfaces=_all(Interface, told.get("interfaces", [])),
        workloads=_all(Workload, told.get("workloads", [])),
        networks=_all(Network, told.get("networks", [])),
    )


def ip_ranges(file: Path) -> tuple[IpRange, ...]:
    """Return the ranges that a file makes AWS's own."""
    return tuple(IpRange(**row) for row in tomllib.loads(file.read_text("utf-8")).get("ip_ranges", []))


def _all(kind: Any, rows: list[Mapping[str, Any]]) -> tuple[Any, ...]:
    return tuple(_made(kind, HOME | dict(row)) for row in rows)


def _made(hint: Any, value: Any) -> Any:
    """Return a value of TOML as an annotation wants it."""
    if get_origin(hint) is tuple:
        return tuple(_made(get_args(hint)[0], each) for each in value)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        strangers = set(value) - {field.name for field in fields(hint)}
        assert not strangers, f"{hint} has no {strangers}"
        return hint(**{name: _made(hints[name], each) for name, each in value.items()})  # type: ignore[operator]
    return value

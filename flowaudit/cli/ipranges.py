"""`flowaudit ipranges show` and `flowaudit ipranges update`."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Annotated

import typer

from flowaudit.cli.options import app_of
from flowaudit.cli.output import Format, FormatOption, columns, facts, show, write, write_one
from flowaudit.errors import ConfigError, IpRangesError

if TYPE_CHECKING:
    import pyarrow as pa

SHIPPED = "shipped with flowaudit"

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="AWS's public address ranges.")


@group.command("show")
def show_ranges(
    ctx: typer.Context,
    addresses: Annotated[
        list[str] | None, typer.Argument(metavar="[ADDRESS]...", help="Tell which ranges hold these.")
    ] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Tell how new the ranges are, and how many; or which of them hold an address.

    Asks nothing of AWS.
    """
    from flowaudit import ipranges

    wanted = [_address(text) for text in addresses or ()]
    lake = app_of(ctx).lake
    held = ipranges.held(lake)
    ranges = ipranges.newest(held, ipranges.shipped())
    if not ranges.num_rows:
        raise IpRangesError("no ranges are known: `flowaudit ipranges update` fetches them")
    if wanted:
        write(ipranges.holding(ranges, wanted), format)
    elif format is Format.TABLE:
        _page(ranges, lake.uri if ranges is held else SHIPPED)
    else:
        write(_counts(ranges, "created_at", "service", "region"), format)


@group.command()
def update(
    ctx: typer.Context,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="URL|FILE", help="A mirror, or a copy of the file; else AWS itself."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Take ranges that are older, or less than half as many, than those known.")
    ] = False,
    format: FormatOption = Format.TABLE,
) -> None:
    """Fetch AWS's ranges into the lake.

    Nothing else in flowaudit needs it, or the network that it needs.
    """
    from flowaudit import ipranges

    lake = app_of(ctx).lake
    source = source or ipranges.URL
    where = ipranges.without_query(source)
    ranges = ipranges.parse(ipranges.fetch(source), where)
    added = ipranges.add(lake, ranges, datetime.now(UTC), force=force)
    write_one(
        {
            "created_at": ipranges.created_at(ranges),
            "from": where,
            "lake": lake.uri,
            "ranges": ranges.num_rows,
            "added": ranges.num_rows if added else 0,
        },
        format,
    )


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no IP address: give one like 192.0.2.1 or 2001:db8::1") from None


def _page(ranges: pa.Table, source: str) -> None:
    """Print what there is, for people."""
    from flowaudit import ipranges

    facts(
        {
            "created at": ipranges.created_at(ranges),
            "source": source,
            "ranges": ranges.num_rows,
        }
    )
    for name in ("service", "region"):
        print()
        show(columns(_counts(ranges, name)))


def _counts(ranges: pa.Table, *by: str) -> pa.Table:
    """Return how many IPv4 and IPv6 ranges there are for each value of some columns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_ipv6 = pc.match_substring(ranges.column("prefix"), ":").cast(pa.int64())
    ranges = ranges.append_column("ipv6", is_ipv6).append_column("ipv4", pc.subtract(1, is_ipv6))
    counted = ranges.group_by(list(by)).aggregate([("ipv4", "sum"), ("ipv6", "sum")])
    counted = counted.rename_columns([*by, "ipv4", "ipv6"])
    return counted.sort_by([(name, "ascending") for name in by])

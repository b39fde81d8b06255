"""AWS's public address ranges: shipped with the package, newer ones in the lake, fetched only when asked for.

Source of the file, its syntax and its meaning: VPC User Guide, "AWS IP address ranges". The service AMAZON has every
range; the other services have parts of it, which may overlap.
"""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from http.client import HTTPException, HTTPMessage, HTTPResponse
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import IO, Any, NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pa_ds
import pyarrow.parquet as pq

from flowaudit.errors import ConfigError, IpRangesError
from flowaudit.lake import Lake
from flowaudit.schema import IP_RANGES

URL = "https://ip-ranges.amazonaws.com/ip-ranges.json"
"""Where AWS publishes the file."""
SHIPPED = Path(__file__).parent / "data" / "ip-ranges.parquet"
"""The ranges that travel with the package, in the shape of the table `ip_ranges`."""
AHEAD = timedelta(days=1)
"""How far in the future a file may be dated: clocks differ."""
LISTS = (("prefixes", "ip_prefix", IPv4Network), ("ipv6_prefixes", "ipv6_prefix", IPv6Network))
"""The file's two lists, the name of the prefix in each, and what it must be."""
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
"""HTTP's answers that may be another a moment later."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a download may take: seconds of silence, seconds a try, bytes, tries, and seconds before the second try.

    The pause doubles with each further try.
    """

    silence: float = 10.0
    seconds: float = 60.0
    size: int = 50_000_000
    tries: int = 3
    pause: float = 1.0


# --- what is known ---------------------------------------------------------------------------------------------------


def known(lake: Lake) -> pa.Table:
    """Return the newest ranges there are, shipped or in the lake (columns of `schema.IP_RANGES`); raises LakeError."""
    return newest(held(lake), shipped())


def newest(*ranges: pa.Table) -> pa.Table:
    """Return the ranges with the latest date, the first of them where two are of the same."""
    return max(ranges, key=created_at)


def created_at(ranges: pa.Table) -> datetime:
    """Return the one date of some ranges; where there are none, it is before all dates."""
    return ranges.column("created_at")[0].as_py() if ranges.num_rows else datetime.min.replace(tzinfo=UTC)


@cache
def shipped(file: Path = SHIPPED) -> pa.Table:
    """Return the ranges that travel with the package; none where the file was left out of it."""
    return pq.read_table(file).select(IP_RANGES.names).cast(IP_RANGES) if file.exists() else IP_RANGES.empty_table()


def held(lake: Lake) -> pa.Table:
    """Return the newest ranges in the lake, none where there are none or no lake; raises LakeError."""
    dates = _dates(lake)
    if not dates:
        return IP_RANGES.empty_table()
    with lake.explained("cannot be read"):
        return lake.dataset("ip_ranges").to_table(filter=pa_ds.field("created_at") == pa.scalar(max(dates)))


def holding(ranges: pa.Table, addresses: Iterable[IPv4Address | IPv6Address]) -> pa.Table:
    """Return all ranges that hold each address, the most specific first, as address, prefix, region, service.

    The order among equal prefixes: any service before EC2, and EC2 before AMAZON. An address that no range holds has
    one row without a range.
    """
    rows: list[dict[str, str]] = []
    for address in addresses:
        around = {str(ip_network((address, length), strict=False)) for length in range(address.max_prefixlen + 1)}
        found = ranges.filter(pc.is_in(ranges.column("prefix"), pa.array(around))).to_pylist()
        rows += [{"address": str(address)} | row for row in sorted(found, key=_specific) or [{}]]
    shape = [(name, pa.string()) for name in ("address", "prefix", "region", "service")]
    return pa.Table.from_pylist(rows, pa.schema(shape))


def _specific(row: dict[str, Any]) -> tuple[int, int, str]:
    length = int(row["prefix"].partition("/")[2])
    return (
        -length,
        ("EC2", "AMAZON").index(row["service"]) + 1 if row["service"] in ("EC2", "AMAZON") else 0,
        row["service"],
    )


# --- what is new -----------------------------------------------------------------------------------------------------


def parse(content: bytes, where: str = "the file") -> pa.Table:
    """Return the ranges in AWS's ip-ranges.json, IPv4 and IPv6; raises IpRangesError for anything else.

    `where` names the content in messages.
    """
    try:
        document = _json(content)
        created = _created(document)
        found = {_range(item, key, kind) for name, key, kind in LISTS for item in _list(document, name)}
    except (ValueError, RecursionError) as error:
        hint = "--from names another mirror or a copy of the file"
        raise IpRangesError(f"{where} is not AWS's ip-ranges.json: {error}; {hint}") from None
    prefixes, regions, services = zip(*sorted(found), strict=True)
    return pa.table([[created] * len(found), prefixes, regions, services], schema=IP_RANGES)


def add(lake: Lake, ranges: pa.Table, now: datetime, *, force: bool = False) -> bool:
    """Write ranges to the lake in one commit; False: their date is in it already.

    Raises IpRangesError where they are older, or less than half as many, than what is known, unless `force`; where
    they are from the future, always; raises LakeError.
    """
    date = created_at(ranges)
    if date in _dates(lake):
        return False
    if date > now + AHEAD:
        raise IpRangesError(f"the ranges are dated {_day(date)}, in the future: no later ones would ever replace them")
    if not force:
        _compare(ranges, known(lake))
    lake.create()
    log = lake.log("ip_ranges")
    if date in _dates(lake):  # once more: who writes after this is noticed
        return False
    log.commit(ranges, {})
    return True


def _compare(ranges: pa.Table, before: pa.Table) -> None:
    """Raise IpRangesError where ranges can hardly be what follows those before."""
    if created_at(ranges) < created_at(before):
        raise IpRangesError(
            f"the ranges are of {_day(created_at(ranges))}, and those of {_day(created_at(before))} are known: nothing "
            "is written; --force writes them for the record, and the newest still hold"
        )
    if ranges.num_rows * 2 < before.num_rows:
        raise IpRangesError(
            f"there are {ranges.num_rows:,} ranges, less than half of the {before.num_rows:,} that are known: is the "
            "file whole? Nothing is written; --force writes them all the same"
        )


def _dates(lake: Lake) -> set[datetime]:
    """Return the dates of all ranges in the lake."""
    if not lake.files("ip_ranges"):
        return set()
    with lake.explained("cannot be read"):
        return set(pc.unique(lake.dataset("ip_ranges").to_table(["created_at"]).column(0)).to_pylist())


def _day(date: datetime) -> str:
    return f"{date:%Y-%m-%dT%H:%M:%SZ}"


def _json(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error})") from None
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004  `parse` tells of all mistakes alike
    return document


def _created(document: dict[str, Any]) -> datetime:
    return datetime.strptime(_text(document, "createDate"), "%Y-%m-%d-%H-%M-%S").replace(tzinfo=UTC)


def _list(document: dict[str, Any], name: str) -> list[Any]:
    found = document.get(name)
    if not isinstance(found, list) or not found:
        raise ValueError(f"{name} is not a list, or an empty one")
    return found


def _range(item: Any, key: str, kind: type[IPv4Network | IPv6Network]) -> tuple[str, str, str]:  # noqa: ANN401  JSON
    """Return prefix, region and service of one entry; raises ValueError."""
    prefix, region, service = (_text(item, name) for name in (key, "region", "service"))
    if "/" not in prefix or not _NAME.fullmatch(region) or not _NAME.fullmatch(service):
        raise ValueError(f"no prefix, region or service is written like this: {_cut(item)}")
    return str(kind(prefix)), region, service


def _text(item: Any, name: str) -> str:  # noqa: ANN401  JSON
    value = item.get(name) if isinstance(item, dict) else None
    if not isinstance(value, str):
        raise ValueError(f"there is no text {name} in {_cut(item)}")  # noqa: TRY004  `parse` tells of all alike
    return value


def _cut(item: Any) -> str:  # noqa: ANN401  JSON
    return json.dumps(item)[:200]


# --- where it comes from ---------------------------------------------------------------------------------------------


def fetch(source: str, limits: Limits = Limits()) -> bytes:
    """Return what lies at an http(s) address or in a file; raises IpRangesError, and ConfigError for other addresses.

    An https address is never left for a plain one.
    """
    if "://" not in source:
        return _read(Path(source).expanduser(), limits.size)
    try:
        parts = urlsplit(source)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError("--from takes a file, or an address like https://host/ip-ranges.json without a user's name")
    return _download(source, limits)


def _read(file: Path, most: int) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        raise IpRangesError(f"{file} cannot be read: {error.strerror}; --from takes a file or a URL") from error
    if len(content) > most:
        _too_large(str(file), most)
    return content


def _download(url: str, limits: Limits) -> bytes:
    """Get a body, trying again where that may help."""
    reason, tried = "", 0
    for tried in range(1, limits.tries + 1):
        if tried > 1:
            time.sleep(limits.pause * 2 ** (tried - 2))
        try:
            return _get(url, limits)
        except (OSError, HTTPException) as error:
            reason = _reason(error)
            if not _passes(error):
                break
    tries = f" ({tried} tries)" if tried > 1 else ""
    hint = "fetch the file where that is possible, and give it by --from FILE"
    raise IpRangesError(f"{without_query(url)} cannot be fetched: {reason}{tries}; {hint}")


def _get(url: str, limits: Limits) -> bytes:
    deadline = time.monotonic() + limits.seconds
    request = Request(url, headers={"User-Agent": "flowaudit"})  # noqa: S310  `fetch` has looked at the scheme
    with build_opener(_NoWayDown).open(request, timeout=limits.silence) as response:
        return _body(response, without_query(url), limits, deadline)


def _body(response: HTTPResponse, where: str, limits: Limits, deadline: float) -> bytes:
    """Read a body to its end; raises ConnectionError where that comes too early, TimeoutError where too late."""
    declared = response.length
    content = bytearray()
    while len(content) != declared and (part := response.read1(1 << 16)):
        content += part
        if max(len(content), declared or 0) > limits.size:
            _too_large(where, limits.size)
        if time.monotonic() > deadline:
            raise TimeoutError(f"it is not whole after {limits.seconds:g} s")
    if declared is not None and len(content) < declared:
        raise ConnectionError(f"the connection ended after {len(content):,} of {declared:,} bytes")
    return bytes(content)


def _too_large(where: str, most: int) -> NoReturn:
    raise IpRangesError(f"{where} has more than {most:,} bytes: AWS's ip-ranges.json has some two million")


def without_query(url: str) -> str:
    """Return an address as messages may name it: a query may hold a secret."""
    return url.partition("?")[0]


class _NoWayDown(HTTPRedirectHandler):
    """Follows a redirect to the same scheme or to https, to nothing else."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Return the next request; raises HTTPError."""
        if urlsplit(newurl).scheme not in ("https", req.type):
            raise HTTPError(req.full_url, code, f"it leads from {req.type} to another scheme", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _passes(error: Exception) -> bool:
    """Tell whether the same request may succeed later."""
    if isinstance(error, HTTPError):
        return error.code in _PASSING
    return not isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError)


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        with error:
            return f"HTTP {error.code}, {error.reason}"
    cause = error.reason if isinstance(error, URLError) else error
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__

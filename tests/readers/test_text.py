"""Log text in, table out: every way a text object is known to be odd."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import repeat
from typing import BinaryIO, cast

import pyarrow as pa
import pytest

from flowaudit.errors import ReadError, SkipObject, TransientSourceError
from flowaudit.readers import QUARANTINE_LINES, read
from flowaudit.readers.text import MAX_LINE, read_text
from flowaudit.schema import FIELDS, RECORDS
from tests.readers.objects import (
    ENI,
    IPV6,
    NODATA,
    PACKINGS,
    RDP,
    SKIPDATA,
    SSH,
    V2,
    Pipe,
    Reading,
    pipe,
    reading,
    stream,
    text,
)

TGW = "version resource-type account-id tgw-id tgw-attachment-id srcaddr dstaddr packets bytes start end log-status"
TGW_RECORD = "6 TransitGateway 123456789010 tgw-0a1b2c tgw-attach-0a1b 10.0.0.1 10.1.0.1 3 300 1418530010 1418530070 OK"


@pytest.fixture(params=list(PACKINGS.values()), ids=list(PACKINGS))
def pack(request: pytest.FixtureRequest) -> Callable[[bytes], bytes]:
    """Both ways a text object may be stored."""
    return request.param


def test_default_format(pack: Callable[[bytes], bytes]) -> None:
    """A record of the default format becomes a row: numbers as numbers, times in UTC, account as text."""
    assert reading(pack(text(V2, SSH))).rows == [
        {
            "version": 2,
            "account_id": "123456789010",
            "interface_id": ENI,
            "srcaddr": "172.31.16.139",
            "dstaddr": "172.31.16.21",
            "srcport": 20641,
            "dstport": 22,
            "protocol": 6,
            "packets": 20,
            "bytes": 4249,
            "start_time": datetime.fromtimestamp(1418530010, UTC),
            "end_time": datetime.fromtimestamp(1418530070, UTC),
            "action": "ACCEPT",
            "log_status": "OK",
        }
    ]


def test_types_are_the_lakes() -> None:
    """Every field has the lake's column and type; text may be a dictionary."""
    line = " ".join("1" for _ in FIELDS)
    (block,) = reading(text(" ".join(field.name for field in FIELDS), line)).blocks
    for field in block.records.schema:
        plain = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        assert plain == RECORDS.field(field.name).type
    assert block.records.column_names == [name for name in RECORDS.names if name != "extra"]


@pytest.mark.parametrize("order", [sorted(V2.split()), V2.split()[::-1], ["bytes"], ["action", "end", "srcaddr"]])
def test_any_order_and_subset(order: list[str]) -> None:
    """Fields come in the order of the header, alphabetical or any other, and as few as there are."""
    values = dict(zip(V2.split(), SSH.split(), strict=True))
    found = reading(text(" ".join(order), " ".join(values[name] for name in order))).rows
    expected = reading(text(V2, SSH)).rows
    columns = {"start": "start_time", "end": "end_time"}
    names = [columns.get(name, name.replace("-", "_")) for name in order]
    assert found == [{name: expected[0][name] for name in names}]


def test_unknown_fields_go_to_extra() -> None:
    """Fields that no version has yet are kept in `extra` under their column's name; missing ones are left out."""
    records = ("12 x 5 y -", "12 - 6 z -", "12 - 7 - -", "12 w 8 - -")
    found = reading(text("version new-field bytes other action", *records))
    assert found.column("bytes") == [5, 6, 7, 8]
    assert found.column("extra") == [
        [("new_field", "x"), ("other", "y")],
        [("other", "z")],
        [],
        [("new_field", "w")],
    ]
    assert found.blocks[0].records.schema.field("extra").type == RECORDS.field("extra").type


def test_no_extra_without_unknown_fields() -> None:
    """Where every field is known there is no `extra` column."""
    assert "extra" not in reading(text(V2, SSH)).blocks[0].records.column_names


@pytest.mark.parametrize("line", [NODATA, SKIPDATA])
def test_rows_without_traffic_are_kept(line: str) -> None:
    """NODATA and SKIPDATA rows are records, null where there is a dash."""
    (row,) = reading(text(V2, line)).rows
    assert row["log_status"] == line.rsplit(maxsplit=1)[-1]
    assert row["start_time"] == datetime.fromtimestamp(1431280876, UTC)
    assert [row[n] for n in ("srcaddr", "dstport", "packets", "bytes", "action")] == [None] * 5


def test_rows_without_time_are_kept() -> None:
    """A NODATA row is legal where the format has no time, and where the times are dashes."""
    assert reading(text("interface-id log-status bytes", f"{ENI} NODATA -")).rows == [
        {"interface_id": ENI, "log_status": "NODATA", "bytes": None}
    ]
    assert reading(text("start end log-status", "- - SKIPDATA")).column("start_time") == [None]


def test_millisecond_times() -> None:
    """Times past 2^31-1 are milliseconds, each by itself."""
    found = reading(text("start bytes", "1616729292 1", "1616729349123 2", "2147483647 3", "2147483648 4", "- 5"))
    assert found.column("start_time") == [
        datetime.fromtimestamp(1616729292, UTC),
        datetime(2021, 3, 26, 3, 29, 9, 123000, tzinfo=UTC),
        datetime.fromtimestamp(2147483647, UTC),
        datetime.fromtimestamp(2147483.648, UTC),
        None,
    ]


def test_account_is_text() -> None:
    """`unknown` is an account, and leading zeros stay."""
    found = reading(text("account-id bytes", "unknown 1", "012345678901 2", "- 3"))
    assert found.column("account_id") == ["unknown", "012345678901", None]


def test_ipv6() -> None:
    """IPv6 addresses are read as they stand."""
    (row,) = reading(text(V2, IPV6)).rows
    assert (row["srcaddr"], row["dstaddr"]) == ("2001:db8:1234:a100:8d6e:3477:df66:f105", "2001:db8::8")


@pytest.mark.parametrize(
    "mangled",
    [
        SSH.replace(" 22 ", "  22 "),
        SSH.replace(" ", "   "),
        f"  {SSH}",
        f"{SSH} ",
        SSH.replace(" ", "\t"),
        SSH.replace(" 172", " \t172"),
        f"{SSH}\t",
    ],
    ids=["double", "triple", "leading", "trailing", "tabs", "mixed", "trailing tab"],
)
def test_any_whitespace_separates(mangled: str, pack: Callable[[bytes], bytes]) -> None:
    """Runs of spaces and tabs separate, and those at the ends mean nothing."""
    found = reading(pack(text(V2, RDP, mangled, RDP)))
    assert found.rows == reading(text(V2, RDP, SSH, RDP)).rows
    assert found.bad == 0


def test_double_space_does_not_stand_for_a_value() -> None:
    """A token too few is not made up for by a double space."""
    found = reading(text("action log-status type", "ACCEPT  OK", "ACCEPT OK IPv4"))
    assert found.column("type") == ["IPv4"]
    assert found.quarantined == [(2, "2 tokens where the format has 3", "ACCEPT  OK")]


def test_windows_line_ends(pack: Callable[[bytes], bytes]) -> None:
    """CRLF ends a line as LF does, in header and records."""
    assert reading(pack(text(V2, SSH, RDP, end="\r\n"))).rows == reading(text(V2, SSH, RDP)).rows


def test_no_final_newline(pack: Callable[[bytes], bytes]) -> None:
    """The last line is a record also without a newline."""
    assert reading(pack(text(V2, SSH, RDP)[:-1])).rows == reading(text(V2, SSH, RDP)).rows


def test_blank_lines() -> None:
    """Blank lines are ignored, at the start too, and still counted in line numbers."""
    found = reading(text("", "  ", V2, "", SSH, " \t", "", "what is this", RDP, ""))
    assert found.rows == reading(text(V2, SSH, RDP)).rows
    assert [line for line, _, _ in found.quarantined] == [8]


@pytest.mark.parametrize("data", [b"", b"\n", b" \r\n\n", text(V2), text(V2)[:-1], text(V2, V2)])
def test_nothing_in_it(data: bytes, pack: Callable[[bytes], bytes]) -> None:
    """An object that is empty, blank or a header alone has no records, which is no error."""
    found = reading(pack(data))
    assert (found.rows, found.bad, found.diverted) == ([], 0, 0)


def test_byte_order_mark() -> None:
    """A byte order mark before the header is no part of a name."""
    assert reading(b"\xef\xbb\xbf" + text(V2, SSH)).rows == reading(text(V2, SSH)).rows


@pytest.mark.parametrize("spelling", [V2.upper(), V2.replace("-", "_"), V2.title()])
def test_header_spelling(spelling: str) -> None:
    """Names may be in any case, with underscores for hyphens."""
    assert reading(text(spelling, SSH)).rows == reading(text(V2, SSH)).rows


def test_repeated_header(pack: Callable[[bytes], bytes]) -> None:
    """A header that comes again, as after concatenation, is no record and no bad line."""
    found = reading(pack(text(V2, SSH, V2, RDP)))
    assert found.rows == reading(text(V2, SSH, RDP)).rows
    assert found.bad == 0


def test_members_of_one_gzip() -> None:
    """All members of a gzip are read, each by its own header."""
    found = reading(gzip.compress(text(V2, SSH)) + gzip.compress(text("bytes action", "7 REJECT")))
    assert found.column("bytes") == [4249, 7]
    assert found.column("action") == ["ACCEPT", "REJECT"]
    assert found.column("srcaddr") == ["172.31.16.139", None]


def test_header_with_another_order_in_mid_file() -> None:
    """From a header on its own order holds, for good lines and bad ones, and line numbers go on."""
    found = reading(text("srcport bytes", "1 2", "bytes srcport", "3 4", "x 5", "6 7"))
    assert found.column("bytes") == [2, 3, 6]
    assert found.column("srcport") == [1, 4, 7]
    assert found.quarantined == [(5, f"bytes: 'x' is no whole number from 0 to {2**63 - 1}", "x 5")]


def test_header_among_text_only_records() -> None:
    """A header is seen in mid-file also where every field is text, so that it would pass for a record."""
    found = reading(text("action srcaddr", "ACCEPT 10.0.0.1", "interface-id action", "eni-1 REJECT", "LOG_STATUS type"))
    assert found.column("action") == ["ACCEPT", "REJECT"]
    assert found.column("interface_id") == [None, "eni-1"]


def test_header_missing_with_declared_format() -> None:
    """An object without a header is read by the declared format, its first line included."""
    assert reading(text(SSH, RDP), V2.split()).rows == reading(text(V2, SSH, RDP)).rows


def test_header_wins_over_declared_format() -> None:
    """Where there is a header it holds, whatever was declared."""
    assert reading(text("bytes srcport", "1 2"), ["srcport", "bytes"]).rows == [{"bytes": 1, "srcport": 2}]


@pytest.mark.parametrize("first", [SSH, "-", "one two three", "\x00\x01\x02", "version and other words"])
def test_header_missing_and_nothing_declared(first: str, pack: Callable[[bytes], bytes]) -> None:
    """Without header or declaration the object is skipped, however familiar 14 tokens look; the message helps."""
    with pytest.raises(SkipObject, match=r'format = "version account-id …"` in the \[\[sources\]\] section'):
        reading(pack(text(first, SSH)))


def test_header_with_a_field_twice() -> None:
    """A format that has a field twice is refused by that field's name."""
    with pytest.raises(SkipObject, match="field bytes twice"):
        reading(text("bytes action bytes", "1 ACCEPT 2"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2 123456789010 eni-1 10.0.0.1", "4 tokens where the format has 14"),
        ("2", "1 token where the format has 14"),
        (f"{SSH} more", "15 tokens where the format has 14"),
        (SSH.replace(" 22 ", " ssh "), "dstport: 'ssh' is no whole number from 0 to 2147483647"),
        (SSH.replace(" 22 ", " 2147483648 "), "dstport: '2147483648' is no whole number from 0 to 2147483647"),
        (SSH.replace(" 22 ", " 2.5 "), "dstport: '2.5' is no whole number from 0 to 2147483647"),
        (SSH.replace(" 22 ", " -22 "), "dstport: '-22' is no whole number from 0 to 2147483647"),
        (SSH.replace(" 4249 ", " -1 "), "bytes: '-1' is no whole number from 0 to 9223372036854775807"),
        (SSH.replace(" 4249 ", f" {10**19} "), f"bytes: '{10**19}' is no whole number from 0 to 9223372036854775807"),
        (SSH.replace(" 4249 ", f" {'9' * 5000} "), f"bytes: '{'9' * 60}' is no whole number from 0 to {2**63 - 1}"),
        (SSH.replace("1418530010", "2014-12-14"), "start: '2014-12-14' is no whole number from 0 to 253402300799999"),
        (SSH.replace("1418530010", str(2**62)), f"start: '{2**62}' is no whole number from 0 to 253402300799999"),
        (SSH.replace("172.31.16.21", "somewhere"), "dstaddr: 'somewhere' is no address"),
    ],
)
def test_bad_line(line: str, reason: str, pack: Callable[[bytes], bytes]) -> None:
    """A bad line is quarantined with its number, reason and text; its neighbours are read."""
    found = reading(pack(text(V2, SSH, line, RDP)))
    assert found.rows == reading(text(V2, SSH, RDP)).rows
    assert found.quarantined == [(3, reason, line[:500])]
    assert found.bad == 1


def test_not_utf8() -> None:
    """A line that is not UTF-8 is quarantined, its odd bytes replaced; UTF-8 beyond ASCII is read."""
    found = reading(b"interface-tag bytes\ncaf\xc3\xa9 1\ncaf\xe9 2\nx 3\n")
    assert found.column("interface_tag") == ["café", "x"]
    assert found.quarantined == [(3, "interface-tag: 'caf\ufffd' is not UTF-8", "caf\ufffd 2")]


def test_nul_bytes() -> None:
    """NUL bytes do no harm but to their own line."""
    found = reading(text("bytes action", "1 ACCEPT", "\x00\x00 \x00", "2 REJECT"))
    assert found.column("bytes") == [1, 2]
    assert found.bad == 1


def test_quotes_are_letters() -> None:
    """Quotation marks mean nothing: they neither join tokens nor swallow lines."""
    found = reading(text("interface-tag bytes", '"a 1', 'b" 2', '"" 3'))
    assert found.column("interface_tag") == ['"a', 'b"', '""']


@pytest.mark.parametrize("block_size", [1 << 10, 2 << 20])
def test_quarantine_is_bounded_but_counted(block_size: int) -> None:
    """Of an object at most QUARANTINE_LINES bad lines are kept, its first; all are counted."""
    lines = [line for n in range(3000) for line in (f"{n} ACCEPT", "bad line here")]
    found = Reading(list(read_text(stream(text("bytes action", *lines)), None, block_size=block_size)))
    assert found.column("bytes") == list(range(3000))
    assert found.bad == 3000
    assert [line for line, _, _ in found.quarantined] == list(range(3, 2 * QUARANTINE_LINES + 3, 2))


@pytest.mark.parametrize("block_size", [4096, 1 << 20, 4 << 20])
@pytest.mark.parametrize("sizes", [(MAX_LINE + 1,), (MAX_LINE * 3,), (MAX_LINE * 2, MAX_LINE * 2)])
def test_endless_line(block_size: int, sizes: tuple[int, ...]) -> None:
    """A line without end is one bad line, and reading goes on after it."""
    lines = [line for size in sizes for line in ("x" * size, "3 REJECT")]
    data = text("bytes action", "1 ACCEPT", *lines)
    found = Reading(list(read_text(stream(data), None, block_size=block_size)))
    assert found.column("bytes") == [1] + [3] * len(sizes)
    assert found.quarantined == [(3 + 2 * n, f"longer than {MAX_LINE} bytes", "x" * 500) for n in range(len(sizes))]


def test_endless_line_at_the_end() -> None:
    """A line without end that ends the object is a bad line too."""
    found = Reading(list(read_text(stream(b"bytes\n1\n" + b"9" * 3 * MAX_LINE), None, block_size=4096)))
    assert (found.column("bytes"), found.bad) == ([1], 1)


@pytest.mark.parametrize("keep", [-1, -8, -9, 200, 12, 3])
def test_truncated_gzip(keep: int) -> None:
    """A gzip that ends too early fails as a whole."""
    whole = gzip.compress(text(V2, *(f"2 {n} {ENI} " + SSH.split(" ", 3)[3] for n in range(1000))))
    with pytest.raises(ReadError, match="truncated: nothing of it is kept; it will be retried"):
        reading(whole[:keep])


def test_corrupt_gzip() -> None:
    """A gzip whose checksum or data is wrong fails as a whole."""
    whole = bytearray(gzip.compress(text(V2, SSH)))
    for place in (-5, 14):
        broken = whole.copy()
        broken[place] ^= 0xFF
        with pytest.raises(ReadError, match=r"corrupt .* it will be retried"):
            reading(bytes(broken))


def test_transit_gateway_records_are_diverted(pack: Callable[[bytes], bytes]) -> None:
    """Records after a Transit Gateway header are counted, not read and not bad, until another header."""
    found = reading(pack(text(TGW, TGW_RECORD, "", TGW_RECORD, V2, SSH, TGW, TGW_RECORD)))
    assert found.rows == reading(text(V2, SSH)).rows
    assert (found.diverted, found.bad) == (3, 0)


def test_transit_gateway_id_is_no_header() -> None:
    """A stray line that holds but a transit gateway's id diverts nothing."""
    found = reading(text("bytes", "1", "tgw-0a1b2c", "2"))
    assert (found.column("bytes"), found.bad, found.diverted) == ([1, 2], 1, 0)


@pytest.mark.parametrize("open_stream", [stream, pipe])
def test_any_stream(open_stream: Callable[[bytes], BinaryIO], pack: Callable[[bytes], bytes]) -> None:
    """The kind of an object is told by its bytes, also where the stream cannot go back and gives little at a time."""
    data = text(V2, *repeat(SSH, 2000))
    found = Reading(list(read(open_stream(pack(data)), None)))
    assert found.rows == reading(data).rows


@pytest.mark.parametrize("head", [b"PAR1", gzip.compress(b"bytes\n1\n", mtime=0)[:12], b"bytes\n1\n"])
def test_errors_of_the_stream_are_its_own(head: bytes) -> None:
    """What the source raises while it is read passes through as it is, whatever the kind of object."""

    class Breaks(Pipe):
        def read(self, size: int = -1) -> bytes:
            if data := super().read(size):
                return data
            raise TransientSourceError("the connection broke")

    with pytest.raises(TransientSourceError):
        list(read(cast("BinaryIO", Breaks(head)), None))

"""Log objects as AWS writes them."""

import gzip
import io
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowaudit import schema
from flowaudit.model import Window
from flowaudit.simulate import (
    FORMATS,
    FlowLog,
    compliant,
    default_network,
    encode,
    generate,
    log_objects,
    object_key,
    project,
    streams,
    write_text,
)

SINCE = datetime(2025, 11, 23, 9, 58, tzinfo=UTC)
NETWORK = default_network(3)
RECORDS = generate(
    NETWORK,
    (*compliant(NETWORK, 20), streams.leak_by_internet_gateway(NETWORK, ipv6=True), streams.skipdata(NETWORK)),
    Window(SINCE, SINCE + timedelta(minutes=10)),
)


def lines(content: bytes) -> list[list[str]]:
    """The tokens of a text object, line by line."""
    return [line.split(" ") for line in gzip.decompress(content).decode().splitlines()]


def token(value: object) -> str:
    """What AWS's text has for a value in lake type."""
    if isinstance(value, datetime):
        return str(int(value.timestamp()))
    return "-" if value is None else str(value)


@pytest.mark.parametrize(
    ("name", "count", "version"),
    [
        *[("v2", 14, 2), ("v3", 21, 3), ("v4", 25, 4), ("v5", 29, 5), ("v5-alphabetical", 29, 5)],
        *[("v7", 39, 7), ("v8", 40, 8), ("v9", 41, 9), ("v10", 42, 10), ("v11", 54, 11)],
    ],
)
def test_text_of_each_format(name: str, count: int, version: int) -> None:
    """Each format is a header with its fields, then every record with the format's version."""
    fields = FORMATS[name]
    header, *body = lines(encode(RECORDS, fields))

    assert header == list(fields)
    assert len(header) == count
    assert {len(line) for line in body} == {count}
    assert {line[fields.index("version")] for line in body} == {str(version)}


@pytest.mark.parametrize("name", ["v2", "v5", "v5-alphabetical", "v11"])
def test_text_holds_every_value(name: str) -> None:
    """What is read back token by token is what was simulated: Unix seconds for times, a hyphen for what is missing."""
    _, *body = lines(encode(RECORDS, FORMATS[name]))

    assert body == [[token(value) for value in row.values()] for row in project(RECORDS, FORMATS[name]).to_pylist()]


def test_text_without_header() -> None:
    """A text object can lack its header."""
    fields = FORMATS["v2"]

    assert lines(encode(RECORDS, fields, header=False)) == lines(encode(RECORDS, fields))[1:]


def test_plain_text_in_blocks_is_one_object() -> None:
    """Blocks written one after the other make one object with one header, plain where no level is given."""
    whole, parts = io.BytesIO(), io.BytesIO()
    write_text([RECORDS], FORMATS["v5"], whole, level=None)
    write_text([RECORDS.slice(0, 100), RECORDS.slice(100)], FORMATS["v5"], parts, level=None)

    assert parts.getvalue() == whole.getvalue()
    assert whole.getvalue() == gzip.decompress(encode(RECORDS, FORMATS["v5"]))


def test_no_records_is_a_header_alone() -> None:
    """An object without records still has its header."""
    assert lines(encode(RECORDS.slice(0, 0), FORMATS["v2"])) == [list(FORMATS["v2"])]


@pytest.mark.parametrize("parquet", [False, True])
def test_same_seed_same_bytes(parquet: bool) -> None:
    """The same records give the same bytes, text or Parquet, whenever they are written."""
    network = default_network(3)
    window = Window(SINCE, SINCE + timedelta(minutes=10))
    once, again = (
        encode(generate(network, compliant(network), window, 5), FORMATS["v5"], parquet=parquet) for _ in "ab"
    )

    assert once == again


def test_project_keeps_order_and_types() -> None:
    """A projection has the chosen columns in the chosen order, in lake types, and none of the truth."""
    table = project(RECORDS, ("pkt-dstaddr", "start", "version"))

    assert table.schema == pa.schema(
        [("pkt_dstaddr", pa.string()), ("start_time", schema.TIME), ("version", pa.int32())]
    )
    assert set(table["version"].to_pylist()) == {3}


def test_project_without_version() -> None:
    """The version is a field like others: not chosen, not there."""
    assert project(RECORDS, ("srcaddr",)).column_names == ["srcaddr"]


@pytest.mark.parametrize("fields", [(), ("srcaddr", "source-port")])
def test_impossible_choice_of_fields(fields: tuple[str, ...]) -> None:
    """Fields that AWS does not know, or none at all, are refused."""
    with pytest.raises(ValueError, match="not a choice of flow log fields"):
        project(RECORDS, fields)


def test_parquet_has_the_types_of_aws() -> None:
    """Parquet has INT32, INT64 and UTF8 columns under AWS's names with underscores, compressed with gzip."""
    file = pq.ParquetFile(io.BytesIO(encode(RECORDS, FORMATS["v11"], parquet=True)))
    long, short = {"packets", "bytes", "start", "end"}, {"version", "srcport", "dstport", "protocol", "tcp_flags"}
    short |= {"traffic_path", "encryption_status"}

    assert file.schema_arrow.names == [name.replace("-", "_") for name in FORMATS["v11"]]
    for number in range(len(file.schema)):
        column = file.schema.column(number)
        kind = "INT64" if column.name in long else "INT32" if column.name in short else "BYTE_ARRAY"
        assert (column.name, column.physical_type) == (column.name, kind)
        assert str(column.logical_type) == ("String" if kind == "BYTE_ARRAY" else "None")
        assert file.metadata.row_group(0).column(number).compression == "GZIP"


def test_parquet_writes_missing_values_as_aws_does() -> None:
    """Missing text is a hyphen, a missing number NULL, and all else is what was simulated."""
    stored = pq.read_table(io.BytesIO(encode(RECORDS, FORMATS["v11"], parquet=True)))

    chosen = [schema.FIELD_BY_NAME[name] for name in FORMATS["v11"]]

    for field, values in zip(chosen, project(RECORDS, FORMATS["v11"]).columns, strict=True):
        missing = "-" if field.type == pa.string() else None
        told = [int(value.timestamp()) if field.type == schema.TIME else value for value in values.to_pylist()]
        expected = [missing if value is None else value for value in told]
        assert stored[field.name.replace("-", "_")].to_pylist() == expected


@pytest.mark.parametrize(
    ("layout", "folder", "file"),
    [
        (
            FlowLog("fl-1234abcd"),
            "AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20",
            "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz",
        ),
        (
            FlowLog("fl-1234abcd", hourly=True, prefix="/my-logs/"),
            "my-logs/AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/16",
            "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz",
        ),
        (
            FlowLog("fl-1234abcd", "000000000042", "us-gov-east-1", hive=True, organization_id="o-abc"),
            (
                "AWSLogs/o-abc/aws-account-id=000000000042/aws-service=vpcflowlogs/aws-region=us-gov-east-1"
                "/year=2018/month=06/day=20"
            ),
            "000000000042_vpcflowlogs_us-gov-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz",
        ),
        (
            FlowLog("fl-1234abcd", hive=True, hourly=True, parquet=True),
            (
                "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1"
                "/year=2018/month=06/day=20/hour=16"
            ),
            "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.parquet",
        ),
    ],
    ids=["default", "hourly", "hive", "hive-hourly"],
)
def test_key_of_each_layout(layout: FlowLog, folder: str, file: str) -> None:
    """Keys follow AWS's four layouts, with prefix, organisation, account, region and kind of file."""
    assert object_key(layout, datetime(2018, 6, 20, 16, 20, tzinfo=UTC), "fe123456") == f"{folder}/{file}"


def test_object_holds_the_records_that_end_in_its_five_minutes() -> None:
    """Each record goes, once, into the object whose name's time its end falls into."""
    log = FlowLog(fields=("end", "bytes"))
    found = dict(log_objects(RECORDS, log))
    ends = []
    for key, content in found.items():
        named = datetime.strptime(key.split("_")[4], "%Y%m%dT%H%MZ").replace(tzinfo=UTC).timestamp()
        own = [int(line[0]) for line in lines(content)[1:]]
        assert all(named <= end < named + 300 for end in own)
        ends += own

    assert [key.split("_")[4] for key in found] == ["20251123T0955Z", "20251123T1000Z", "20251123T1005Z"]
    assert sorted(ends) == sorted(int(end.timestamp()) for end in RECORDS["end_time"].to_pylist())


def test_several_objects_of_the_same_five_minutes() -> None:
    """A limit on rows makes more objects of other names, and no record is lost."""
    found = list(log_objects(RECORDS, FlowLog(), rows=100))
    sizes = [len(lines(content)) - 1 for _, content in found]

    assert max(sizes) == 100
    assert sum(sizes) == RECORDS.num_rows
    assert len({key for key, _ in found}) == len(found)

"""Simulated records and the truth about them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from flowaudit.model import Window
from flowaudit.simulate import (
    SIMULATED,
    Interface,
    Kind,
    Network,
    Remotes,
    Stream,
    Subnet,
    Vpc,
    compliant,
    default_network,
    generate,
    planted,
    remotes,
    sized,
    streams,
)

SINCE = datetime(2025, 11, 23, 10, tzinfo=UTC)
TEN_MINUTES = Window(SINCE, SINCE + timedelta(minutes=10))
NETWORK = default_network(1)
STREAMS: tuple[Callable[[Network, float], Stream], ...] = (
    streams.s3_by_endpoint,
    streams.api_by_endpoint,
    streams.internet_by_nat,
    streams.internet_by_regional_nat,
    streams.neighbours,
    streams.file_system,
    streams.invocations,
    streams.peering,
    streams.on_premises,
    streams.other_vpcs,
    streams.leak_by_internet_gateway,
    streams.leak_s3_by_nat,
    streams.leak_s3_by_internet_gateway,
    streams.leak_by_transit_gateway,
    streams.leak_by_middlebox,
    streams.refused,
    streams.probes,
)


def rows(*traffic: Stream | streams.Silence, window: Window = TEN_MINUTES, seed: int = 0) -> list[dict[str, object]]:
    """Simulated records as dictionaries."""
    return generate(NETWORK, traffic, window, seed).to_pylist()


def test_same_seed_same_table() -> None:
    """The same seed gives the same records in the same order, another seed others."""
    tables = [generate(default_network(4), compliant(default_network(4)), TEN_MINUTES, seed) for seed in (7, 7, 8)]

    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


def test_one_more_stream_leaves_the_others_alone() -> None:
    """Traffic planted after a mixture does not change the mixture's own records."""
    mixture = compliant(NETWORK)
    plain = generate(NETWORK, mixture, TEN_MINUTES)
    leaky = generate(NETWORK, (*mixture, streams.leak_by_internet_gateway(NETWORK)), TEN_MINUTES)
    kept = leaky.filter(pc.invert(pc.starts_with(leaky["truth_label"], "leak:")))

    assert sorted(map(str, kept.to_pylist())) == sorted(map(str, plain.to_pylist()))


def test_next_window_has_other_records() -> None:
    """One seed serves a whole day: each window has traffic of its own."""
    later = Window(TEN_MINUTES.until, TEN_MINUTES.until + timedelta(minutes=10))
    first, second = (generate(NETWORK, compliant(NETWORK), window) for window in (TEN_MINUTES, later))

    assert first["bytes"].to_pylist() != second["bytes"].to_pylist()


@pytest.mark.parametrize("make", STREAMS, ids=lambda make: make.__name__)
def test_records_of_each_stream(make: Callable[[Network, float], Stream]) -> None:
    """Every kind of traffic is as many records as it says, in the full shape, within the window, with its truth."""
    stream = make(NETWORK, 3)
    table = generate(NETWORK, [stream], TEN_MINUTES)
    own = table.filter(pc.is_in(table["truth_label"], pa.array([stream.label])))
    egress = own.filter(pc.equal(own["truth_direction"], "egress"))

    assert table.schema == SIMULATED
    assert table.num_rows == 30 * stream.rows
    assert pc.min(table["start_time"]).as_py() >= TEN_MINUTES.since
    assert pc.max(table["end_time"]).as_py() < TEN_MINUTES.until
    assert pc.all(pc.less_equal(table["start_time"], table["end_time"])).as_py()
    assert set(egress["truth_path"].to_pylist()) <= {stream.path, "same_vpc"}
    assert set(egress["traffic_path"].to_pylist()) <= {stream.traffic_path}
    assert table["truth_direction"].equals(table["flow_direction"])
    assert pc.all(pc.equal(pc.is_valid(table["traffic_path"]), pc.equal(table["flow_direction"], "egress"))).as_py()


@pytest.mark.parametrize("make", STREAMS, ids=lambda make: make.__name__)
def test_no_record_lasts_over_a_minute(make: Callable[[Network, float], Stream]) -> None:
    """Records are those of a one-minute aggregation interval."""
    table = generate(NETWORK, [make(NETWORK, 5)], TEN_MINUTES)

    assert pc.max(pc.seconds_between(table["start_time"], table["end_time"])).as_py() < 60
    assert pc.equal(pc.minute(table["start_time"]), pc.minute(table["end_time"])).to_pylist() == [True] * len(table)


def test_source_address_is_the_recorders_own_on_egress() -> None:
    """Egress leaves from the recording interface's primary address, ingress arrives at it, whoever records."""
    own = {interface.id: (interface.address, interface.ipv6) for interface in NETWORK.interfaces}
    mixture = (*compliant(NETWORK), streams.leak_by_internet_gateway(NETWORK, ipv6=True))

    for row in rows(*mixture):
        if row["log_status"] == "OK":
            local = row["srcaddr"] if row["flow_direction"] == "egress" else row["dstaddr"]
            assert local in own[str(row["interface_id"])]


@pytest.mark.parametrize("ipv6", [False, True])
def test_leak_by_internet_gateway(ipv6: bool) -> None:
    """A leak leaves on path 8 with no next hop, towards a public address, in either family."""
    leak = rows(streams.leak_by_internet_gateway(NETWORK, 4, ipv6=ipv6))
    egress = [row for row in leak if row["flow_direction"] == "egress"]

    assert {row["truth_label"] for row in leak} == {"leak:internet_gateway"}
    assert {(row["traffic_path"], row["next_hop_interface_id"], row["action"]) for row in egress} == {
        (8, None, "ACCEPT")
    }
    assert {row["type"] for row in leak} == {"IPv6" if ipv6 else "IPv4"}
    assert {ip_address(str(row["dstaddr"])).version for row in egress} == {6 if ipv6 else 4}


def test_nat_gateway_writes_four_rows() -> None:
    """A zonal NAT gateway shows its private address to the workload and hides the workload from the internet."""
    one = replace(streams.internet_by_nat(NETWORK, 1), remotes=Remotes(("203.0.113.5",)))
    minute = Window(SINCE, SINCE + timedelta(minutes=1))
    nat, job = NETWORK.first(Kind.NAT_GATEWAY), NETWORK.workloads[0]
    seen = {
        tuple(
            row[name] for name in ("interface_id", "flow_direction", "srcaddr", "pkt_srcaddr", "dstaddr", "pkt_dstaddr")
        )
        for row in rows(one, window=minute)
    }

    assert seen == {
        (job.id, "egress", job.address, job.address, "203.0.113.5", "203.0.113.5"),
        (job.id, "ingress", "203.0.113.5", "203.0.113.5", job.address, job.address),
        (nat.id, "ingress", job.address, job.address, nat.address, "203.0.113.5"),
        (nat.id, "egress", nat.address, nat.address, "203.0.113.5", "203.0.113.5"),
        (nat.id, "ingress", "203.0.113.5", "203.0.113.5", nat.address, nat.address),
        (nat.id, "egress", nat.address, "203.0.113.5", job.address, job.address),
    }


def test_nat_gateways_own_rows_are_no_leak() -> None:
    """What the NAT gateway sends to the internet on path 8 is transit: nobody's egress, and not planted."""
    table = generate(NETWORK, [streams.internet_by_nat(NETWORK)], TEN_MINUTES)
    by_gateway = table.filter(pc.equal(table["interface_type"], "nat_gateway")).to_pylist()

    assert {row["truth_label"] for row in by_gateway} == {"transit"}
    assert {row["truth_path"] for row in by_gateway} == {None}
    assert 8 in {row["traffic_path"] for row in by_gateway}
    assert planted(table).num_rows == 0


def test_nat_gateway_uses_a_port_of_its_own() -> None:
    """Behind the NAT gateway the workload's port is gone, and replies come to the gateway's port."""
    minute = Window(SINCE, SINCE + timedelta(minutes=1))
    own = [row for row in rows(streams.internet_by_nat(NETWORK, 1), window=minute) if row["interface_type"]]
    outer = {
        (row["flow_direction"], row["srcport"], row["dstport"]) for row in own if row["next_hop_interface_id"] is None
    }
    ports = {row["srcport"] for row in own if row["flow_direction"] == "ingress" and row["next_hop_interface_id"]}
    (sent,) = (source for direction, source, _ in outer if direction == "egress")

    assert ("ingress", 443, sent) in outer or ("ingress", 80, sent) in outer
    assert sent not in ports


def test_regional_nat_gateway_names_no_interface() -> None:
    """A regional NAT gateway records under its resource id, with the remote address on both sides."""
    nat = NETWORK.first(Kind.REGIONAL_NAT_GATEWAY)
    found = rows(streams.internet_by_regional_nat(NETWORK, 2))
    own = [row for row in found if row["resource_id"]]
    hops = {row["next_hop_interface_type"] for row in found if row["truth_path"]}

    assert {row["resource_id"] for row in own} == {nat.id}
    assert {(row["interface_id"], row["subnet_id"], row["instance_id"]) for row in own} == {(None, None, None)}
    assert all(row["srcaddr"] == row["pkt_srcaddr"] and row["dstaddr"] == row["pkt_dstaddr"] for row in own)
    assert hops == {"regional_nat_gateway"}


@pytest.mark.parametrize(
    ("make", "kind", "service"),
    [
        (streams.s3_by_endpoint, None, "S3"),
        (streams.api_by_endpoint, "vpc_endpoint", None),
        (streams.internet_by_nat, "nat_gateway", None),
        (streams.leak_s3_by_nat, "nat_gateway", "S3"),
        (streams.leak_s3_by_internet_gateway, None, "S3"),
        (streams.leak_by_transit_gateway, "transit_gateway", None),
        (streams.leak_by_middlebox, None, None),
    ],
)
def test_next_hop_and_service(make: Callable[[Network, float], Stream], kind: str | None, service: str | None) -> None:
    """Egress names the kind of its next hop and the service it goes to."""
    egress = [row for row in rows(make(NETWORK, 2)) if row["truth_path"]]

    assert {row["next_hop_interface_type"] for row in egress} == {kind}
    assert {row["pkt_dst_aws_service"] for row in egress} == {service}


def test_middlebox_is_a_next_hop_without_a_kind() -> None:
    """An instance that forwards shows as a next hop's interface without a type."""
    box = NETWORK.first(Kind.MIDDLEBOX)
    hops = {row["next_hop_interface_id"] for row in rows(streams.leak_by_middlebox(NETWORK)) if row["truth_path"]}

    assert hops == {box.id}


def test_transit_gateway_is_no_next_hop_of_ingress() -> None:
    """What comes back through a transit gateway does not say so."""
    back = [row for row in rows(streams.other_vpcs(NETWORK)) if row["flow_direction"] == "ingress"]

    assert {row["next_hop_interface_id"] for row in back} == {None}


def test_both_ends_record_the_same_packets() -> None:
    """Traffic between two workloads is written down at both, with equal figures and opposite directions."""
    found = rows(streams.neighbours(NETWORK, 5))
    names = ("srcaddr", "dstaddr", "srcport", "dstport", "bytes", "packets", "start_time")
    sent, got = (
        sorted(tuple(str(row[name]) for name in names) for row in found if row["flow_direction"] == direction)
        for direction in ("egress", "ingress")
    )

    assert sent == got
    assert all(row["srcaddr"] != row["dstaddr"] for row in found)


def test_initiator_is_the_side_that_sends_syn_alone() -> None:
    """Outbound, the workload begins; inbound, the client does."""
    begun = (2, 3)
    outbound, inbound = rows(streams.file_system(NETWORK)), rows(streams.invocations(NETWORK))
    by_job = [row for row in (*outbound, *inbound) if row["truth_workload"] and row["tcp_flags"] in begun]

    assert {row["flow_direction"] for row in by_job if row["dstport"] == 2049} == {"egress"}
    assert {row["flow_direction"] for row in by_job if row["dstport"] == 8080} == {"ingress"}


def test_rejected_attempt_is_a_single_row() -> None:
    """A refused attempt has no reply; outbound it is egress, inbound it is ingress."""
    out, into = rows(streams.refused(NETWORK, 2)), rows(streams.probes(NETWORK, 2))

    assert len(out) == len(into) == 20
    assert {(row["action"], row["flow_direction"], row["truth_path"]) for row in out} == {
        ("REJECT", "egress", "internet_gateway")
    }
    assert {(row["action"], row["flow_direction"], row["truth_path"]) for row in into} == {("REJECT", "ingress", None)}
    assert {row["truth_label"] for row in (*out, *into)} == {"reject"}


def test_block_public_access_leaves_no_bytes() -> None:
    """What VPC Block Public Access rejects says so, and has no bytes."""
    found = rows(streams.refused(NETWORK, 2, reason="BPA"))

    assert {(row["reject_reason"], row["bytes"]) for row in found} == {("BPA", None)}


@pytest.mark.parametrize(("make", "status"), [(streams.nodata, "NODATA"), (streams.skipdata, "SKIPDATA")])
def test_record_without_traffic(make: Callable[[Network, float], streams.Silence], status: str) -> None:
    """A record without traffic says whose it is and when, and no more."""
    filled = {"version", "account_id", "interface_id", "start_time", "end_time", "log_status"}
    filled |= {"vpc_id", "subnet_id", "region", "az_id", "truth_label", "truth_workload"}
    found = rows(make(NETWORK, 1))

    assert len(found) == 10
    assert {row["log_status"] for row in found} == {status}
    assert {row["truth_label"] for row in found} == {status.lower()}
    assert all({name for name, value in row.items() if value is not None} == filled for row in found)


def test_compliant_day_plants_nothing() -> None:
    """The ordinary mixture holds no leak, and all its public egress takes an allowed way."""
    table = generate(NETWORK, compliant(NETWORK), TEN_MINUTES)

    assert planted(table).num_rows == 0
    assert set(table["truth_path"].to_pylist()) == {
        None,
        "gateway_endpoint",
        "interface_endpoint",
        "nat_gateway",
        "same_vpc",
    }


def test_planted_tells_what_is_to_be_found() -> None:
    """Planted leaks are summed by interface, label and path from accepted egress alone."""
    job = NETWORK.workloads[2]
    leak = streams.leak_s3_by_nat(NETWORK, 3, [job])
    table = generate(NETWORK, [*compliant(NETWORK), leak, streams.refused(NETWORK)], TEN_MINUTES)
    (found,) = planted(table).to_pylist()
    mine = [row for row in table.to_pylist() if row["truth_label"] == leak.label and row["flow_direction"] == "egress"]

    assert (found["interface_id"], found["workload"]) == (job.id, job.workload)
    assert (found["label"], found["path"]) == ("leak:s3_via_nat", "nat_gateway")
    assert (found["flows"], found["bytes"]) == (30, sum(row["bytes"] for row in mine))
    assert found["first_seen"] == min(row["start_time"] for row in mine)


def test_network_from_ids_that_exist() -> None:
    """Records carry the ids and addresses of a network made by hand."""
    subnet = Subnet("subnet-1", "usw2-az2")
    job = Interface("eni-1", Kind.WORKLOAD, "10.9.0.5", subnet, workload="train", workload_kind="training")
    network = Network(Vpc("vpc-1", "000000000042", "us-west-2"), (job,))
    table = generate(network, [streams.s3_by_endpoint(network)], TEN_MINUTES)
    said = table.select(["account_id", "region", "vpc_id", "subnet_id", "az_id", "interface_id", "truth_workload"])

    assert said.group_by(said.column_names).aggregate([]).to_pylist() == [
        {
            "account_id": "000000000042",
            "region": "us-west-2",
            "vpc_id": "vpc-1",
            "subnet_id": "subnet-1",
            "az_id": "usw2-az2",
            "interface_id": "eni-1",
            "truth_workload": "train",
        }
    ]


def test_many_workloads_have_distinct_ids_and_addresses() -> None:
    """A large network repeats neither ids nor addresses."""
    interfaces = default_network(0, 500).interfaces

    assert len({interface.id for interface in interfaces}) == len(interfaces) == 507
    assert len({interface.address for interface in interfaces}) == len(interfaces)


def test_sized_yields_at_least_as_many_records() -> None:
    """A mixture can be scaled to a number of records, and hardly exceeds it."""
    mixture = sized(compliant(NETWORK), 20_000, TEN_MINUTES)

    assert 20_000 <= generate(NETWORK, mixture, TEN_MINUTES).num_rows < 20_100


def test_nothing_going_on() -> None:
    """No stream, or a stream too slow for the window, is an empty table of the full shape."""
    for traffic in ([], [streams.refused(NETWORK, 0.01)]):
        table = generate(NETWORK, traffic, TEN_MINUTES)

        assert (table.num_rows, table.schema) == (0, SIMULATED)


def test_window_of_broken_seconds() -> None:
    """Records keep within a window that begins and ends between two seconds."""
    window = Window(SINCE + timedelta(seconds=0.7), SINCE + timedelta(seconds=3.2))
    table = generate(NETWORK, [streams.nodata(NETWORK, 900), streams.s3_by_endpoint(NETWORK, 900)], window)

    assert pc.min(table["start_time"]).as_py() == SINCE + timedelta(seconds=1)
    assert pc.max(table["end_time"]).as_py() == SINCE + timedelta(seconds=3)


def test_empty_window_is_refused() -> None:
    """A window without a second in it cannot hold records."""
    with pytest.raises(ValueError, match="shorter than a second"):
        generate(NETWORK, compliant(NETWORK), Window(SINCE, SINCE))


def test_stranger_is_refused() -> None:
    """A stream of another network's interfaces is refused by their ids."""
    stranger = default_network(99).workloads[0]

    with pytest.raises(ValueError, match=stranger.id):
        generate(NETWORK, [streams.s3_by_endpoint(NETWORK, sources=[stranger])], TEN_MINUTES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": ()}, "needs sources"),
        ({"remotes": None}, "either remotes or peers"),
        ({"remotes": None, "peers": NETWORK.workloads[:1]}, "talk to itself"),
        ({"ipv6": True}, "other address family"),
        ({"remotes": remotes("2001:db8::/64", limit=4)}, "other address family"),
        ({"sources": NETWORK.all(Kind.REGIONAL_NAT_GATEWAY), "ipv6": True}, "no IPv6 address"),
    ],
)
def test_impossible_stream_is_refused(change: dict[str, Any], message: str) -> None:
    """A stream that could not happen is refused when it is made."""
    with pytest.raises(ValueError, match=message):
        replace(streams.s3_by_endpoint(NETWORK), **change)


def test_missing_kind_is_told() -> None:
    """Traffic through something the network lacks is refused with the name of what is missing."""
    bare = Network(NETWORK.vpc, NETWORK.workloads)

    with pytest.raises(ValueError, match="no nat_gateway interface"):
        streams.internet_by_nat(bare)

"""A lake that every report has something to say about: two days of flow log text, and two looks at the network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flowaudit.app import App
from flowaudit.collect import collect
from flowaudit.config import Config
from flowaudit.inventory import history
from flowaudit.lake import Lake
from flowaudit.topology import (
    Discovery,
    FlowLog,
    Gateway,
    Interface,
    Network,
    Route,
    RouteTable,
    Subnet,
    Workload,
)
from tests.flowlogs import V2, V5

ACCOUNT, REGION, VPC = "123456789012", "us-east-1", "vpc-0a"
DAY = datetime(2026, 5, 4, tzinfo=UTC)
TEN = DAY + timedelta(hours=10)
FORMAT = f"{V5} reject-reason"
TRAIN, TWIN, SERVE, LOST, OLD, NAT = (f"eni-0{name}" for name in ("train", "twin", "serve", "lost", "old", "nat"))
LOCAL = {TRAIN: "10.0.1.5", TWIN: "10.0.1.6", SERVE: "10.0.2.7", LOST: "10.0.1.9", OLD: "10.9.9.9"}
S3, VIDEO = "52.216.0.9", "44.220.189.20"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"


def sent(
    interface: str,
    remote: str,
    size: int,
    *,
    at: datetime = TEN,
    ports: tuple[int, int] = (40000, 443),
    path: int | str = 8,
    action: str = "ACCEPT",
    service: str = "-",
    flags: int | str = 2,
    reason: str = "-",
) -> str:
    """Return a record of egress; `ports` are the interface's and the remote's."""
    local, (own, other) = LOCAL[interface], ports
    ends = f"{local} {remote} {own} {other}"
    packet = f"{local} {remote} {REGION} use1-az1 - - - {service} egress {path} {reason}"
    return _record(interface, ends, size, at, action, flags, packet)


def received(
    interface: str,
    remote: str,
    size: int,
    *,
    at: datetime = TEN,
    ports: tuple[int, int] = (40000, 443),
    action: str = "ACCEPT",
    flags: int | str = 18,
) -> str:
    """Return a record of ingress; `ports` are the interface's and the remote's."""
    local, (own, other) = LOCAL[interface], ports
    ends = f"{remote} {local} {other} {own}"
    return _record(interface, ends, size, at, action, flags, f"{remote} {local} {REGION} use1-az1 - - - - ingress - -")


def _record(interface: str, ends: str, size: int, at: datetime, action: str, flags: int | str, packet: str) -> str:
    start = int(at.timestamp())
    subnet = "subnet-0b" if interface == SERVE else "subnet-0a"
    head = f"8 {ACCOUNT} {interface} {ends} 6 4 {size} {start} {start + 50} {action} OK"
    return f"{head} {VPC} {subnet} - {flags} IPv4 {packet}"


def silent(interface: str, status: str, at: datetime = TEN) -> str:
    """Return a NODATA or SKIPDATA record."""
    start = int(at.timestamp())
    subnet = f"{VPC} subnet-0a"
    return f"8 {ACCOUNT} {interface} - - - - - - - {start} {start + 50} - {status} {subnet} {' '.join('-' * 14)}"


def later(minutes: int) -> datetime:
    """Return a time some minutes after ten."""
    return TEN + timedelta(minutes=minutes)


YESTERDAY = [
    sent(TRAIN, "203.0.113.9", 10, at=TEN - timedelta(days=1)),
    sent(TRAIN, "203.0.113.99", 5, at=TEN - timedelta(days=1)),
    sent(SERVE, "203.0.113.77", 5, at=TEN - timedelta(days=1)),
]
TODAY = [
    sent(TRAIN, "203.0.113.9", 1000),
    sent(TRAIN, "203.0.113.9", 500, at=later(70), flags=0),
    sent(TRAIN, S3, 2_000_000_000, path=1, service="S3", ports=(40001, 443)),
    received(TRAIN, S3, 8_000_000_000, ports=(40001, 443)),
    sent(TWIN, S3, 4_000, path=7, service="S3"),
    sent(SERVE, VIDEO, 600, path=1, service="KINESIS_VIDEO_STREAMS"),
    received(SERVE, "198.51.100.7", 40, ports=(22, 50000), action="REJECT", flags=2),
    received(SERVE, "198.51.100.7", 40, ports=(22, 50001), action="REJECT", flags=2, at=later(1)),
    sent(TRAIN, "203.0.113.50", 0, ports=(40002, 25), action="REJECT", reason="BPA"),
    received(SERVE, "198.51.100.8", 200, ports=(8443, 51000), flags=2),
    sent(SERVE, "198.51.100.8", 300, ports=(8443, 51000), flags=18),
    received(SERVE, "172.16.5.5", 90, ports=(8443, 51001), flags=2),
    received(SERVE, LOCAL[TRAIN], 700, ports=(8443, 40003), flags=2),
    sent(TRAIN, LOCAL[SERVE], 700, ports=(40003, 8443), path=1),
    sent(TRAIN, LOCAL[TWIN], 900, ports=(40004, 7777), path=1),
    sent(LOST, "203.0.113.77", 50),
    silent(TRAIN, "NODATA", later(5)),
    silent(TRAIN, "SKIPDATA", later(130)),
]
SECONDS = f"{int(TEN.timestamp())} {int(TEN.timestamp()) + 50}"
PLAIN = [f"2 {ACCOUNT} {OLD} {LOCAL[OLD]} 203.0.113.5 40000 443 6 4 60 {SECONDS} ACCEPT OK"]
"""Records in the default format, which decides nothing."""


def build(folder: Path) -> Path:
    """Make the lake and return its folder."""
    app = App(Config.model_validate({"lake": {"uri": str(folder / "lake")}}))
    app.lake.create()
    _look(app.lake, TEN - timedelta(days=3), "nat-0a")
    logs = folder / "logs"
    write(logs, "fl-0aaaaaaaaaaaaaaaa", "20260503T1000Z", FORMAT, YESTERDAY)
    write(logs, "fl-0aaaaaaaaaaaaaaaa", "20260504T1000Z", FORMAT, [*TODAY, "not a record"])
    write(logs, "fl-0bbbbbbbbbbbbbbbb", "20260504T1000Z", V2, PLAIN)
    write(logs, "fl-0cccccccccccccccc", "20260504T1000Z", PLAIN[0], [])
    report = collect(app.sources([str(logs)], None, DAY), app.lake, atlas=app.atlas())
    assert (report.kept, report.quarantined, report.skipped) == (len(YESTERDAY) + len(TODAY) + len(PLAIN), 1, 1)
    _look(app.lake, TEN + timedelta(hours=2), "igw-0a")
    return folder / "lake"


def write(logs: Path, flow_log: str, moment: str, header: str, lines: Sequence[str]) -> None:
    """Write a log object where AWS would."""
    day = f"{moment[:4]}/{moment[4:6]}/{moment[6:8]}"
    folder = logs / "AWSLogs" / ACCOUNT / "vpcflowlogs" / REGION / day
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{ACCOUNT}_vpcflowlogs_{REGION}_{flow_log}_{moment}_0123abcd.log"
    (folder / name).write_text("\n".join([header, *lines, ""]), "utf-8")


def _look(lake: Lake, at: datetime, way_out: str) -> None:
    """Discover the network, whose default route leads to `way_out`."""
    history.record(
        lake,
        Discovery(
            account_id=ACCOUNT,
            region=REGION,
            at=at,
            interfaces=(
                _interface(TRAIN, "train-1"),
                _interface(TWIN, "train-1"),
                _interface(SERVE, "serve-1"),
                _nat(),
            ),
            workloads=(_workload("training_job", "train-1"), _workload("endpoint", "serve-1")),
            networks=(_network(way_out),),
        ),
    )


def _interface(id: str, workload: str) -> Interface:
    kind = "endpoint" if workload.startswith("serve") else "training_job"
    return Interface(
        interface_id=id,
        account_id=ACCOUNT,
        region=REGION,
        vpc_id=VPC,
        subnet_id="subnet-0b" if id == SERVE else "subnet-0a",
        status="in-use",
        private_addresses=(LOCAL[id],),
        owner="sagemaker",
        workload_kind=kind,
        workload=workload,
        workload_arn=f"{ARN}:{kind}/{workload}",
        attribution="tag",
        confidence=0.9,
        evidence="its tag",
    )


def _nat() -> Interface:
    return Interface(
        interface_id=NAT, account_id=ACCOUNT, region=REGION, vpc_id=VPC, private_addresses=("10.0.0.4",),
        owner="nat_gateway",
    )  # fmt: skip


def _workload(kind: str, name: str) -> Workload:
    return Workload(
        arn=f"{ARN}:{kind}/{name}", kind=kind, name=name, account_id=ACCOUNT, region=REGION, status="InService",
        running=True, created_at=TEN - timedelta(minutes=30),
    )  # fmt: skip


def _network(way_out: str) -> Network:
    routes = (Route(destination="10.0.0.0/16", target="local"), Route(destination="0.0.0.0/0", target=way_out))
    return Network(
        vpc_id=VPC,
        account_id=ACCOUNT,
        region=REGION,
        cidrs=("10.0.0.0/16",),
        subnets=tuple(
            Subnet(subnet_id=id, cidrs=(cidr,), route_table_id="rtb-0a", explicit=True)
            for id, cidr in (("subnet-0a", "10.0.1.0/24"), ("subnet-0b", "10.0.2.0/24"))
        ),
        route_tables=(RouteTable(route_table_id="rtb-0a", routes=routes),),
        gateways=(Gateway(kind="nat_gateway", gateway_id="nat-0a", interface_ids=(NAT,)),),
        flow_logs=(
            FlowLog(
                flow_log_id="fl-0aaaaaaaaaaaaaaaa",
                resource_id=VPC,
                traffic_type="ALL",
                status="ACTIVE",
                delivery_status="SUCCESS",
                format=" ".join(f"${{{name}}}" for name in FORMAT.split()),
            ),
        ),
    )

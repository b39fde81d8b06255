"""A VPC with SageMaker interfaces, built through AWS's own API: in an emulated cloud, never in a real account.

Only the ids and addresses come from there; traffic and flow logs are simulated. EC2's API: `create_vpc` and so on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowaudit.simulate.network import Interface, Kind, Network, Subnet, Vpc
from flowaudit.simulate.writer import FORMATS, FlowLog, log_objects

ACCOUNT, REGION = "123456789012", "us-east-1"
BUCKET = "flowaudit-demo-logs"
WORKLOADS = (
    ("training", "fraud-training"),
    ("processing", "feature-processing"),
    ("endpoint", "scoring-endpoint"),
    ("notebook", "research-notebook"),
)
"""Kind and name of the workloads; they take turns in the two private subnets."""
_OTHERS = ((Kind.CLIENT, "EC2 instance that calls the endpoint"), (Kind.FILE_SYSTEM, "EFS mount target"))

Client = Any
"""A boto3 client: made at run time, so there is no type."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """The network that was built, and its flow logs by subnet id; all go to `BUCKET`."""

    network: Network
    flow_logs: dict[str, FlowLog]

    def objects(self, records: pa.Table) -> Iterator[tuple[str, bytes]]:
        """Yield key and content of the log objects of `records` (`SIMULATED`), as each subnet's flow log writes them."""
        for subnet, flow_log in self.flow_logs.items():
            own = records.filter(pc.equal(records["subnet_id"], subnet))
            if own.num_rows:
                yield from log_objects(own, flow_log)


def build(ec2: Client, s3: Client) -> Cloud:
    """Build a VPC of a public and two private subnets with all that SageMaker in a VPC needs, and its flow logs."""
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    public, *private = (_subnet(ec2, vpc, cidr, az) for cidr, az in _SUBNETS)
    nat = _ways_out(ec2, vpc, public, private)
    group = ec2.create_security_group(GroupName="sagemaker", Description="SageMaker jobs", VpcId=vpc)["GroupId"]
    endpoint = _endpoints(ec2, vpc, private, group)
    workloads = [_workload(ec2, private, number, group) for number in range(len(WORKLOADS))]
    others = [
        _interface(ec2, private[0], kind, f"10.20.0.{20 + number}", text, group)
        for number, (kind, text) in enumerate(_OTHERS)
    ]
    s3.create_bucket(Bucket=BUCKET)
    network = Network(Vpc(vpc, ACCOUNT, REGION), (*workloads, *others, nat, endpoint))
    return Cloud(network, {subnet.id: _flow_log(ec2, subnet, parquet=subnet == private[1]) for subnet in (public, *private)})


_SUBNETS = (("10.20.32.0/20", "us-east-1a"), ("10.20.0.0/20", "us-east-1a"), ("10.20.16.0/20", "us-east-1b"))


def _subnet(ec2: Client, vpc: str, cidr: str, zone: str) -> Subnet:
    made = ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=zone)["Subnet"]
    return Subnet(made["SubnetId"], made["AvailabilityZoneId"])


def _ways_out(ec2: Client, vpc: str, public: Subnet, private: list[Subnet]) -> Interface:
    """Make the internet gateway, the NAT gateway and the routes to them; return the NAT gateway's interface."""
    internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=vpc)
    _route(ec2, vpc, public, GatewayId=internet)
    elastic = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=public.id, AllocationId=elastic)["NatGateway"]["NatGatewayId"]
    for subnet in private:
        _route(ec2, vpc, subnet, NatGatewayId=nat)
    (address,) = ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["NatGatewayAddresses"]
    return Interface(address["NetworkInterfaceId"], Kind.NAT_GATEWAY, address["PrivateIp"], public)


def _route(ec2: Client, vpc: str, subnet: Subnet, **target: str) -> None:
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet.id)


def _endpoints(ec2: Client, vpc: str, private: list[Subnet], group: str) -> Interface:
    """Make the gateway endpoint for S3 and an interface endpoint for SageMaker; return the latter's interface."""
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName=f"com.amazonaws.{REGION}.s3",
        VpcEndpointType="Gateway",
        RouteTableIds=[table["RouteTableId"] for table in tables],
    )
    made = ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName=f"com.amazonaws.{REGION}.sagemaker.api",
        VpcEndpointType="Interface",
        SubnetIds=[private[0].id],
        SecurityGroupIds=[group],
        PrivateDnsEnabled=True,
    )["VpcEndpoint"]
    (found,) = ec2.describe_network_interfaces(NetworkInterfaceIds=made["NetworkInterfaceIds"])["NetworkInterfaces"]
    return Interface(found["NetworkInterfaceId"], Kind.VPC_ENDPOINT, found["PrivateIpAddress"], private[0])


def _workload(ec2: Client, private: list[Subnet], number: int, group: str) -> Interface:
    kind, name = WORKLOADS[number]
    place = number % 2
    text = f"[Do not delete] ENI managed by SageMaker for {kind} {name}"
    made = _interface(ec2, private[place], Kind.WORKLOAD, f"10.20.{16 * place}.{100 + number}", text, group)
    return Interface(made.id, made.kind, made.address, made.subnet, workload=name, workload_kind=kind)


def _interface(ec2: Client, subnet: Subnet, kind: Kind, address: str, text: str, group: str) -> Interface:
    made = ec2.create_network_interface(
        SubnetId=subnet.id, PrivateIpAddress=address, Description=text, Groups=[group]
    )["NetworkInterface"]
    return Interface(made["NetworkInterfaceId"], kind, made["PrivateIpAddress"], subnet)


def _flow_log(ec2: Client, subnet: Subnet, *, parquet: bool) -> FlowLog:
    fields = FORMATS["v11"]
    made = ec2.create_flow_logs(
        ResourceIds=[subnet.id],
        ResourceType="Subnet",
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination=f"arn:aws:s3:::{BUCKET}",
        LogFormat=" ".join(f"${{{name}}}" for name in fields),
        MaxAggregationInterval=60,
        DestinationOptions={"FileFormat": "parquet" if parquet else "plain-text", "PerHourPartition": parquet,
                            "HiveCompatiblePartitions": parquet},
    )
    return FlowLog(made["FlowLogIds"][0], ACCOUNT, REGION, fields, parquet=parquet, hive=parquet, hourly=parquet)

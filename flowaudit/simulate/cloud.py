"""A VPC with SageMaker interfaces, built through AWS's own API: in an emulated cloud, never in a real account.

Only the ids and addresses come from there; traffic and flow logs are simulated. EC2's API: `create_vpc` and so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowaudit.model import Window
from flowaudit.simulate import streams
from flowaudit.simulate.network import Interface, Kind, Network, Subnet, Vpc
from flowaudit.simulate.traffic import generate
from flowaudit.simulate.writer import FORMATS, FlowLog, log_objects

ACCOUNT, REGION = "123456789012", "us-east-1"
BUCKET = "flowaudit-demo-logs"
_SUBNETS = {
    "a": ("10.20.0.0/20", "us-east-1a"),
    "b": ("10.20.16.0/20", "us-east-1b"),
    "public": ("10.20.32.0/20", "us-east-1a"),
}
_WORKLOADS = {
    "scoring-endpoint": ("endpoint", "a", "10.20.0.100"),
    "feature-processing": ("processing", "a", "10.20.0.101"),
    "fraud-training": ("training", "b", "10.20.16.100"),
    "research-notebook": ("notebook", "public", "10.20.32.100"),
}
"""Kind, subnet and address of each. Two are where they should not be: nobody gave subnet b a route to the endpoint for
S3, and the notebook is in the public subnet."""
_OTHERS = (
    (Kind.CLIENT, "a", "10.20.0.20", "AWS Lambda VPC ENI-caller-of-the-endpoint"),
    (Kind.FILE_SYSTEM, "a", "10.20.0.21", "EFS mount target for fs-0a1b2c3d (fsmt-0a1b2c3d)"),
)
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/sagemaker"
_IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/model:1"

Client = Any
"""A boto3 client: made at run time, so there is no type."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """The network that was built, and its flow logs by subnet id; all go to `BUCKET`."""

    network: Network
    flow_logs: dict[str, FlowLog]

    def traffic(self, window: Window) -> pa.Table:
        """Return the records (`SIMULATED`) of all that goes on in a window, the two leaks included."""
        network = self.network
        endpoint, processing, training, notebook = network.workloads
        flows = (
            streams.s3_by_endpoint(network, 120, (endpoint, processing, notebook)),
            streams.api_by_endpoint(network, 60),
            streams.internet_by_nat(network, 40, (endpoint, processing, training)),
            streams.file_system(network, 30),
            streams.invocations(network, 40, (endpoint,)),
            streams.probes(network, 4),
            streams.nodata(network, 2),
            streams.leak_by_internet_gateway(network, 6, (notebook,)),
            streams.leak_s3_by_nat(network, 8, (training,)),
        )
        return generate(network, flows, window)

    def objects(self, records: pa.Table) -> Iterator[tuple[str, bytes]]:
        """Yield key and content of the log objects of some records, as each subnet's flow log writes them."""
        for subnet, flow_log in self.flow_logs.items():
            own = records.filter(pc.equal(records["subnet_id"], subnet))
            if own.num_rows:
                yield from log_objects(own, flow_log)


def build(ec2: Client, s3: Client, sagemaker: Client) -> Cloud:
    """Build a VPC of two private subnets and a public one, workloads, ways out of it, endpoints and flow logs."""
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    subnets = {name: _subnet(ec2, vpc, *place) for name, place in _SUBNETS.items()}
    nat, tables = _ways_out(ec2, vpc, subnets)
    group = _group(ec2, vpc, "endpoints and others")
    endpoint = _endpoints(ec2, vpc, subnets["a"], [tables["a"], tables["public"]], group)
    workloads = [
        _workload(ec2, sagemaker, name, kind, subnets[place], address, _group(ec2, vpc, name))
        for name, (kind, place, address) in _WORKLOADS.items()
    ]
    others = [_interface(ec2, subnets[place], kind, address, text, group) for kind, place, address, text in _OTHERS]
    s3.create_bucket(Bucket=BUCKET)
    network = Network(Vpc(vpc, ACCOUNT, REGION), (*workloads, *others, nat, endpoint))
    return Cloud(network, {each.id: _flow_log(ec2, each, parquet=name == "b") for name, each in subnets.items()})


def _group(ec2: Client, vpc: str, name: str) -> str:
    made = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)
    return str(made["GroupId"])


def _workload(
    ec2: Client, sagemaker: Client, name: str, kind: str, subnet: Subnet, address: str, group: str
) -> Interface:
    """Make a SageMaker resource, and the interface that SageMaker would make for it."""
    config = {"Subnets": [subnet.id], "SecurityGroupIds": [group]}
    {"endpoint": _endpoint, "processing": _processing, "training": _training, "notebook": _notebook}[kind](
        sagemaker, name, config
    )
    described = "Network Interface created to access resources in your VPC for SageMaker Notebook Instance"
    text = f"[Do not delete] {described} {name}" if kind == "notebook" else ""
    return replace(_interface(ec2, subnet, Kind.WORKLOAD, address, text, group), workload=name, workload_kind=kind)


def _endpoint(sagemaker: Client, name: str, config: Mapping[str, list[str]]) -> None:
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=_ROLE, PrimaryContainer={"Image": _IMAGE}, VpcConfig=config)
    variant = {"VariantName": "all", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


def _processing(sagemaker: Client, name: str, config: Mapping[str, list[str]]) -> None:
    sagemaker.create_processing_job(
        ProcessingJobName=name,
        RoleArn=_ROLE,
        AppSpecification={"ImageUri": _IMAGE},
        ProcessingResources={
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}
        },
        NetworkConfig={"VpcConfig": config},
    )


def _training(sagemaker: Client, name: str, config: Mapping[str, list[str]]) -> None:
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=_ROLE,
        AlgorithmSpecification={"TrainingImage": _IMAGE, "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/models/"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10},
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
        VpcConfig=config,
    )


def _notebook(sagemaker: Client, name: str, config: Mapping[str, list[str]]) -> None:
    sagemaker.create_notebook_instance(
        NotebookInstanceName=name,
        InstanceType="ml.t3.medium",
        RoleArn=_ROLE,
        SubnetId=config["Subnets"][0],
        SecurityGroupIds=config["SecurityGroupIds"],
        DirectInternetAccess="Disabled",
    )


def _subnet(ec2: Client, vpc: str, cidr: str, zone: str) -> Subnet:
    made = ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=zone)["Subnet"]
    return Subnet(made["SubnetId"], made["AvailabilityZoneId"])


def _ways_out(ec2: Client, vpc: str, subnets: Mapping[str, Subnet]) -> tuple[Interface, dict[str, str]]:
    """Make the internet gateway, the NAT gateway and the routes to them.

    Returns the NAT gateway's interface, whose address the emulator does not take from the subnet, and route tables.
    """
    internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=vpc)
    elastic = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnets["public"].id, AllocationId=elastic)["NatGateway"]["NatGatewayId"]
    targets = {"a": {"NatGatewayId": nat}, "b": {"NatGatewayId": nat}, "public": {"GatewayId": internet}}
    tables = {name: _route(ec2, vpc, subnets[name], target) for name, target in targets.items()}
    (address,) = ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["NatGatewayAddresses"]
    return Interface(address["NetworkInterfaceId"], Kind.NAT_GATEWAY, address["PrivateIp"], subnets["public"]), tables


def _route(ec2: Client, vpc: str, subnet: Subnet, target: Mapping[str, str]) -> str:
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet.id)
    return str(table)


def _endpoints(ec2: Client, vpc: str, subnet: Subnet, tables: list[str], group: str) -> Interface:
    """Make the gateway endpoint for S3 and an interface endpoint for SageMaker; return the latter's interface."""
    ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.s3", VpcEndpointType="Gateway", RouteTableIds=tables
    )
    made = ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName=f"com.amazonaws.{REGION}.sagemaker.api",
        VpcEndpointType="Interface",
        SubnetIds=[subnet.id],
        SecurityGroupIds=[group],
        PrivateDnsEnabled=True,
    )["VpcEndpoint"]
    (found,) = ec2.describe_network_interfaces(NetworkInterfaceIds=made["NetworkInterfaceIds"])["NetworkInterfaces"]
    return Interface(found["NetworkInterfaceId"], Kind.VPC_ENDPOINT, found["PrivateIpAddress"], subnet)


def _interface(ec2: Client, subnet: Subnet, kind: Kind, address: str, text: str, group: str) -> Interface:
    made = ec2.create_network_interface(SubnetId=subnet.id, PrivateIpAddress=address, Description=text, Groups=[group])[
        "NetworkInterface"
    ]
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
        DestinationOptions={
            "FileFormat": "parquet" if parquet else "plain-text",
            "HiveCompatiblePartitions": parquet,
            "PerHourPartition": parquet,
        },
    )
    return FlowLog(made["FlowLogIds"][0], ACCOUNT, REGION, fields, parquet=parquet, hive=parquet, hourly=parquet)

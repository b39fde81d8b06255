"""SageMaker workloads in the VPC of `[setup]`, and two mistakes: in an emulated cloud, never in a real account.

The VPC, its endpoints and its flow log are those of the stack that `flowaudit setup apply` made; `populate` adds
workloads through AWS's own API. Traffic and the objects of the flow log are simulated. EC2's API: `create_…`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Any

import pyarrow as pa

from flowaudit.model import Window
from flowaudit.simulate import streams
from flowaudit.simulate.network import Interface, Kind, Network, Subnet, Vpc
from flowaudit.simulate.traffic import generate
from flowaudit.simulate.writer import FORMATS, FlowLog, log_objects

ACCOUNT, REGION = "123456789012", "us-east-1"
BUCKETS = ("amzn-example-models", "amzn-example-outputs")
SETUP = f"""\
[setup]
name = "demo"
region = "{REGION}"
profile = "nat"
nat = "single"
cidr = "10.20.0.0/16"
buckets = {{ read_only = ["{BUCKETS[0]}"], read_write = ["{BUCKETS[1]}"] }}
"""
"""The configuration of the VPC: two private subnets, a public one with the NAT gateway."""
_WORKLOADS = {
    "scoring-endpoint": ("endpoint", 0),
    "feature-processing": ("processing", 0),
    "fraud-training": ("training", 1),
    "research-notebook": ("notebook", PUBLIC := -1),
}
"""Kind and private subnet of each; the notebook is where it should not be: in the public subnet."""
_OTHERS = (
    (Kind.CLIENT, "AWS Lambda VPC ENI-caller-of-the-endpoint"),
    (Kind.FILE_SYSTEM, "EFS mount target for fs-0a1b2c3d (fsmt-0a1b2c3d)"),
)
_CALLERS = "callers"
"""The security group of those that are not SageMaker's."""
_FIRST_HOST = 100
"""The interfaces that are made here have addresses from this one of their subnet."""
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/sagemaker"
_IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/model:1"

Client = Any
"""A boto3 client: made at run time, so there is no type."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """The network with its workloads, the flow log of the VPC, and the bucket of its objects."""

    network: Network
    flow_log: FlowLog
    bucket: str

    def traffic(self, window: Window) -> pa.Table:
        """Return the records (`SIMULATED`) of all that goes on in a window, the two leaks included."""
        network = self.network
        endpoint, processing, training, notebook = network.workloads
        flows = (
            streams.s3_by_endpoint(network, 120, (endpoint, processing)),
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
        """Yield key and content of the log objects of some records, as the flow log writes them."""
        yield from log_objects(records, self.flow_log)


def populate(ec2: Client, s3: Client, sagemaker: Client, outputs: Mapping[str, str]) -> Cloud:
    """Put workloads and their buckets into the VPC of a stack, make the two mistakes, and return the network.

    The mistakes: a notebook in the public subnet, and the S3 endpoint removed from the second private route table.
    """
    for bucket in BUCKETS:
        s3.create_bucket(Bucket=bucket)
    private = [_subnet(ec2, each) for each in outputs["PrivateSubnetIds"].split(",")]
    nat, public = _nat(ec2, outputs["NatGatewayIds"])
    group = outputs["WorkloadSecurityGroupId"]
    workloads = [
        _workload(ec2, sagemaker, name, kind, public if place == PUBLIC else private[place], group)
        for name, (kind, place) in _WORKLOADS.items()
    ]
    callers = ec2.create_security_group(GroupName=_CALLERS, Description=_CALLERS, VpcId=outputs["VpcId"])["GroupId"]
    others = [_interface(ec2, private[0], kind, text, callers) for kind, text in _OTHERS]
    endpoint = _api_endpoint(ec2, outputs["InterfaceEndpointIds"].split(","), private[0])
    remove_route(ec2, outputs["S3EndpointId"], private[1].id)
    network = Network(Vpc(outputs["VpcId"], ACCOUNT, REGION), (*workloads, *others, nat, endpoint))
    bucket = outputs["FlowLogSource"].removeprefix("s3://").partition("/")[0]
    flow_log = FlowLog(outputs["FlowLogId"], ACCOUNT, REGION, FORMATS["v11"], parquet=True, hive=True, hourly=True)
    return Cloud(network, flow_log, bucket)


def remove_route(ec2: Client, endpoint: str, subnet: str) -> None:
    """Remove an S3 endpoint from the route table of a subnet, as somebody does by hand."""
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    (table,) = ec2.describe_route_tables(Filters=filters)["RouteTables"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[table["RouteTableId"]])


def empty(ec2: Client, sagemaker: Client, cloud: Cloud) -> None:
    """Delete the workloads, all interfaces that `populate` made, and their security group."""
    endpoint, _, _, notebook = (each.workload for each in cloud.network.workloads)
    sagemaker.delete_endpoint(EndpointName=endpoint)
    sagemaker.delete_endpoint_config(EndpointConfigName=endpoint)
    sagemaker.delete_model(ModelName=endpoint)
    sagemaker.stop_notebook_instance(NotebookInstanceName=notebook)
    sagemaker.delete_notebook_instance(NotebookInstanceName=notebook)
    for each in cloud.network.interfaces:
        if each.kind in (Kind.WORKLOAD, Kind.CLIENT, Kind.FILE_SYSTEM):
            ec2.delete_network_interface(NetworkInterfaceId=each.id)
    filters = [{"Name": "group-name", "Values": [_CALLERS]}]
    for group in ec2.describe_security_groups(Filters=filters)["SecurityGroups"]:
        ec2.delete_security_group(GroupId=group["GroupId"])


def _workload(ec2: Client, sagemaker: Client, name: str, kind: str, subnet: Subnet, group: str) -> Interface:
    """Make a SageMaker resource, and the interface that SageMaker would make for it."""
    config = {"Subnets": [subnet.id], "SecurityGroupIds": [group]}
    {"endpoint": _endpoint, "processing": _processing, "training": _training, "notebook": _notebook}[kind](
        sagemaker, name, config
    )
    described = "Network Interface created to access resources in your VPC for SageMaker Notebook Instance"
    text = f"[Do not delete] {described} {name}" if kind == "notebook" else ""
    return replace(_interface(ec2, subnet, Kind.WORKLOAD, text, group), workload=name, workload_kind=kind)


def _endpoint(sagemaker: Client, name: str, config: Mapping[str, list[str]]) -> None:
    container = {"Image": _IMAGE, "ModelDataUrl": "s3://amzn-example-models/scoring/model.tar.gz"}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=_ROLE, PrimaryContainer=container, VpcConfig=config)
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
        InputDataConfig=[
            {
                "ChannelName": "training",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://amzn-example-models/fraud/"}},
            }
        ],
        OutputDataConfig={"S3OutputPath": "s3://amzn-example-outputs/models/"},
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


def _subnet(ec2: Client, subnet: str) -> Subnet:
    (described,) = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
    return Subnet(subnet, described["AvailabilityZoneId"])


def _nat(ec2: Client, gateway: str) -> tuple[Interface, Subnet]:
    """Return the interface of a NAT gateway, and its subnet."""
    (described,) = ec2.describe_nat_gateways(NatGatewayIds=[gateway])["NatGateways"]
    subnet = _subnet(ec2, described["SubnetId"])
    (address,) = described["NatGatewayAddresses"]
    return Interface(address["NetworkInterfaceId"], Kind.NAT_GATEWAY, address["PrivateIp"], subnet), subnet


def _api_endpoint(ec2: Client, endpoints: Sequence[str], subnet: Subnet) -> Interface:
    """Return the interface that the endpoint of SageMaker's API has in a subnet."""
    (endpoint,) = (
        each
        for each in ec2.describe_vpc_endpoints(VpcEndpointIds=list(endpoints))["VpcEndpoints"]
        if each["ServiceName"].endswith(".sagemaker.api")
    )
    found = ec2.describe_network_interfaces(NetworkInterfaceIds=endpoint["NetworkInterfaceIds"])["NetworkInterfaces"]
    (one,) = (each for each in found if each["SubnetId"] == subnet.id)
    return Interface(one["NetworkInterfaceId"], Kind.VPC_ENDPOINT, one["PrivateIpAddress"], subnet)


def _interface(ec2: Client, subnet: Subnet, kind: Kind, text: str, group: str) -> Interface:
    made = ec2.create_network_interface(
        SubnetId=subnet.id, PrivateIpAddress=_free_address(ec2, subnet), Description=text, Groups=[group]
    )["NetworkInterface"]
    return Interface(made["NetworkInterfaceId"], kind, made["PrivateIpAddress"], subnet)


def _free_address(ec2: Client, subnet: Subnet) -> str:
    """Return an address of a subnet that nothing has: the emulator would give one twice."""
    (described,) = ec2.describe_subnets(SubnetIds=[subnet.id])["Subnets"]
    filters = [{"Name": "subnet-id", "Values": [subnet.id]}]
    taken = {each["PrivateIpAddress"] for each in ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]}
    hosts = [str(each) for each in IPv4Network(described["CidrBlock"]).hosts()]
    return next(each for each in (*hosts[_FIRST_HOST:], *hosts[4:]) if each not in taken)

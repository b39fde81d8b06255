"""The interfaces of an account, from a mocked EC2 and from answers of the real one's shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import NoRegionError
from botocore.stub import Stubber
from moto import mock_aws
from moto.ec2.models import ec2_backends

from flowaudit.inventory.asking import Asker
from flowaudit.inventory.interfaces import interfaces
from flowaudit.topology import Interface, Owner

ACCOUNT, REGION = "123456789012", "us-east-1"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
STUDIO = "[DO NOT DELETE] ENI managed by SageMaker for Studio Domain(d-g7djlrunxivy) - a09d795df1d5926f328cb6564db19ab2"
NODE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:node/d-g7djlrunxivy/default-20230916t105232/system-jupyterserver"
ASKED = {"MaxResults": 1000, "IncludeManagedResources": True}


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches AWS with anybody's own credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


@pytest.fixture
def stub() -> Iterator[tuple[Asker, Stubber]]:
    """An asker whose EC2 answers what a test says, and nothing else."""
    client = boto3.client("ec2", region_name=REGION)
    with Stubber(client) as stubber:
        yield Asker(ACCOUNT, REGION, lambda service: client), stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def seen(stub: tuple[Asker, Stubber]) -> Callable[..., Interface]:
    """What is made of one answer of EC2's, with the fields that every one has."""
    ask, stubber = stub

    def seen(known: dict[str, str] | None = None, **answer: Any) -> Interface:
        plain = {"NetworkInterfaceId": "eni-1", "OwnerId": ACCOUNT, "InterfaceType": "interface"}
        stubber.add_response("describe_network_interfaces", {"NetworkInterfaces": [{**plain, **answer}]}, ASKED)
        (only,) = interfaces(ask, known or {}) or ()
        return only

    return seen


@mock_aws
def test_interfaces_of_a_region() -> None:
    """Every interface is there once, in order of ids, with what EC2 says of it."""
    ec2 = boto3.client("ec2", region_name=REGION)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    made = [
        ec2.create_network_interface(
            SubnetId=subnet,
            PrivateIpAddress=f"10.0.0.{10 + number}",
            Groups=[group],
            Description=STUDIO,
            TagSpecifications=[
                {
                    "ResourceType": "network-interface",
                    "Tags": [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}],
                }
            ],
        )["NetworkInterface"]["NetworkInterfaceId"]
        for number in range(3)
    ]
    first = ec2_backends[ACCOUNT][REGION].enis[made[0]]
    first.interface_type, first.requester_id, first.requester_managed = "efa", "AROAEXAMPLE:SageMaker", True
    ask = Asker(ACCOUNT, REGION, lambda service: ec2)
    found = interfaces(ask) or ()
    assert [each.interface_id for each in found] == sorted(made)
    assert ask.calls == {"ec2:DescribeNetworkInterfaces": 1}
    assert next(each for each in found if each.interface_id == made[0]) == Interface(
        interface_id=made[0],
        account_id=ACCOUNT,
        region=REGION,
        vpc_id=vpc,
        subnet_id=subnet,
        status="available",
        interface_type="efa",
        description=STUDIO,
        private_addresses=("10.0.0.10",),
        security_groups=(group,),
        requester_id="AROAEXAMPLE:SageMaker",
        requester_managed=True,
        tags=(("a", "1"), ("b", "2")),
    )


@mock_aws
def test_what_is_known_from_elsewhere_comes_first() -> None:
    """The NAT gateway that EC2 lists says what its interface is, where the interface itself does not."""
    ec2 = boto3.client("ec2", region_name=REGION)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]
    (nat_interface,) = (each["NetworkInterfaceId"] for each in nat["NatGatewayAddresses"])
    ask = Asker(ACCOUNT, REGION, lambda service: ec2)
    (unknown,) = interfaces(ask) or ()
    (known,) = interfaces(ask, {nat_interface: "nat_gateway", "eni-gone": "vpc_endpoint"}) or ()
    assert (unknown.owner, unknown.evidence) == (Owner.UNKNOWN, "")
    assert (known.owner, known.evidence) == ("nat_gateway", "AWS names it among the interfaces of a nat_gateway")


@mock_aws
def test_an_instance_of_the_account() -> None:
    """An interface of the account's own instance is that instance's."""
    ec2 = boto3.client("ec2", region_name=REGION)
    instance = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    (found,) = interfaces(Asker(ACCOUNT, REGION, lambda service: ec2)) or ()
    assert (found.owner, found.instance_id, found.instance_owner_id) == (Owner.EC2_INSTANCE, instance, ACCOUNT)
    assert found.evidence == f"attached to the account's own instance {instance}"


def test_a_studio_interface(seen: Callable[..., Interface]) -> None:
    """SageMaker's own is unknown here, with all that says later whose it is."""
    found = seen(
        Attachment={
            "AttachmentId": "ela-attach-1",
            "AttachTime": NOON,
            "InstanceOwnerId": "amazon-aws",
            "Status": "attached",
        },
        AvailabilityZoneId="use1-az4",
        Description=STUDIO,
        Groups=[
            {"GroupId": "sg-2", "GroupName": "security-group-for-outbound-nfs-d-g7djlrunxivy"},
            {"GroupId": "sg-1"},
        ],
        Ipv6Addresses=[{"Ipv6Address": "2001:db8::2"}, {"Ipv6Address": "2001:db8::1"}],
        PrivateIpAddress="10.0.0.20",
        PrivateIpAddresses=[
            {"Primary": False, "PrivateIpAddress": "10.0.0.9"},
            {"Primary": True, "PrivateIpAddress": "10.0.0.20"},
            {"Primary": False, "PrivateIpAddress": "10.0.0.10"},
        ],
        RequesterId="AROAEXAMPLEEXAMPLEEXA:SageMaker",
        RequesterManaged=False,
        Status="in-use",
        SubnetId="subnet-1",
        TagSet=[{"Key": "ManagedByAmazonSageMakerResource", "Value": NODE}],
        VpcId="vpc-1",
    )
    assert found == Interface(
        interface_id="eni-1",
        account_id=ACCOUNT,
        region=REGION,
        vpc_id="vpc-1",
        subnet_id="subnet-1",
        az_id="use1-az4",
        status="in-use",
        interface_type="interface",
        description=STUDIO,
        private_addresses=("10.0.0.20", "10.0.0.10", "10.0.0.9"),
        ipv6_addresses=("2001:db8::1", "2001:db8::2"),
        security_groups=("sg-1", "sg-2"),
        requester_id="AROAEXAMPLEEXAMPLEEXA:SageMaker",
        instance_owner_id="amazon-aws",
        attached_at=NOON,
        tags=(("ManagedByAmazonSageMakerResource", NODE),),
    )


def test_public_addresses(seen: Callable[..., Interface]) -> None:
    """Each private address may have a public one of its own, each is told once, a carrier's too."""
    first, second = {"PublicIp": "203.0.113.9"}, {"PublicIp": "203.0.113.7", "CarrierIp": "203.0.113.8"}
    found = seen(
        Association=first,
        PrivateIpAddresses=[
            {"PrivateIpAddress": "10.0.0.20", "Association": first},
            {"PrivateIpAddress": "10.0.0.21", "Association": second},
            {"PrivateIpAddress": "10.0.0.22"},
        ],
    )
    assert found.public_addresses == ("203.0.113.7", "203.0.113.8", "203.0.113.9")
    assert found.private_addresses == ("10.0.0.20", "10.0.0.21", "10.0.0.22")


def test_an_interface_without_subnet_or_address(seen: Callable[..., Interface]) -> None:
    """A regional NAT gateway's interface stands in no subnet, an IPv6-only one has no IPv4 address."""
    found = seen(InterfaceType="nat_gateway_regional", Ipv6Addresses=[{"Ipv6Address": "2001:db8::1"}])
    assert (found.subnet_id, found.private_addresses, found.owner) == (None, (), Owner.NAT_GATEWAY)


@pytest.mark.parametrize(
    ("spelled", "owner"),
    [
        ("natGateway", Owner.NAT_GATEWAY),
        ("nat_gateway", Owner.NAT_GATEWAY),
        ("natGatewayRegional", Owner.NAT_GATEWAY),
        ("transit_gateway", Owner.TRANSIT_GATEWAY),
        ("vpc_endpoint", Owner.VPC_ENDPOINT),
        ("vpcEndpoint", Owner.VPC_ENDPOINT),
        ("gateway_load_balancer_endpoint", Owner.GATEWAY_LOAD_BALANCER_ENDPOINT),
        ("gateway_load_balancer", Owner.LOAD_BALANCER),
        ("network_load_balancer", Owner.NETWORK_LOAD_BALANCER),
        ("load_balancer", Owner.LOAD_BALANCER),
        ("lambda", Owner.LAMBDA),
        ("efs", Owner.EFS),
        ("branch", Owner.OTHER),
        ("trunk", Owner.OTHER),
        ("quicksight", Owner.OTHER),
        ("interface", Owner.UNKNOWN),
        ("efa", Owner.UNKNOWN),
        ("efa-only", Owner.UNKNOWN),
        ("sagemaker_managed", Owner.UNKNOWN),
        ("", Owner.UNKNOWN),
    ],
)
def test_what_a_type_says(seen: Callable[..., Interface], spelled: str, owner: Owner) -> None:
    """A type says what an interface is in any spelling, one that nobody knows yet says nothing."""
    found = seen(InterfaceType=spelled)
    assert (found.owner, found.interface_type) == (owner, spelled)
    assert found.evidence == ("" if owner == Owner.UNKNOWN else f"its type is {spelled}")


@pytest.mark.parametrize(
    ("description", "owner"),
    [
        ("ELB app/web/8f314ac75b1d43a8", Owner.LOAD_BALANCER),
        ("ELB classic", Owner.LOAD_BALANCER),
        ("ELB net/nlb/ab25f3ac807d0ea8", Owner.NETWORK_LOAD_BALANCER),
        ("AWS Lambda VPC ENI-worker-f7a1b2c3-4d5e-6f70-8a9b-0c1d2e3f4a5b", Owner.LAMBDA),
        ("VPC Endpoint Interface vpce-0a1b2c3d", Owner.VPC_ENDPOINT),
        ("Interface for NAT Gateway nat-0a8b0e0d28266841f", Owner.NAT_GATEWAY),
        ("Network Interface for Transit Gateway Attachment tgw-attach-0fadefb9eff283b00", Owner.TRANSIT_GATEWAY),
        ("EFS mount target for fs-0123abcd (fsmt-4567abcd)", Owner.EFS),
        ("RDSNetworkInterface", Owner.RDS),
        (f"arn:aws:ecs:{REGION}:{ACCOUNT}:attachment/737ff408-0e2b-41af-837c-49ce4048de9b", Owner.ECS),
        (f"arn:aws-cn:ecs:cn-north-1:{ACCOUNT}:attachment/737ff408", Owner.ECS),
        ("ElastiCache redis-prod-001", Owner.OTHER),
        ("RedshiftNetworkInterface", Owner.OTHER),
        ("Amazon EKS prod", Owner.OTHER),
        ("aws-K8S-i-0a1b2c3d4e5f60718", Owner.OTHER),
        (STUDIO, Owner.UNKNOWN),
        ("backup of ELB app/web", Owner.UNKNOWN),
        ("VPC Endpoint Interface of mine", Owner.UNKNOWN),
        ("", Owner.UNKNOWN),
    ],
)
def test_what_a_description_says(seen: Callable[..., Interface], description: str, owner: Owner) -> None:
    """What another service writes at the beginning tells its interfaces, and nothing else does."""
    found = seen(Description=description)
    assert found.owner == owner
    assert found.evidence == ("" if owner == Owner.UNKNOWN else f"its description is {description!r}")


@pytest.mark.parametrize(
    ("attachment", "owner"),
    [
        ({"InstanceId": "i-1", "InstanceOwnerId": ACCOUNT}, Owner.EC2_INSTANCE),
        ({"InstanceId": "i-1", "InstanceOwnerId": "210987654321"}, Owner.UNKNOWN),
        ({"InstanceId": "i-1", "InstanceOwnerId": "amazon-aws"}, Owner.UNKNOWN),
        ({"InstanceId": "i-1"}, Owner.UNKNOWN),
        ({"InstanceOwnerId": ACCOUNT}, Owner.UNKNOWN),
        ({"InstanceOwnerId": "amazon-aws"}, Owner.UNKNOWN),
    ],
)
def test_what_an_attachment_says(seen: Callable[..., Interface], attachment: dict[str, Any], owner: Owner) -> None:
    """Only an instance of the account itself makes an interface EC2's: SageMaker's instances are another's."""
    assert seen(Attachment=attachment).owner == owner


@pytest.mark.parametrize("signs", [{"Description": "aws-K8S-i-0a1b2c3d4e5f60718"}, {"InterfaceType": "branch"}])
def test_a_node_of_another_account_may_be_hyperpods(seen: Callable[..., Interface], signs: dict[str, str]) -> None:
    """What a cluster's nodes make is positively another's only where the node is not a service's."""
    theirs = {"InstanceId": "i-1", "InstanceOwnerId": "210987654321"}
    assert seen(**signs, Attachment=theirs).owner == Owner.UNKNOWN
    assert seen(**signs).owner == Owner.OTHER


def test_a_mount_target_of_either_type(seen: Callable[..., Interface]) -> None:
    """EFS gives its interfaces two types; the description says the same of both."""
    attachment = {"AttachmentId": "ela-attach-1", "DeviceIndex": 1, "InstanceOwnerId": "amazon-aws"}
    for spelled in ("efs", "interface"):
        found = seen(InterfaceType=spelled, Description="EFS mount target for fs-1 (fsmt-1)", Attachment=attachment)
        assert found.owner == Owner.EFS


def test_all_pages_are_read(stub: tuple[Asker, Stubber]) -> None:
    """A second page is asked for where there is one, and each is counted."""
    ask, stubber = stub
    for token, next_token, number in ((None, "more", 2), ("more", None, 1)):
        page: dict[str, Any] = {"NetworkInterfaces": [{"NetworkInterfaceId": f"eni-{number}"}]}
        stubber.add_response(
            "describe_network_interfaces",
            page | ({"NextToken": next_token} if next_token else {}),
            ASKED | ({"NextToken": token} if token else {}),
        )
    found = interfaces(ask) or ()
    assert [(each.interface_id, each.account_id) for each in found] == [("eni-1", ACCOUNT), ("eni-2", ACCOUNT)]
    assert ask.calls == {"ec2:DescribeNetworkInterfaces": 2}


def test_no_interfaces_are_an_answer(stub: tuple[Asker, Stubber]) -> None:
    """An empty region has none, which is not the same as nobody having answered."""
    ask, stubber = stub
    stubber.add_response("describe_network_interfaces", {"NetworkInterfaces": []}, ASKED)
    assert interfaces(ask) == ()
    assert ask.gaps == ()


def test_a_refusal_is_a_gap(stub: tuple[Asker, Stubber]) -> None:
    """Where EC2 refuses, there is no answer, and a gap says so."""
    ask, stubber = stub
    stubber.add_client_error("describe_network_interfaces", "UnauthorizedOperation", "You are not authorized.")
    assert interfaces(ask) is None
    assert [(gap.service, gap.operation, gap.reason) for gap in ask.gaps] == [
        ("ec2", "describe_network_interfaces", "denied")
    ]


def test_an_older_botocore_is_not_asked_for_what_it_does_not_know(stub: tuple[Asker, Stubber]) -> None:
    """Where the parameter that shows managed interfaces is not in the model, EC2 is asked without it."""
    ask, stubber = stub
    model = stubber.client.meta.service_model.operation_model("DescribeNetworkInterfaces")
    members = model.input_shape.members
    parameter = members.pop("IncludeManagedResources")
    try:
        stubber.add_response("describe_network_interfaces", {"NetworkInterfaces": []}, {"MaxResults": 1000})
        assert interfaces(ask) == ()
    finally:
        members["IncludeManagedResources"] = parameter


def test_without_a_client_there_is_a_gap() -> None:
    """Where no client can be made, that is a gap as well, and nothing is raised."""

    def none(service: str) -> Any:
        raise NoRegionError

    ask = Asker(ACCOUNT, REGION, none)
    assert interfaces(ask) is None
    assert [gap.reason for gap in ask.gaps] == ["unreachable"]

"""Before a stack is destroyed: what is still in its VPC, whose it is, and which interfaces can be deleted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.session import Session
from botocore.stub import Stubber
from moto import mock_aws
from moto.ec2.models import ec2_backends

from flowaudit.inventory.attribution import Rules
from flowaudit.inventory.workloads.kinds import KINDS
from flowaudit.setup.interfaces import (
    WAITS,
    Deletion,
    Orphan,
    Remaining,
    delete_orphans,
    stack_network,
)
from flowaudit.setup.refusing import STOP, kept, refusal
from flowaudit.topology import Interface, Owner
from tests.sagemaker import DOMAIN, MADE, Refusal, arn, item, mount, stands
from tests.setup.applied import REGION
from tests.setup.policies import ACCOUNT
from tests.setup.standing import Vpc, with_nat
from tests.setup.wishes import EXISTING, setup

GONE_STUDIO = "[DO NOT DELETE] ENI managed by SageMaker for Studio Domain(d-gone) - 0123456789abcdef0123456789abcdef"
TAG = "ManagedByAmazonSageMakerResource"


@pytest.fixture(autouse=True)
def _mock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """EC2 is moto's, and nobody's credentials are around."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield


@pytest.fixture
def vpc() -> Vpc:
    """A stack with everything that has an interface of its own."""
    return with_nat()


def training(vpc: Vpc, **more: Any) -> dict[str, Any]:
    """A training job that runs in the VPC."""
    listed = item("training_job", "fraud", TrainingJobStatus="InProgress", **more)
    described = {"TrainingJobName": "fraud", "VpcConfig": vpc.config, "CreationTime": MADE}
    return stands("training_job", listed, describe=described)


def ids(found: Remaining, part: str) -> list[str]:
    """The interfaces of one part."""
    return [getattr(each, "interface", each).interface_id for each in getattr(found, part)]


# --- who is in the way ---


def test_a_stack_on_its_own_can_be_destroyed(vpc: Vpc) -> None:
    """Interfaces of its endpoints and NAT gateways go with the stack: there is nothing to refuse for."""
    found = vpc.look()
    assert {each.owner for each in found.own} == {Owner.VPC_ENDPOINT, Owner.NAT_GATEWAY}
    assert found == replace(found, sagemaker=(), others=(), orphans=(), workloads=(), gaps=())
    assert refusal(found) is None


@pytest.mark.parametrize(
    "denied", ["ListEndpoints", "ListTrainingJobs", "DescribeDomain", "DescribeMountTargets", "ListNotebookInstances"]
)
def test_what_cannot_be_seen_may_be_there(vpc: Vpc, denied: str) -> None:
    """Where SageMaker or EFS denies a list or a description, the stack is not destroyed and nothing is an orphan."""
    vpc.interface(Description=GONE_STUDIO)
    domain = stands("domain", item("domain", "d-1", DomainId="d-1", Status="InService"), describe=DOMAIN)
    found = vpc.look(**{**domain, denied: Refusal("AccessDeniedException", "no")})
    assert not found.orphans
    said = refusal(found) or ""
    assert "AWS did not answer" in said
    assert "denied" in said


@pytest.mark.parametrize(
    "method",
    [
        "describe_network_interfaces",
        "describe_vpc_endpoints",
        "describe_nat_gateways",
        "describe_subnets",
        "describe_security_groups",
    ],
)
def test_ec2_that_does_not_answer_is_a_reason_to_refuse(vpc: Vpc, method: str) -> None:
    """A list of EC2 that is denied is not an empty list."""
    operation = vpc.cloud.ec2.meta.method_to_api_mapping[method]

    error = {"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}
    response = type("Http", (), {"status_code": 403})()
    stack = vpc.stack
    vpc.cloud.ec2.meta.events.register(f"before-call.ec2.{operation}", lambda **_: (response, error))
    assert f"ec2 {method}" in (refusal(vpc.look(stack)) or "")


def test_an_api_that_the_region_lacks_is_no_reason_to_refuse(vpc: Vpc) -> None:
    """Where a kind of workload is unknown, there is none of it."""
    assert refusal(vpc.look(ListOptimizationJobs=Refusal("UnknownOperationException"))) is None


def test_a_running_job_is_named_with_the_command_that_stops_it(vpc: Vpc) -> None:
    """Its interface is attributed by subnet and security group, with the confidence that this has."""
    interface = vpc.interface(attached=True)
    found = vpc.look(**training(vpc))
    assert ids(found, "sagemaker") == [interface]
    said = refusal(found) or ""
    assert f"{interface}: training job fraud (confidence 0.80: " in said
    assert "aws sagemaker stop-training-job --training-job-name fraud" in said
    assert said.count("fraud") == 2


def test_a_workload_without_an_interface_yet_is_in_the_way_too(vpc: Vpc) -> None:
    """A job that starts, or an endpoint scaled to zero, is going to need the subnets."""
    found = vpc.look(**training(vpc))
    assert not found.sagemaker
    assert "training job fraud (InProgress). aws sagemaker stop-training-job" in (refusal(found) or "")


def test_a_workload_in_another_vpc_is_not_in_the_way(vpc: Vpc) -> None:
    """Only subnets of this VPC count."""
    elsewhere = {"TrainingJobName": "fraud", "VpcConfig": {"Subnets": ["subnet-9"], "SecurityGroupIds": ["sg-9"]}}
    answers = {**training(vpc), "DescribeTrainingJob": {**elsewhere, "CreationTime": MADE}}
    assert refusal(vpc.look(**answers)) is None


def test_mount_targets_of_a_domain_are_the_domains(vpc: Vpc) -> None:
    """EFS names the interface; deleting the domain with its file system is what removes it."""
    interface = vpc.interface(attached=True, Description="EFS mount target for fs-1 (fsmt-1)")
    domain = stands("domain", item("domain", "d-1", DomainId="d-1", Status="InService"), describe=DOMAIN)
    found = vpc.look(**domain, DescribeMountTargets={"MountTargets": [mount("fsmt-1", interface)]})
    said = refusal(found) or ""
    assert f"{interface}: domain d-1 (confidence 1.00: AWS names" in said
    assert "aws sagemaker delete-domain --domain-id d-1 --retention-policy HomeEfsFileSystem=Delete" in said
    assert "deletes the files of all users" in said


def test_a_mount_target_that_a_domain_left_behind(vpc: Vpc) -> None:
    """Its file system was retained: the mount target has a command of its own."""
    description = "EFS mount target for fs-0123456789abcdef0 (fsmt-0123456789abcdef0)"
    interface = vpc.interface(attached=True, group=vpc.other_group(), Description=description)
    found = vpc.look()
    assert ids(found, "others") == [interface]
    assert "aws efs delete-mount-target --mount-target-id fsmt-0123456789abcdef0" in (refusal(found) or "")


def test_studios_security_groups_are_left_behind(vpc: Vpc) -> None:
    """They block the deletion of the VPC, and name each other in their rules."""
    made = [vpc.other_group(f"security-group-for-{way}bound-nfs-d-gone") for way in ("in", "out")]
    found = vpc.look()
    assert [(each.group_id, each.domain, each.listed) for each in found.studio_groups] == [
        (group, "d-gone", False) for group in sorted(made)
    ]
    said = refusal(found) or ""
    assert "d-gone is gone; Studio leaves them behind" in said
    assert f"aws ec2 delete-security-group --group-id {made[0]}" in said


def test_studios_security_groups_of_a_living_domain(vpc: Vpc) -> None:
    """The domain goes first."""
    vpc.other_group("security-group-for-inbound-nfs-d-1")
    domain = stands("domain", item("domain", "d-1", DomainId="d-1", Status="InService"), describe=DOMAIN)
    assert "Delete domain d-1" in (refusal(vpc.look(**domain)) or "")


@pytest.mark.parametrize(
    ("description", "who", "first"),
    [
        ("AWS Lambda VPC ENI-scorer-0000", "lambda", "Remove the VPC configuration of the function"),
        ("ELB app/web/0123456789abcdef", "load balancer", "Delete the load balancer"),
        ("VPC Endpoint Interface vpce-0123456789abcdef0", "vpc endpoint", "not an endpoint of this stack"),
        ("something of a colleague's", "owner unknown", "Delete what it belongs to"),
    ],
)
def test_others_in_use_are_named(vpc: Vpc, description: str, who: str, first: str) -> None:
    """Each with what is known of it: description, requester, and what to do."""
    interface = vpc.interface(attached=True, group=vpc.other_group(), Description=description)
    found = vpc.look()
    assert ids(found, "others") == [interface]
    said = refusal(found) or ""
    assert f"{interface}: {who} (" in said
    assert description in said or repr(description) in said
    assert "requested by" in said
    assert first in said


def test_an_instance_of_the_account_is_named(vpc: Vpc) -> None:
    """By its id, with the command that terminates it."""
    (made,) = vpc.cloud.ec2.run_instances(
        ImageId="ami-12c6146b", MinCount=1, MaxCount=1, SubnetId=vpc.cloud.names["PrivateSubnet1"]
    )["Instances"]
    assert f"aws ec2 terminate-instances --instance-ids {made['InstanceId']}" in (refusal(vpc.look()) or "")


def test_an_endpoint_that_somebody_added_is_not_the_stacks(vpc: Vpc) -> None:
    """Its interfaces are not deleted with the stack."""
    made = vpc.cloud.ec2.create_vpc_endpoint(
        VpcId=vpc.stack.vpc_id,
        ServiceName=f"com.amazonaws.{REGION}.kms",
        VpcEndpointType="Interface",
        SubnetIds=[vpc.cloud.names["PrivateSubnet1"]],
    )["VpcEndpoint"]
    found = vpc.look()
    assert ids(found, "others") == made["NetworkInterfaceIds"]
    assert "not an endpoint of this stack" in (refusal(found) or "")


# --- orphans ---


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ({}, "a security group of the stack"),
        ({"Description": GONE_STUDIO}, "its description is"),
        (
            {"TagSpecifications": [{"ResourceType": "network-interface", "Tags": [{"Key": TAG, "Value": arn("x/y")}]}]},
            f"its tag {TAG} is",
        ),
    ],
)
def test_an_interface_that_nobody_uses_is_an_orphan(vpc: Vpc, made: dict[str, Any], reason: str) -> None:
    """Available, not attached, and SageMaker's or in the stack's security group: it can be deleted."""
    interface = vpc.interface(group="" if not made else vpc.other_group(), **made)
    found = vpc.look()
    assert ids(found, "orphans") == [interface]
    assert reason in found.orphans[0].reason
    assert refusal(found) is None


def test_an_available_interface_of_a_running_job_is_no_orphan(vpc: Vpc) -> None:
    """It may be about to be attached."""
    interface = vpc.interface()
    found = vpc.look(**training(vpc))
    assert (ids(found, "orphans"), ids(found, "sagemaker")) == ([], [interface])


def test_an_attached_interface_is_no_orphan(vpc: Vpc) -> None:
    """Even in the stack's security group, and nobody's: it is somebody's who is not known."""
    interface = vpc.interface(attached=True)
    found = vpc.look()
    assert (ids(found, "orphans"), ids(found, "others")) == ([], [interface])


def test_an_interface_with_an_attachment_is_no_orphan(vpc: Vpc) -> None:
    """Whatever its status is while it is detached."""
    ec2, interface = vpc.cloud.ec2, vpc.interface()
    (made,) = ec2.run_instances(
        ImageId="ami-12c6146b", MinCount=1, MaxCount=1, SubnetId=vpc.cloud.names["PrivateSubnet1"]
    )["Instances"]
    ec2.attach_network_interface(NetworkInterfaceId=interface, InstanceId=made["InstanceId"], DeviceIndex=1)
    ec2_backends[ACCOUNT][REGION].enis[interface].status = "available"
    found = vpc.look()
    assert not found.orphans
    assert interface in ids(found, "others")


def test_somebody_elses_unused_interface_is_theirs(vpc: Vpc) -> None:
    """In another security group and without a sign of SageMaker's it is shown, not deleted."""
    interface = vpc.interface(group=vpc.other_group(), Description="reserved address")
    found = vpc.look()
    assert (ids(found, "orphans"), ids(found, "others")) == ([], [interface])
    assert f"aws ec2 delete-network-interface --network-interface-id {interface}" in (refusal(found) or "")


def test_a_subnet_in_the_scope_makes_no_orphan(vpc: Vpc) -> None:
    """The configuration that watches the VPC names its subnets: somebody else's interface in one is not deleted."""
    interface = vpc.interface(group=vpc.other_group(), Description="reserved address")
    found = vpc.look(rules=Rules(subnets=vpc.stack.subnets))
    assert (ids(found, "orphans"), ids(found, "sagemaker")) == ([], [interface])
    assert interface in (refusal(found) or "")


def test_interfaces_of_another_vpc_are_not_looked_at(vpc: Vpc) -> None:
    """An orphan next door stays."""
    ec2 = vpc.cloud.ec2
    other = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=other, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    ec2.create_network_interface(SubnetId=subnet, Description=GONE_STUDIO)
    found = vpc.look()
    assert not (found.orphans)
    assert not (found.others)
    assert not (found.sagemaker)


# --- a VPC that is not the stack's ---


def test_in_an_existing_vpc_others_are_left_alone(vpc: Vpc) -> None:
    """The VPC stays: only what is in the stack's security groups, and SageMaker's in its subnets, is in the way."""
    vpc.interface(attached=True, group=vpc.other_group(), Description="AWS Lambda VPC ENI-scorer-0000")
    vpc.other_group("security-group-for-inbound-nfs-d-gone")
    partial = replace(vpc.stack, whole=False)
    assert refusal(vpc.look(partial)) is None
    held = vpc.interface(attached=True)
    studio = vpc.interface(attached=True, group=vpc.other_group("third"), Description=GONE_STUDIO)
    found = vpc.look(partial)
    assert (ids(found, "others"), ids(found, "sagemaker")) == ([held], [studio])


def test_an_existing_vpc_is_the_one_of_the_configuration() -> None:
    """No resource of the stack says it: the configuration does."""
    stack = stack_network(setup(existing_vpc=EXISTING), [("AWS::EC2::SecurityGroup", "sg-1"), ("AWS::S3::Bucket", "b")])
    assert (stack.vpc_id, stack.whole) == (EXISTING["id"], False)
    assert stack.security_groups == {"sg-1"}
    assert stack.subnets == set(EXISTING["subnets"])


def test_a_stack_that_never_made_its_vpc_has_nothing_in_it(vpc: Vpc) -> None:
    """A resource that failed has no physical id, and AWS is not asked."""
    assert vpc.look(stack_network(setup(), [("AWS::EC2::VPC", "")])) == Remaining(vpc_id="")


# --- words ---


def test_every_kind_that_runs_has_a_command_that_botocore_knows() -> None:
    """The commands are operations of SageMaker's API, with the parameters that these need."""
    assert {kind.kind for kind in KINDS if kind.running} - set(STOP) == set()
    model = Session().get_service_model("sagemaker")
    known = {re.sub(r"[^a-z]", "", name.lower()): name for name in model.operation_names}
    for command in STOP.values():
        for operation, options in re.findall(r"aws sagemaker ([a-z-]+)((?: --[a-z-]+ \S+?)*)(?:,|$)", command):
            shape = model.operation_model(known[operation.replace("-", "")]).input_shape
            takes = {member.lower() for member in shape.members}
            given = {name.replace("-", "") for name in re.findall(r"--([a-z-]+)", options)}
            assert given <= takes
            assert operation == "delete-app" or {name.lower() for name in shape.required_members} <= given


def test_an_interface_of_an_ended_job_goes_by_itself() -> None:
    """There is nothing to stop: wait."""
    ended = Interface(
        interface_id="eni-1",
        account_id=ACCOUNT,
        region=REGION,
        status="in-use",
        owner=Owner.SAGEMAKER,
        workload_kind="training_job",
        workload="fraud",
        workload_arn=arn("training-job/fraud"),
    )
    said = refusal(Remaining(vpc_id="vpc-1", sagemaker=(ended,))) or ""
    assert "It has ended" in said
    assert "stop-training-job" not in said


def test_several_workloads_that_fit_are_all_named() -> None:
    """Where one cannot be told from another, both have to stop."""
    either = Interface(
        interface_id="eni-1",
        account_id=ACCOUNT,
        region=REGION,
        owner=Owner.SAGEMAKER,
        candidates=(arn("endpoint/a"), arn("endpoint/b")),
    )
    said = refusal(Remaining(vpc_id="vpc-1", sagemaker=(either,))) or ""
    assert f"one of {arn('endpoint/a')}, {arn('endpoint/b')}" in said


def test_what_is_kept_is_said_with_the_way_to_delete_it() -> None:
    """Of a versioned bucket the versions go first."""
    said = kept([("AWS::S3::Bucket", "logs-1"), ("AWS::S3::BucketPolicy", "logs-1")]) or ""
    assert "audit evidence" in said
    assert "aws s3 rb s3://logs-1 --force" in said
    assert "versions" in said
    assert said.count("logs-1") == 2
    assert "delete-log-group --log-group-name lg" in (kept([("AWS::Logs::LogGroup", "lg")]) or "")
    assert kept([]) is None


# --- deletion ---


def orphan(interface_id: str = "eni-1") -> Orphan:
    """An interface that nobody uses."""
    return Orphan(interface=Interface(interface_id=interface_id, account_id=ACCOUNT, region=REGION), reason="")


def deleted(*answers: str, orphans: int = 1) -> tuple[Deletion, list[float]]:
    """Return what is left where EC2 answers so, an empty word for a success, and how long was waited."""
    ec2, waited = boto3.client("ec2", REGION), list[float]()
    with Stubber(ec2) as stub:
        for code in answers:
            if code:
                stub.add_client_error("delete_network_interface", code, "EC2's reason", 400)
            else:
                stub.add_response("delete_network_interface", {})
        result = delete_orphans(ec2, [orphan(f"eni-{number}") for number in range(1, orphans + 1)], waited.append)
        stub.assert_no_pending_responses()
    return result, waited


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "Throttling", "Unavailable"])
def test_a_deletion_is_tried_again(code: str) -> None:
    """Where EC2 is busy."""
    assert deleted(code, code, "") == (Deletion(deleted=("eni-1",), failed={}), [1, 2])


def test_a_deletion_is_given_up_in_the_end() -> None:
    """After a try more than there are waits; EC2's reason is handed on."""
    result, waited = deleted(*["Throttling"] * (len(WAITS) + 1))
    assert not result.deleted
    assert "EC2's reason" in result.failed["eni-1"]
    assert waited == list(WAITS)


def test_an_interface_that_is_gone_is_deleted() -> None:
    """SageMaker may have been faster."""
    assert deleted("InvalidNetworkInterfaceID.NotFound") == (Deletion(deleted=("eni-1",), failed={}), [])


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "OperationNotPermitted", "InvalidNetworkInterface.InUse"])
def test_a_denied_deletion_does_not_keep_the_others(code: str) -> None:
    """It is not tried again, nor is that of an interface that is in use again; the next interface is deleted."""
    result, waited = deleted(code, "", orphans=2)
    assert (result.deleted, list(result.failed), waited) == (("eni-2",), ["eni-1"], [])


def test_a_broken_connection_is_a_reason_too() -> None:
    """Nothing is raised in the middle of a list."""
    ec2 = boto3.client("ec2", REGION)

    def broken(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://ec2")

    ec2.meta.events.register("before-call.ec2.DeleteNetworkInterface", broken)
    assert "https://ec2" in delete_orphans(ec2, [orphan()]).failed["eni-1"]


def test_orphans_are_gone_after_their_deletion(vpc: Vpc) -> None:
    """In EC2 itself: the next look finds none."""
    vpc.interface()
    assert delete_orphans(vpc.cloud.ec2, vpc.look().orphans).deleted
    assert not vpc.look().orphans

"""Drift: what has been changed by hand is shown by a change set of mode REVERT_DRIFT, and reverted by its execution."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from flowaudit.setup import to_yaml
from tests.setup.wishes import made
from tests.simulate.cloudformation.road import Road
from tests.simulate.cloudformation.small import network

EVERYTHING = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
OPEN = json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]})
REVERT: dict[str, Any] = {"DeploymentMode": "REVERT_DRIFT"}

BY_HAND: dict[str, tuple[str, str, Callable[[Road, dict[str, str]], Any]]] = {
    "route table removed from the endpoint": (
        "S3Endpoint",
        "RouteTableIds",
        lambda road, ids: road.ec2.modify_vpc_endpoint(
            VpcEndpointId=ids["S3Endpoint"], RemoveRouteTableIds=[ids["PrivateRouteTable2"]]
        ),
    ),
    "policy of the endpoint opened": (
        "S3Endpoint",
        "PolicyDocument",
        lambda road, ids: road.ec2.modify_vpc_endpoint(VpcEndpointId=ids["S3Endpoint"], PolicyDocument=OPEN),
    ),
    "subnet removed from an interface endpoint": (
        "StsEndpoint",
        "SubnetIds",
        lambda road, ids: road.ec2.modify_vpc_endpoint(
            VpcEndpointId=ids["StsEndpoint"], RemoveSubnetIds=[ids["PrivateSubnet2"]]
        ),
    ),
    "outbound rule added": (
        "WorkloadSecurityGroup",
        "SecurityGroupEgress",
        lambda road, ids: road.ec2.authorize_security_group_egress(
            GroupId=ids["WorkloadSecurityGroup"], IpPermissions=EVERYTHING
        ),
    ),
    "DNS attribute off": (
        "Vpc",
        "EnableDnsHostnames",
        lambda road, ids: road.ec2.modify_vpc_attribute(VpcId=ids["Vpc"], EnableDnsHostnames={"Value": False}),
    ),
    "public addresses on": (
        "PrivateSubnet1",
        "MapPublicIpOnLaunch",
        lambda road, ids: road.ec2.modify_subnet_attribute(
            SubnetId=ids["PrivateSubnet1"], MapPublicIpOnLaunch={"Value": True}
        ),
    ),
    "route leads elsewhere": (
        "PrivateRoute1",
        "NatGatewayId",
        lambda road, ids: road.ec2.replace_route(
            RouteTableId=ids["PrivateRouteTable1"],
            DestinationCidrBlock="0.0.0.0/0",
            GatewayId=ids["InternetGateway"],
        ),
    ),
    "bucket made public": (
        "FlowLogBucket",
        "PublicAccessBlockConfiguration",
        lambda road, ids: road.s3.delete_public_access_block(Bucket=ids["FlowLogBucket"]),
    ),
    "tag changed": (
        "Vpc",
        "Tags",
        lambda road, ids: road.ec2.create_tags(Resources=[ids["Vpc"]], Tags=[{"Key": "Name", "Value": "other"}]),
    ),
}

DELETED: dict[str, Callable[[Road, dict[str, str]], Any]] = {
    "FlowLog": lambda road, ids: road.ec2.delete_flow_logs(FlowLogIds=[ids["FlowLog"]]),
    "S3Endpoint": lambda road, ids: road.ec2.delete_vpc_endpoints(VpcEndpointIds=[ids["S3Endpoint"]]),
    "PrivateRoute1": lambda road, ids: road.ec2.delete_route(
        RouteTableId=ids["PrivateRouteTable1"], DestinationCidrBlock="0.0.0.0/0"
    ),
    "PrivateSubnet1RouteTable": lambda road, ids: road.ec2.disassociate_route_table(
        AssociationId=ids["PrivateSubnet1RouteTable"]
    ),
    "FlowLogBucketPolicy": lambda road, ids: road.s3.delete_bucket_policy(Bucket=ids["FlowLogBucket"]),
    "EndpointsFromWorkloads": lambda road, ids: road.ec2.revoke_security_group_ingress(
        GroupId=ids["EndpointSecurityGroup"], SecurityGroupRuleIds=[ids["EndpointsFromWorkloads"]]
    ),
}


@pytest.mark.parametrize(("name", "property_name", "by_hand"), BY_HAND.values(), ids=BY_HAND)
def test_a_changed_property_is_reverted(
    road: Road, name: str, property_name: str, by_hand: Callable[[Road, dict[str, str]], Any]
) -> None:
    """The plan has this resource only, with the actual value as the one before; a usual change set sees nothing."""
    wish = {"profile": "nat"}
    road.create(wish)
    ids = road.ids()
    by_hand(road, ids)
    template = to_yaml(made(**wish))
    assert road.plan(template)["Status"] == "FAILED"
    planned = road.plan(template, **REVERT)
    assert planned["StackDriftStatus"] == "DRIFTED"
    assert planned["DeploymentMode"] == "REVERT_DRIFT"
    (change,) = [each["ResourceChange"] for each in planned["Changes"]]
    assert (change["LogicalResourceId"], change["Action"]) == (name, "Modify")
    assert (change["ResourceDriftStatus"], change["Replacement"]) == ("MODIFIED", "False")
    targets = [each["Target"] for each in change["Details"]]
    assert property_name in {each["Name"] for each in targets}
    assert {each["BeforeValueFrom"] for each in targets} == {"ACTUAL_STATE"}
    assert all("DriftDetectionTimestamp" in each["Drift"] for each in targets)
    assert change["PreviousDeploymentContext"] == change["AfterContext"] != change["BeforeContext"]
    assert road.update(wish, **REVERT) == "UPDATE_COMPLETE"
    assert road.ids() == ids
    assert road.plan(template, **REVERT)["StackDriftStatus"] == "IN_SYNC"


@pytest.mark.parametrize(("name", "by_hand"), DELETED.items(), ids=DELETED)
def test_a_deleted_resource_is_made_again(
    road: Road, name: str, by_hand: Callable[[Road, dict[str, str]], Any]
) -> None:
    """The plan adds it, as DELETED; afterwards there is no drift, and the stack can be deleted."""
    wish = {"profile": "nat"}
    road.create(wish)
    by_hand(road, road.ids())
    template = to_yaml(made(**wish))
    planned = road.plan(template, **REVERT)
    assert planned["StackDriftStatus"] == "DRIFTED"
    found = {each["ResourceChange"]["LogicalResourceId"]: each["ResourceChange"] for each in planned["Changes"]}
    assert (found[name]["Action"], found[name]["ResourceDriftStatus"]) == ("Add", "DELETED")
    assert road.update(wish, **REVERT) == "UPDATE_COMPLETE"
    assert road.plan(template, **REVERT)["StackDriftStatus"] == "IN_SYNC"
    assert road.delete() == "DELETE_COMPLETE"


def test_values_of_drift(road: Road) -> None:
    """A detail has what was deployed, what is there, and what will be."""
    road.create(body=network())
    road.ec2.modify_subnet_attribute(SubnetId=road.ids()["Subnet"], MapPublicIpOnLaunch={"Value": True})
    (detail,) = road.changes(network(), **REVERT)["Subnet"]["Details"]
    target = detail["Target"]
    assert (target["BeforeValue"], target["AfterValue"]) == ("true", "false")
    assert (target["Drift"]["PreviousValue"], target["Drift"]["ActualValue"]) == ("false", "true")
    assert (target["Path"], target["AttributeChangeType"]) == ("/Properties/MapPublicIpOnLaunch", "Modify")
    assert detail["ChangeSource"] == "NoModification"


def test_a_template_that_follows_the_change_by_hand_changes_nothing(road: Road) -> None:
    """The record is brought up to date: SyncWithActual, and no call is made."""
    road.create(body=network())
    road.ec2.modify_subnet_attribute(SubnetId=road.ids()["Subnet"], MapPublicIpOnLaunch={"Value": True})
    change = road.changes(network(public=True), **REVERT)["Subnet"]
    assert (change["Action"], change["ResourceDriftStatus"]) == ("SyncWithActual", "MODIFIED")
    assert {each["Target"]["AttributeChangeType"] for each in change["Details"]} == {"SyncWithActual"}
    road.engine.deny.add("ec2:ModifySubnetAttribute")
    assert road.update(body=network(public=True), **REVERT) == "UPDATE_COMPLETE"
    assert road.plan(network(public=True), **REVERT)["StackDriftStatus"] == "IN_SYNC"


def test_tags_of_others_are_no_drift(road: Road) -> None:
    """A tag with a key that the template does not have is left alone."""
    road.create()
    road.ec2.create_tags(Resources=[road.ids()["Vpc"]], Tags=[{"Key": "owner", "Value": "finance"}])
    assert road.plan(to_yaml(made()), **REVERT)["StackDriftStatus"] == "IN_SYNC"


def test_a_failed_revert_goes_back_to_the_actual_state(road: Road) -> None:
    """What has been changed by hand is as it was before the update, not as it was deployed."""
    road.create()
    ids = road.ids()
    road.ec2.modify_vpc_attribute(VpcId=ids["Vpc"], EnableDnsHostnames={"Value": False})
    road.ec2.delete_flow_logs(FlowLogIds=[ids["FlowLog"]])
    road.engine.fail = {"FlowLog": "Access Denied for LogDestination"}
    assert road.update(**REVERT) == "UPDATE_ROLLBACK_COMPLETE"
    answer = road.ec2.describe_vpc_attribute(VpcId=ids["Vpc"], Attribute="enableDnsHostnames")
    assert answer["EnableDnsHostnames"]["Value"] is False

"""What each verb of `flowaudit setup` may call is what it calls: recorded on its road and on its wrong turnings."""

from __future__ import annotations

import pytest

from flowaudit.setup.permissions import CALLS
from tests.cli.setup_cloud import Cloud, Terminal
from tests.cli.setup_fixture import cloud, moto

__all__ = ["cloud", "moto"]

TELEMETRY = {
    f"observabilityadmin:{verb}TelemetryRule{scope}" for verb, scope in (("Get", ""), ("Get", "ForOrganization"))
}
OF_WORKLOADS = {
    each for verb in ("destroy", "policy") for each in CALLS[verb] if each.startswith("sagemaker:Describe")
} - {"sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig", "sagemaker:DescribeModel"}
NOT_HERE = {
    **dict.fromkeys(TELEMETRY, "there are no rules here: tests/setup/test_permissions.py has some"),
    **dict.fromkeys(OF_WORKLOADS, "of what is listed, and here only an endpoint is; the table of kinds has the others"),
    "elasticfilesystem:DescribeMountTargets": "for the file systems of domains: tests/sagemaker.py has some",
}
"""Calls that these runs do not make, and why."""


def check(cloud: Cloud, verb: str) -> None:
    """Hold the table of a verb's calls to those that were made."""
    assert cloud.made[verb] | (CALLS[verb] & set(NOT_HERE)) == CALLS[verb]


def test_plan(cloud: Cloud) -> None:
    """Of a new stack, and of one that is there."""
    cloud.setup("plan")
    cloud.applied()
    cloud.setup("plan")
    check(cloud, "plan")


def test_apply(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nobody confirms, one that is made, and one that finds a rule in the default security group."""
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert cloud.setup("apply").code == 1
    cloud.applied()
    filters = [{"Name": "vpc-id", "Values": [cloud.road.ids()["Vpc"]]}, {"Name": "group-name", "Values": ["default"]}]
    (group,) = cloud.road.ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}
    cloud.road.ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[rule])
    assert "1 rule of the default security group removed" in cloud.applied().err
    check(cloud, "apply")


def test_status_and_drift(cloud: Cloud) -> None:
    """Of a stack that is there, and whose endpoint was changed by hand."""
    cloud.applied()
    ids = cloud.road.ids()
    tables = [ids["PrivateRouteTable2"]]
    cloud.road.ec2.modify_vpc_endpoint(VpcEndpointId=ids["S3Endpoint"], RemoveRouteTableIds=tables)
    for verb in ("status", "drift"):
        cloud.setup(verb)
        check(cloud, verb)


def test_verify(cloud: Cloud) -> None:
    """With flow logs in either place, with a guardrail, and where the entries of prefix lists are denied."""
    more = 'guardrail = true\nencryption_controls = "monitor"\nblock_public_access = "block-ingress"'
    cloud.applied(more)
    assert cloud.setup("verify").code == 1  # nobody has the guardrail; the mock has neither of the two controls
    cloud.calls.denied = {"ec2:GetManagedPrefixListEntries"}
    cloud.setup("verify")
    cloud.calls.denied = set()
    cloud.applied('flow_logs = { destination = "cloud-watch-logs" }')
    assert cloud.setup("verify").code == 0
    check(cloud, "verify")


def test_destroy(cloud: Cloud) -> None:
    """With an endpoint that is in the way, and with an interface that nobody uses."""
    cloud.applied()
    cloud.endpoint("fraud")
    assert cloud.setup("destroy", "--yes").code == 3
    cloud.road.client("sagemaker").delete_endpoint(EndpointName="fraud")
    cloud.interface(attached=False)
    assert cloud.setup("destroy", "--yes").code == 0
    check(cloud, "destroy")


def test_policy(cloud: Cloud) -> None:
    """Of the VPC, in which an endpoint runs."""
    cloud.applied()
    cloud.endpoint("fraud")
    assert cloud.setup("policy", "--vpc", cloud.road.ids()["Vpc"]).code == 0
    check(cloud, "policy")

"""The default security group of a VPC, whose rules CloudFormation cannot remove."""

from __future__ import annotations

from flowaudit.setup.calls import Calls, Client


def remove_default_rules(ec2: Client, vpc_id: str) -> int:
    """Remove the rules of a VPC's default security group and return how many there were; raises SetupError.

    An interface that is made without a group gets this one: with its rules it may reach everything.
    """
    calls = Calls(ec2)
    filters = [{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "group-name", "Values": ["default"]}]
    removed = 0
    for group in calls.all("describe_security_groups", "SecurityGroups", Filters=filters):
        for rules, operation in (
            (group.get("IpPermissions"), "revoke_security_group_ingress"),
            (group.get("IpPermissionsEgress"), "revoke_security_group_egress"),
        ):
            if rules:
                calls.one(operation, GroupId=group["GroupId"], IpPermissions=rules)
                removed += len(rules)
    return removed

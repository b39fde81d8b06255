"""Security groups and their rules."""

from __future__ import annotations

from typing import Any

from flowaudit.simulate.cloudformation.cloud import Cloud, Properties, tags, violation
from flowaudit.simulate.cloudformation.differences import canonical
from flowaudit.simulate.cloudformation.resources.kind import Ec2Kind, Kind, Made

_EVERYTHING = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
_DIRECTIONS = {"SecurityGroupIngress": "ingress", "SecurityGroupEgress": "egress"}


def permission(rule: Properties) -> dict[str, Any]:
    """Return a rule of CloudFormation as EC2's API has it."""
    told = {"Description": rule["Description"]} if "Description" in rule else {}
    ports: Properties = {"IpProtocol": str(rule["IpProtocol"])}
    ports |= {key: int(rule[key]) for key in ("FromPort", "ToPort") if key in rule}
    if "CidrIp" in rule:
        return {**ports, "IpRanges": [{**told, "CidrIp": rule["CidrIp"]}]}
    if prefix_list := rule.get("DestinationPrefixListId") or rule.get("SourcePrefixListId"):
        return {**ports, "PrefixListIds": [{**told, "PrefixListId": prefix_list}]}
    group = rule.get("SourceSecurityGroupId") or rule["DestinationSecurityGroupId"]
    return {**ports, "UserIdGroupPairs": [{**told, "GroupId": group}]}


def described(cloud: Cloud, rule: dict[str, Any]) -> Properties:
    """Return a rule of EC2's API as CloudFormation has it."""
    end = "Destination" if rule["IsEgress"] else "Source"
    ports = {} if rule["IpProtocol"] == "-1" else {key: rule[key] for key in ("FromPort", "ToPort")}
    values = {
        "IpProtocol": rule["IpProtocol"],
        **ports,
        "Description": rule.get("Description") or cloud.descriptions.get(rule["SecurityGroupRuleId"]),
        "CidrIp": rule.get("CidrIpv4"),
        f"{end}PrefixListId": rule.get("PrefixListId"),
        f"{end}SecurityGroupId": rule.get("ReferencedGroupInfo", {}).get("GroupId"),
    }
    return {key: value for key, value in values.items() if value}


def _authorize(cloud: Cloud, group: str, direction: str, rule: Properties) -> str:
    """Add a rule to a group; return its id."""
    authorize = getattr(cloud.ec2, f"authorize_security_group_{direction}")
    (made,) = authorize(GroupId=group, IpPermissions=[permission(rule)])["SecurityGroupRules"]
    cloud.descriptions[made["SecurityGroupRuleId"]] = rule.get("Description", "")
    return str(made["SecurityGroupRuleId"])


class SecurityGroup(Ec2Kind):
    """A security group with the rules that are its own properties."""

    type = "AWS::EC2::SecurityGroup"
    required = frozenset({"GroupDescription"})
    immutable = frozenset({"GroupDescription", "GroupName", "VpcId"})
    mutable = frozenset({*_DIRECTIONS, "Tags"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:
        """Make the group; outbound rules of its own replace the one that allows everything."""
        group = {"GroupName": wanted.get("GroupName", name), "Description": wanted["GroupDescription"]}
        made = cloud.ec2.create_security_group(**group, VpcId=wanted["VpcId"])["GroupId"]
        self.update(cloud, made, {"SecurityGroupEgress": [_EVERYTHING]}, wanted)
        return Made(made, {"GroupId": made, "VpcId": wanted["VpcId"]})

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the properties as EC2 describes them; rules that are resources of the stack are not among them."""
        (found,) = cloud.ec2.describe_security_groups(GroupIds=[id])["SecurityGroups"]
        rules = cloud.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [id]}])
        own = [each for each in rules["SecurityGroupRules"] if each["SecurityGroupRuleId"] not in cloud.rules]
        return {
            "GroupDescription": found["Description"],
            "GroupName": found["GroupName"],
            "VpcId": found["VpcId"],
            "SecurityGroupIngress": [described(cloud, each) for each in own if not each["IsEgress"]],
            "SecurityGroupEgress": [described(cloud, each) for each in own if each["IsEgress"]],
            "Tags": tags(found),
        }

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:
        """Remove the rules that are gone, add those that are new, and change the tags."""
        for key, direction in _DIRECTIONS.items():
            if key not in new:
                continue
            before, after = old.get(key, []), new[key]
            gone = [each for each in before if canonical(each) not in map(canonical, after)]
            added = [each for each in after if canonical(each) not in map(canonical, before)]
            if gone:
                revoke = getattr(cloud.ec2, f"revoke_security_group_{direction}")
                revoke(GroupId=id, IpPermissions=[permission(each) for each in gone])
            for rule in added:
                _authorize(cloud, id, direction, rule)
        self.retag(cloud, id, old, new)

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:  # noqa: ARG002
        """Delete the group if no interface has it and no other group's rule names it; moto checks neither."""
        filters = [{"Name": "group-id", "Values": [id]}]
        interfaces = cloud.ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
        rules = cloud.ec2.describe_security_group_rules()["SecurityGroupRules"]
        named = [each for each in rules if each.get("ReferencedGroupInfo", {}).get("GroupId") == id]
        if interfaces or any(each["GroupId"] != id for each in named):
            raise violation(f"resource {id} has a dependent object")
        cloud.ec2.delete_security_group(GroupId=id)


class _Rule(Kind):
    """A rule that is a resource of its own."""

    direction: str
    required = frozenset({"GroupId", "IpProtocol"})
    mutable = frozenset({"Description"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Add the rule to its group."""
        made = _authorize(cloud, wanted["GroupId"], self.direction, wanted)
        cloud.rules.add(made)
        return Made(made, {"Id": made})

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the properties as EC2 describes them."""
        (found,) = cloud.ec2.describe_security_group_rules(SecurityGroupRuleIds=[id])["SecurityGroupRules"]
        return {**dict.fromkeys(self.known), "GroupId": found["GroupId"], **described(cloud, found)}

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:  # noqa: ARG002
        """Change the description."""
        change = getattr(cloud.ec2, f"update_security_group_rule_descriptions_{self.direction}")
        change(GroupId=new["GroupId"], IpPermissions=[permission(new)])
        cloud.descriptions[id] = new.get("Description", "")

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:
        """Remove the rule from its group."""
        cloud.rules.discard(id)
        revoke = getattr(cloud.ec2, f"revoke_security_group_{self.direction}")
        revoke(GroupId=deployed["GroupId"], SecurityGroupRuleIds=[id])


class Ingress(_Rule):
    """An inbound rule."""

    type = "AWS::EC2::SecurityGroupIngress"
    direction = "ingress"
    immutable = frozenset(
        {"GroupId", "IpProtocol", "FromPort", "ToPort", "CidrIp", "SourceSecurityGroupId", "SourcePrefixListId"}
    )


class Egress(_Rule):
    """An outbound rule."""

    type = "AWS::EC2::SecurityGroupEgress"
    direction = "egress"
    immutable = frozenset(
        {
            *("GroupId", "IpProtocol", "FromPort", "ToPort", "CidrIp"),
            *("DestinationSecurityGroupId", "DestinationPrefixListId"),
        }
    )

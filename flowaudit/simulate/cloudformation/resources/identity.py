"""IAM roles and managed policies."""

from __future__ import annotations

import json

from flowaudit.simulate.cloudformation.cloud import Cloud, Properties, tags
from flowaudit.simulate.cloudformation.resources.kind import Kind, Made


class Role(Kind):
    """A role with its inline policies."""

    type = "AWS::IAM::Role"
    required = frozenset({"AssumeRolePolicyDocument"})
    immutable = frozenset({"RoleName", "Path"})
    mutable = frozenset({"AssumeRolePolicyDocument", "Policies", "Tags"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:
        """Make the role."""
        role, iam = wanted.get("RoleName", name), cloud.client("iam")
        trust = json.dumps(wanted["AssumeRolePolicyDocument"])
        made = iam.create_role(RoleName=role, Path=wanted.get("Path", "/"), AssumeRolePolicyDocument=trust)["Role"]
        self.update(cloud, role, {}, wanted)
        return Made(role, {"Arn": made["Arn"], "RoleId": made["RoleId"]})

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the properties as IAM has them."""
        iam = cloud.client("iam")
        found = iam.get_role(RoleName=id)["Role"]
        names = iam.list_role_policies(RoleName=id)["PolicyNames"]
        policies = [iam.get_role_policy(RoleName=id, PolicyName=each) for each in names]
        return {
            "RoleName": id,
            "Path": found["Path"],
            "AssumeRolePolicyDocument": found["AssumeRolePolicyDocument"],
            "Policies": [{key: each[key] for key in ("PolicyName", "PolicyDocument")} for each in policies],
            "Tags": tags(iam.list_role_tags(RoleName=id)),
        }

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:
        """Change trust, inline policies and tags."""
        iam = cloud.client("iam")
        iam.update_assume_role_policy(RoleName=id, PolicyDocument=json.dumps(new["AssumeRolePolicyDocument"]))
        wanted = {each["PolicyName"]: json.dumps(each["PolicyDocument"]) for each in new.get("Policies", [])}
        for name in {each["PolicyName"] for each in old.get("Policies", [])} - set(wanted):
            iam.delete_role_policy(RoleName=id, PolicyName=name)
        for name, document in wanted.items():
            iam.put_role_policy(RoleName=id, PolicyName=name, PolicyDocument=document)
        keys = {each["Key"] for each in new.get("Tags", [])}
        if gone := [each["Key"] for each in old.get("Tags", []) if each["Key"] not in keys]:
            iam.untag_role(RoleName=id, TagKeys=gone)
        if keys:
            iam.tag_role(RoleName=id, Tags=new["Tags"])

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:  # noqa: ARG002
        """Delete the role with its inline policies."""
        iam = cloud.client("iam")
        for name in iam.list_role_policies(RoleName=id)["PolicyNames"]:
            iam.delete_role_policy(RoleName=id, PolicyName=name)
        iam.delete_role(RoleName=id)


class ManagedPolicy(Kind):
    """A managed policy; its physical id is the ARN."""

    type = "AWS::IAM::ManagedPolicy"
    required = frozenset({"PolicyDocument"})
    immutable = frozenset({"ManagedPolicyName", "Path", "Description"})
    mutable = frozenset({"PolicyDocument"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:
        """Make the policy."""
        arn = cloud.client("iam").create_policy(
            PolicyName=wanted.get("ManagedPolicyName", name),
            Path=wanted.get("Path", "/"),
            Description=wanted.get("Description", ""),
            PolicyDocument=json.dumps(wanted["PolicyDocument"]),
        )["Policy"]["Arn"]
        return Made(arn, {"PolicyArn": arn})

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the properties as IAM has them."""
        iam = cloud.client("iam")
        found = iam.get_policy(PolicyArn=id)["Policy"]
        version = iam.get_policy_version(PolicyArn=id, VersionId=found["DefaultVersionId"])["PolicyVersion"]
        return {
            "ManagedPolicyName": found["PolicyName"],
            "Path": found["Path"],
            "Description": found.get("Description"),
            "PolicyDocument": version["Document"],
        }

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:  # noqa: ARG002
        """Make a new version the default one, and delete the others."""
        document = json.dumps(new["PolicyDocument"])
        cloud.client("iam").create_policy_version(PolicyArn=id, PolicyDocument=document, SetAsDefault=True)
        self._delete_versions(cloud, id)

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:  # noqa: ARG002
        """Delete the policy; IAM refuses while it is attached."""
        self._delete_versions(cloud, id)
        cloud.client("iam").delete_policy(PolicyArn=id)

    def _delete_versions(self, cloud: Cloud, id: str) -> None:
        iam = cloud.client("iam")
        for each in iam.list_policy_versions(PolicyArn=id)["Versions"]:
            if not each["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=id, VersionId=each["VersionId"])

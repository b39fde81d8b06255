"""What a resource type can do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from botocore.exceptions import ClientError

from flowaudit.simulate.cloudformation.cloud import Cloud, Properties, is_missing


@dataclass(frozen=True)
class Made:
    """A resource that has been made: its physical id (Ref), and its attributes (Fn::GetAtt)."""

    id: str
    attributes: dict[str, str] = field(default_factory=dict)


class Kind:
    """A resource type, with the properties that it knows.

    `immutable` are those whose change replaces the resource, after the CloudFormation reference.
    """

    type: ClassVar[str]
    required: ClassVar[frozenset[str]] = frozenset()
    mutable: ClassVar[frozenset[str]] = frozenset()
    immutable: ClassVar[frozenset[str]] = frozenset()

    @property
    def known(self) -> frozenset[str]:
        """Return all properties of the type."""
        return self.mutable | self.immutable

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:
        """Make the resource; `name` is for types that need one."""
        raise NotImplementedError

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:
        """Return the actual properties, None for each that is not set; None if the resource is not there."""
        raise NotImplementedError

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:
        """Change what is mutable."""
        raise NotImplementedError

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:
        """Delete the resource; raises ClientError while something uses it."""
        raise NotImplementedError

    def actual(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:
        """Return the actual values of the deployed properties; of tags, those with a deployed key."""
        try:
            found = self.read(cloud, id, deployed)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        if found is None:
            return None
        values = {key: found.get(key, value) for key, value in deployed.items()}
        if "Tags" in values:
            keys = {each["Key"] for each in deployed["Tags"]}
            values["Tags"] = [each for each in values["Tags"] or [] if each["Key"] in keys]
        return {key: value for key, value in values.items() if value is not None}

    def drop(self, cloud: Cloud, id: str, deployed: Properties) -> None:
        """Delete the resource unless it is not there any more."""
        try:
            self.delete(cloud, id, deployed)
        except ClientError as error:
            if not is_missing(error):
                raise


class Ec2Kind(Kind):
    """A resource of EC2 with tags."""

    def retag(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:
        """Bring the tags up to date; tags that others have set stay."""
        after = {each["Key"]: each["Value"] for each in new.get("Tags", [])}
        gone = [{"Key": each["Key"]} for each in old.get("Tags", []) if each["Key"] not in after]
        if gone:
            cloud.ec2.delete_tags(Resources=[id], Tags=gone)
        if after:
            cloud.ec2.create_tags(Resources=[id], Tags=new["Tags"])

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:
        """Change the tags, the one thing of most types that is mutable."""
        self.retag(cloud, id, old, new)


def without(properties: Properties, *names: str) -> Properties:
    """Return properties but for those named."""
    return {key: value for key, value in properties.items() if key not in names}

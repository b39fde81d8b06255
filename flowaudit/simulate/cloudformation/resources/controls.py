"""VPC Block Public Access and VPC Encryption Controls, which moto does not have: the stand-in holds them itself."""

from __future__ import annotations

from typing import ClassVar
from uuid import uuid4

from flowaudit.simulate.cloudformation.cloud import Cloud, Properties
from flowaudit.simulate.cloudformation.resources.kind import Kind, Made


class _Held(Kind):
    """A resource that is in the stand-in only."""

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the properties, None if it is deleted."""
        return cloud.held.get((self.type, id))

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:  # noqa: ARG002
        """Take the new properties."""
        cloud.held[self.type, id] = dict(new)

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:  # noqa: ARG002
        """Forget it."""
        cloud.held.pop((self.type, id), None)


class BlockPublicAccess(_Held):
    """The setting of the account in the Region."""

    type = "AWS::EC2::VPCBlockPublicAccessOptions"
    required = mutable = frozenset({"InternetGatewayBlockMode"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Take the setting; its physical id is the account."""
        cloud.held[self.type, cloud.account] = dict(wanted)
        return Made(cloud.account, {"AccountId": cloud.account})


class EncryptionControl(_Held):
    """The encryption control of a VPC."""

    type = "AWS::EC2::VPCEncryptionControl"
    immutable = frozenset({"VpcId"})
    mutable: ClassVar[frozenset[str]] = frozenset(
        {"Mode", "InternetGatewayExclusionInput", "NatGatewayExclusionInput", "Tags"}
    )

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Take the control."""
        made = f"vpcec-{uuid4().hex[:17]}"
        cloud.held[self.type, made] = dict(wanted)
        return Made(made, {"VpcEncryptionControlId": made})

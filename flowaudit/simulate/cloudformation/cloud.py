"""The account and Region that the stand-in makes resources in, and what it holds of them itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import RLock
from typing import Any, TypeAlias

from botocore.exceptions import ClientError
from moto.ec2.models import EC2Backend, ec2_backends

Client: TypeAlias = Any
Properties: TypeAlias = dict[str, Any]
MakeClient: TypeAlias = Callable[[str, str], Client]
"""From a service and a Region to a client of boto3."""


@dataclass
class Cloud:
    """One account and Region. moto runs in this process, so that what moto loses can be set on its own objects."""

    account: str
    region: str
    make_client: MakeClient
    deny: set[str] = field(default_factory=set)
    """Actions that are not allowed, as in `ec2:CreateNatGateway`."""
    held: dict[tuple[str, str], Properties] = field(default_factory=dict)
    """The properties of what moto does not have at all, by type and id."""
    rules: set[str] = field(default_factory=set)
    """Rules of security groups that are resources of their own: the group does not have them as a property."""
    descriptions: dict[str, str] = field(default_factory=dict)
    """The descriptions of rules by their id: moto loses those of prefix lists and groups."""
    lock: RLock = field(default_factory=RLock)
    _clients: dict[str, Client] = field(default_factory=dict)

    @property
    def ec2(self) -> Client:
        """Return the client of EC2."""
        return self.client("ec2")

    def client(self, service: str) -> Client:
        """Return the client of a service; it refuses what is denied."""
        with self.lock:
            if service not in self._clients:
                made = self.make_client(service, self.region)
                made.meta.events.register("before-parameter-build", self._refuse_denied)
                self._clients[service] = made
            return self._clients[service]

    @property
    def moto(self) -> EC2Backend:
        """Return moto's own EC2 of this account and Region."""
        return ec2_backends[self.account][self.region]

    @cached_property
    def zones(self) -> list[str]:
        """Return the names of the Availability Zones."""
        return [each["ZoneName"] for each in self.ec2.describe_availability_zones()["AvailabilityZones"]]

    def _refuse_denied(self, model: Any, **_: object) -> None:  # noqa: ANN401  botocore's OperationModel
        action = f"{model.service_model.signing_name}:{model.name}"
        if action in self.deny:
            told = f"You are not authorized to perform this operation. User is not authorized to perform: {action}"
            raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": told}}, model.name)


def tags(described: Mapping[str, Any], key: str = "Tags") -> list[dict[str, str]]:
    """Return the tags of a described resource, but for those of AWS."""
    return [
        {"Key": each["Key"], "Value": each["Value"]}
        for each in described.get(key) or []
        if not each["Key"].startswith("aws:")
    ]


def is_missing(error: ClientError) -> bool:
    """Return whether an error says that a resource is not there."""
    code = error.response["Error"]["Code"]
    return "NotFound" in code or code.startswith("NoSuch") or code.endswith(".Malformed")


def violation(message: str) -> ClientError:
    """Return EC2's refusal to delete what something else still uses, which moto deletes."""
    return ClientError({"Error": {"Code": "DependencyViolation", "Message": message}}, "Delete")

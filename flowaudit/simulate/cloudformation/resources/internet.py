"""The path to the internet: internet gateway, its attachment, Elastic IP addresses, NAT gateways."""

from __future__ import annotations

from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models.nat_gateways import NatGateway as MotoNatGateway
from moto.ec2.utils import random_nat_gateway_id

from flowaudit.simulate.cloudformation.cloud import Cloud, Properties, tags, violation
from flowaudit.simulate.cloudformation.resources.kind import Ec2Kind, Kind, Made, without


class InternetGateway(Ec2Kind):
    """An internet gateway."""

    type = "AWS::EC2::InternetGateway"
    mutable = frozenset({"Tags"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Make the gateway."""
        made = cloud.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        return Made(made, {"InternetGatewayId": made})

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the tags."""
        (found,) = cloud.ec2.describe_internet_gateways(InternetGatewayIds=[id])["InternetGateways"]
        return {"Tags": tags(found)}

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:  # noqa: ARG002
        """Delete the gateway; moto refuses while it is attached."""
        cloud.ec2.delete_internet_gateway(InternetGatewayId=id)


class GatewayAttachment(Kind):
    """An internet gateway on a VPC."""

    type = "AWS::EC2::VPCGatewayAttachment"
    required = frozenset({"VpcId"})
    immutable = frozenset({"VpcId"})
    mutable = frozenset({"InternetGatewayId"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Attach the gateway."""
        cloud.ec2.attach_internet_gateway(**wanted)
        return Made(f"IGW|{wanted['VpcId']}", {"AttachmentType": "IGW"})

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the gateway that is attached, None if none is."""
        vpc = id.split("|")[1]
        filters = [{"Name": "attachment.vpc-id", "Values": [vpc]}]
        for each in cloud.ec2.describe_internet_gateways(Filters=filters)["InternetGateways"]:
            return {"VpcId": vpc, "InternetGatewayId": each["InternetGatewayId"]}
        return None

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:
        """Attach another gateway."""
        self.drop(cloud, id, old)
        cloud.ec2.attach_internet_gateway(**new)

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:
        """Detach the gateway if no public address is mapped any more, which moto does not check."""
        vpc = id.split("|")[1]
        within = [{"Name": "vpc-id", "Values": [vpc]}]
        gateways = cloud.ec2.describe_nat_gateways(Filters=within)["NatGateways"]
        interfaces = cloud.ec2.describe_network_interfaces(Filters=within)["NetworkInterfaces"]
        if any(each["State"] != "deleted" for each in gateways) or any(each.get("Association") for each in interfaces):
            told = "Please unmap those public address(es) before detaching the gateway."
            raise violation(f"Network {vpc} has some mapped public address(es). {told}")
        if found := self.read(cloud, id, deployed):
            cloud.ec2.detach_internet_gateway(**found)


class Address(Ec2Kind):
    """An Elastic IP address; its physical id is the address."""

    type = "AWS::EC2::EIP"
    immutable = frozenset({"Domain"})
    mutable = frozenset({"Tags"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Allocate the address."""
        made = cloud.ec2.allocate_address(Domain=wanted.get("Domain", "vpc"))
        return Made(made["PublicIp"], {"AllocationId": made["AllocationId"], "PublicIp": made["PublicIp"]})

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the properties as EC2 describes them."""
        (found,) = cloud.ec2.describe_addresses(PublicIps=[id])["Addresses"]
        return {"Domain": found["Domain"], "Tags": tags(found)}

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:
        """Change the tags."""
        self.retag(cloud, self._allocation(cloud, id), old, new)

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:  # noqa: ARG002
        """Release the address."""
        cloud.ec2.release_address(AllocationId=self._allocation(cloud, id))

    def _allocation(self, cloud: Cloud, id: str) -> str:
        (found,) = cloud.ec2.describe_addresses(PublicIps=[id])["Addresses"]
        return str(found["AllocationId"])


class _Regional(MotoNatGateway):
    """A regional NAT gateway, which moto does not have: no subnet, no interface, addresses of its own."""

    def __init__(self, backend: Any, vpc_id: str, connectivity_type: str) -> None:  # noqa: ANN401  moto's
        self.id = random_nat_gateway_id()
        self.vpc_id, self.connectivity_type, self.availability_mode = vpc_id, connectivity_type, "regional"
        self.subnet_id = None  # type: ignore[assignment]  # moto's are zonal
        self.state = "available"
        self.ec2_backend = backend
        address = backend.allocate_address("vpc")
        self.address_set = [{"allocationId": address.allocation_id, "publicIp": address.public_ip}]
        self._created_at = utcnow()


class NatGateway(Ec2Kind):
    """A NAT gateway, zonal or regional."""

    type = "AWS::EC2::NatGateway"
    immutable = frozenset({"SubnetId", "AllocationId", "ConnectivityType", "AvailabilityMode", "VpcId"})
    mutable = frozenset({"Tags"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Make the gateway with its interface."""
        if wanted.get("AvailabilityMode") == "regional":
            made = self._regional(cloud, wanted)
        else:
            made = cloud.ec2.create_nat_gateway(**without(wanted, "Tags"))["NatGateway"]["NatGatewayId"]
            for interface in self._interfaces(cloud, made):  # to moto an ordinary one, in the default group
                interface.interface_type, interface.requester_managed = "nat_gateway", True
                interface.status, interface._group_set = "in-use", []  # noqa: SLF001
                interface.description = f"Interface for NAT Gateway {made}"
        return Made(made, {"NatGatewayId": made})

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the properties as EC2 describes them, None if the gateway is deleted."""
        found = next(iter(cloud.ec2.describe_nat_gateways(NatGatewayIds=[id])["NatGateways"]), None)
        if not found or found["State"] == "deleted":
            return None
        zonal = "AvailabilityMode" not in found
        return {
            "SubnetId": found.get("SubnetId"),
            "AllocationId": next((each.get("AllocationId") for each in found["NatGatewayAddresses"] if zonal), None),
            "ConnectivityType": found.get("ConnectivityType", "public"),
            "VpcId": found["VpcId"],
            "Tags": tags(found),
        }

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:
        """Delete the gateway with its interface, which moto keeps, and free its address."""
        if not self.read(cloud, id, deployed):
            return
        gateway, interfaces = cloud.moto.nat_gateways[id], self._interfaces(cloud, id)
        cloud.ec2.delete_nat_gateway(NatGatewayId=id)
        own = {each.id for each in interfaces}
        for address in cloud.ec2.describe_addresses()["Addresses"]:
            if address.get("NetworkInterfaceId") in own:
                cloud.ec2.disassociate_address(AssociationId=address["AssociationId"])
        for interface in own:
            cloud.moto.enis.pop(interface, None)
        if isinstance(gateway, _Regional):
            for address in gateway.address_set:
                cloud.ec2.release_address(AllocationId=address["allocationId"])

    def _regional(self, cloud: Cloud, wanted: Properties) -> str:
        connectivity = wanted.get("ConnectivityType", "public")
        gateway = _Regional(cloud.moto, wanted["VpcId"], connectivity)  # type: ignore[abstract]  # as moto's own is
        cloud.moto.nat_gateways[gateway.id] = gateway
        return gateway.id

    def _interfaces(self, cloud: Cloud, id: str) -> list[Any]:
        addresses = cloud.moto.nat_gateways[id].address_set
        return [cloud.moto.enis[each["networkInterfaceId"]] for each in addresses if "networkInterfaceId" in each]

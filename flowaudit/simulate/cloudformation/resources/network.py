"""VPC, DHCP options, subnets, route tables and their routes."""

from __future__ import annotations

from flowaudit.simulate.cloudformation.cloud import Cloud, Properties, tags, violation
from flowaudit.simulate.cloudformation.resources.kind import Ec2Kind, Kind, Made, without

_ATTRIBUTES = ("EnableDnsSupport", "EnableDnsHostnames")


class Vpc(Ec2Kind):
    """A VPC with its DNS attributes."""

    type = "AWS::EC2::VPC"
    required = frozenset({"CidrBlock"})
    immutable = frozenset({"CidrBlock"})
    mutable = frozenset({*_ATTRIBUTES, "InstanceTenancy", "Tags"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Make the VPC."""
        made = cloud.ec2.create_vpc(**without(wanted, *_ATTRIBUTES, "Tags"))["Vpc"]["VpcId"]
        self.update(cloud, made, {}, wanted)
        filters = [{"Name": "vpc-id", "Values": [made]}, {"Name": "group-name", "Values": ["default"]}]
        (group,) = cloud.ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
        return Made(made, {"VpcId": made, "CidrBlock": wanted["CidrBlock"], "DefaultSecurityGroup": group["GroupId"]})

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the properties as EC2 describes them."""
        (found,) = cloud.ec2.describe_vpcs(VpcIds=[id])["Vpcs"]
        answers = {
            key: cloud.ec2.describe_vpc_attribute(VpcId=id, Attribute=key[0].lower() + key[1:])[key]["Value"]
            for key in _ATTRIBUTES
        }
        return {
            **answers,
            "CidrBlock": found["CidrBlock"],
            "InstanceTenancy": found["InstanceTenancy"],
            "Tags": tags(found),
        }

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:
        """Change DNS attributes and tags."""
        for key in _ATTRIBUTES:
            if key in new and new[key] != old.get(key):
                cloud.ec2.modify_vpc_attribute(VpcId=id, **{key: {"Value": str(new[key]).lower() == "true"}})
        self.retag(cloud, id, old, new)

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:  # noqa: ARG002
        """Delete the VPC if nothing is left in it; moto checks subnets and route tables only."""
        within = [{"Name": "vpc-id", "Values": [id]}]
        groups = cloud.ec2.describe_security_groups(Filters=within)["SecurityGroups"]
        attached = [{"Name": "attachment.vpc-id", "Values": [id]}]
        endpoints = cloud.ec2.describe_vpc_endpoints(Filters=within)["VpcEndpoints"]
        if (
            any(each["GroupName"] != "default" for each in groups)
            or cloud.ec2.describe_network_interfaces(Filters=within)["NetworkInterfaces"]
            or cloud.ec2.describe_internet_gateways(Filters=attached)["InternetGateways"]
            or any(each["State"] != "deleted" for each in endpoints)
        ):
            raise violation(f"The vpc '{id}' has dependencies and cannot be deleted.")
        cloud.ec2.delete_vpc(VpcId=id)


class DhcpOptions(Ec2Kind):
    """A set of DHCP options."""

    type = "AWS::EC2::DHCPOptions"
    immutable = frozenset({"DomainName", "DomainNameServers"})
    mutable = frozenset({"Tags"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Make the set."""
        options = {"domain-name": [wanted.get("DomainName")], "domain-name-servers": wanted.get("DomainNameServers")}
        given = [{"Key": key, "Values": values} for key, values in options.items() if values and all(values)]
        made = cloud.ec2.create_dhcp_options(DhcpConfigurations=given)["DhcpOptions"]["DhcpOptionsId"]
        self.retag(cloud, made, {}, wanted)
        return Made(made, {"DhcpOptionsId": made})

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the properties as EC2 describes them."""
        (found,) = cloud.ec2.describe_dhcp_options(DhcpOptionsIds=[id])["DhcpOptions"]
        options = {each["Key"]: [value["Value"] for value in each["Values"]] for each in found["DhcpConfigurations"]}
        return {
            "DomainName": next(iter(options.get("domain-name", [])), None),
            "DomainNameServers": options.get("domain-name-servers"),
            "Tags": tags(found),
        }

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:  # noqa: ARG002
        """Delete the set; moto refuses while a VPC has it."""
        cloud.ec2.delete_dhcp_options(DhcpOptionsId=id)


class DhcpOptionsAssociation(Kind):
    """The DHCP options that a VPC has."""

    type = "AWS::EC2::VPCDHCPOptionsAssociation"
    required = immutable = frozenset({"VpcId", "DhcpOptionsId"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Associate the options with the VPC, in place of those that it has."""
        cloud.ec2.associate_dhcp_options(**wanted)
        return Made(f"{wanted['DhcpOptionsId']}|{wanted['VpcId']}")

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the association, None if the VPC has other options."""
        options, vpc = id.split("|")
        (found,) = cloud.ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
        return {"VpcId": vpc, "DhcpOptionsId": options} if found.get("DhcpOptionsId") == options else None

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:
        """Give the VPC AWS's default options, unless others have taken the place of these."""
        if self.read(cloud, id, deployed):
            cloud.ec2.associate_dhcp_options(DhcpOptionsId="default", VpcId=id.split("|")[1])


class Subnet(Ec2Kind):
    """A subnet."""

    type = "AWS::EC2::Subnet"
    required = frozenset({"VpcId"})
    immutable = frozenset({"VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId"})
    mutable = frozenset({"MapPublicIpOnLaunch", "Tags"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Make the subnet."""
        made = cloud.ec2.create_subnet(**without(wanted, "MapPublicIpOnLaunch", "Tags"))["Subnet"]
        self.update(cloud, made["SubnetId"], {}, wanted)
        return Made(
            made["SubnetId"], {key: made[key] for key in ("SubnetId", "VpcId", "CidrBlock", "AvailabilityZone")}
        )

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the properties as EC2 describes them."""
        (found,) = cloud.ec2.describe_subnets(SubnetIds=[id])["Subnets"]
        told = ("VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId", "MapPublicIpOnLaunch")
        return {**{key: found[key] for key in told}, "Tags": tags(found)}

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:
        """Change whether public addresses are given, and tags."""
        if "MapPublicIpOnLaunch" in new:
            public = str(new["MapPublicIpOnLaunch"]).lower() == "true"
            cloud.ec2.modify_subnet_attribute(SubnetId=id, MapPublicIpOnLaunch={"Value": public})
        self.retag(cloud, id, old, new)

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:  # noqa: ARG002
        """Delete the subnet if no interface is left in it, which moto does not check."""
        filters = [{"Name": "subnet-id", "Values": [id]}]
        if cloud.ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]:
            raise violation(f"The subnet '{id}' has dependencies and cannot be deleted.")
        cloud.ec2.delete_subnet(SubnetId=id)


class RouteTable(Ec2Kind):
    """A route table."""

    type = "AWS::EC2::RouteTable"
    required = immutable = frozenset({"VpcId"})
    mutable = frozenset({"Tags"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Make the route table."""
        made = cloud.ec2.create_route_table(VpcId=wanted["VpcId"])["RouteTable"]["RouteTableId"]
        self.retag(cloud, made, {}, wanted)
        return Made(made, {"RouteTableId": made})

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the properties as EC2 describes them."""
        (found,) = cloud.ec2.describe_route_tables(RouteTableIds=[id])["RouteTables"]
        return {"VpcId": found["VpcId"], "Tags": tags(found)}

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:  # noqa: ARG002
        """Delete the table; moto refuses while a subnet has it."""
        cloud.ec2.delete_route_table(RouteTableId=id)


class RouteTableAssociation(Kind):
    """The route table that a subnet has."""

    type = "AWS::EC2::SubnetRouteTableAssociation"
    required = immutable = frozenset({"SubnetId", "RouteTableId"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Associate the table with the subnet, in place of the one that it has."""
        filters = [{"Name": "association.subnet-id", "Values": [wanted["SubnetId"]]}]
        for table in cloud.ec2.describe_route_tables(Filters=filters)["RouteTables"]:
            for each in table["Associations"]:
                if each.get("SubnetId") == wanted["SubnetId"]:
                    cloud.ec2.disassociate_route_table(AssociationId=each["RouteTableAssociationId"])
        made = cloud.ec2.associate_route_table(**wanted)["AssociationId"]
        return Made(made, {"Id": made})

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the association, None if there is none of this id."""
        for table in cloud.ec2.describe_route_tables()["RouteTables"]:
            for each in table["Associations"]:
                if each["RouteTableAssociationId"] == id:
                    return {"SubnetId": each["SubnetId"], "RouteTableId": table["RouteTableId"]}
        return None

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:
        """Take the table from the subnet, unless another has taken its place."""
        if self.read(cloud, id, deployed):
            cloud.ec2.disassociate_route_table(AssociationId=id)


class Route(Kind):
    """A route of a table."""

    type = "AWS::EC2::Route"
    required = frozenset({"RouteTableId"})
    immutable = frozenset({"RouteTableId", "DestinationCidrBlock"})
    mutable = frozenset({"GatewayId", "NatGatewayId"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Add the route to its table."""
        cloud.ec2.create_route(**wanted)
        return Made(f"{wanted['RouteTableId']}|{wanted['DestinationCidrBlock']}")

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the route, None if the table has none to this destination."""
        table, destination = id.split("|")
        (found,) = cloud.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        for each in found["Routes"]:
            if each.get("DestinationCidrBlock") == destination:
                targets = {key: each.get(key) for key in self.mutable}
                return {"RouteTableId": table, "DestinationCidrBlock": destination, **targets}
        return None

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:  # noqa: ARG002
        """Lead the route to another target."""
        cloud.ec2.replace_route(**new)

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:  # noqa: ARG002
        """Remove the route from its table."""
        table, destination = id.split("|")
        cloud.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=destination)

"""VPC endpoints: gateway and interface."""

from __future__ import annotations

import json
from typing import Any

from flowaudit.simulate.cloudformation.cloud import Cloud, Properties, tags
from flowaudit.simulate.cloudformation.resources.kind import Ec2Kind, Made, without

_LISTS = ("RouteTableIds", "SubnetIds", "SecurityGroupIds")


class Endpoint(Ec2Kind):
    """A VPC endpoint."""

    type = "AWS::EC2::VPCEndpoint"
    required = frozenset({"VpcId", "ServiceName"})
    immutable = frozenset({"VpcId", "ServiceName", "VpcEndpointType"})
    mutable = frozenset({*_LISTS, "PolicyDocument", "PrivateDnsEnabled", "Tags"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Make the endpoint, its routes or its interfaces."""
        asked = without(wanted, "Tags", "PolicyDocument")
        if "PolicyDocument" in wanted:
            asked["PolicyDocument"] = json.dumps(wanted["PolicyDocument"])
        made = cloud.ec2.create_vpc_endpoint(**asked)["VpcEndpoint"]["VpcEndpointId"]
        if asked.get("VpcEndpointType") == "Interface":
            self._complete(cloud, made)
        return Made(made, {"Id": made})

    def complete(self, cloud: Cloud, id: str, wanted: Properties) -> None:
        """Set the tags."""
        self.retag(cloud, id, {}, wanted)

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the properties as EC2 describes them, None if the endpoint is deleted."""
        (found,) = cloud.ec2.describe_vpc_endpoints(VpcEndpointIds=[id])["VpcEndpoints"]
        if found["State"] == "deleted":
            return None
        return {
            **{key: found[key] for key in self.immutable},
            "RouteTableIds": found.get("RouteTableIds", []),
            "SubnetIds": found.get("SubnetIds", []),
            "SecurityGroupIds": [each["GroupId"] for each in found.get("Groups", [])],
            "PolicyDocument": json.loads(found["PolicyDocument"]),
            "PrivateDnsEnabled": found.get("PrivateDnsEnabled", False),
            "Tags": tags(found),
        }

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:
        """Change policy, route tables with their routes, subnets with their interfaces, groups, DNS, tags."""
        asked: dict[str, Any] = {}
        for key in _LISTS:
            before, after = old.get(key, []), new.get(key, [])
            asked[f"Add{key}"] = [each for each in after if each not in before]
            asked[f"Remove{key}"] = [each for each in before if each not in after]
        if "PolicyDocument" in new:
            asked["PolicyDocument"] = json.dumps(new["PolicyDocument"])
        cloud.ec2.modify_vpc_endpoint(VpcEndpointId=id, **{key: value for key, value in asked.items() if value})
        endpoint = cloud.moto.vpc_end_points[id]
        if endpoint.vpc_endpoint_type == "Interface":
            endpoint.private_dns_enabled = str(new.get("PrivateDnsEnabled", False)).lower() == "true"
            self._place(cloud, id)
            self._complete(cloud, id)
        else:
            self._route(cloud, id)
        self.retag(cloud, id, old, new)

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:
        """Delete the endpoint with its routes and interfaces; moto goes on describing it."""
        if self.read(cloud, id, deployed):
            if deployed.get("VpcEndpointType") != "Interface":
                self._route(cloud, id)  # moto fails for a route that is missing
            cloud.ec2.delete_vpc_endpoints(VpcEndpointIds=[id])
        cloud.moto.vpc_end_points.pop(id, None)

    def _route(self, cloud: Cloud, id: str) -> None:
        """Give the route to each table of the endpoint and take it from others, which moto does not."""
        endpoint = cloud.moto.vpc_end_points[id]
        destination = endpoint.destination_prefix_list_id
        if not destination:
            return
        within = [{"Name": "vpc-id", "Values": [endpoint.vpc_id]}]
        for table in cloud.ec2.describe_route_tables(Filters=within)["RouteTables"]:
            has = any(each.get("GatewayId") == id for each in table["Routes"])
            wanted, route = table["RouteTableId"] in endpoint.route_table_ids, {"RouteTableId": table["RouteTableId"]}
            if has and not wanted:
                cloud.moto.delete_route(table["RouteTableId"], "", destination_prefix_list_id=destination)
            elif wanted and not has:
                cloud.ec2.create_route(**route, DestinationPrefixListId=destination, GatewayId=id)

    def _place(self, cloud: Cloud, id: str) -> None:
        """Have one interface in each subnet of the endpoint, which moto leaves as they are."""
        endpoint = cloud.moto.vpc_end_points[id]
        interfaces = [cloud.moto.enis[each] for each in endpoint.network_interface_ids if each in cloud.moto.enis]
        subnets = endpoint.subnet_ids or []
        kept = {each.subnet.id: each.id for each in interfaces if each.subnet.id in subnets}
        for interface in interfaces:
            if interface.id not in kept.values():
                cloud.moto.enis.pop(interface.id)
        for subnet in set(subnets) - set(kept):
            made = cloud.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
            kept[subnet] = made["NetworkInterfaceId"]
        endpoint.network_interface_ids = list(kept.values())

    def _complete(self, cloud: Cloud, id: str) -> None:
        """Make the interfaces those of an endpoint: moto gives them no type, no description and no groups."""
        endpoint = cloud.moto.vpc_end_points[id]
        for each in endpoint.network_interface_ids:
            interface = cloud.moto.enis[each]
            interface.interface_type, interface.requester_managed = "vpc_endpoint", True
            interface.status = "in-use"
            interface.description = f"VPC Endpoint Interface {id}"
            cloud.ec2.modify_network_interface_attribute(NetworkInterfaceId=each, Groups=endpoint.security_group_ids)

"""Small templates, for what ours do not have."""

from __future__ import annotations

import json
from typing import Any


def body(**resources: dict[str, Any]) -> str:
    """Return a template, as JSON, of these resources."""
    return json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources})


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    """Return a resource of EC2."""
    return {"Type": f"AWS::EC2::{kind}", "Properties": properties}


def network(cidr: str = "10.1.0.0/24", *, public: bool = False, **more: Any) -> str:
    """Return a template of a VPC with one subnet and its route table, and more."""
    return body(
        Vpc=resource("VPC", CidrBlock="10.1.0.0/16"),
        Subnet=resource("Subnet", VpcId={"Ref": "Vpc"}, CidrBlock=cidr, MapPublicIpOnLaunch=public),
        Table=resource("RouteTable", VpcId={"Ref": "Vpc"}),
        Association=resource("SubnetRouteTableAssociation", SubnetId={"Ref": "Subnet"}, RouteTableId={"Ref": "Table"}),
        **more,
    )

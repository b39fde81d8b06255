"""The main road of the tests: a change set is made, executed and waited for, as any client of boto3 does it."""

from __future__ import annotations

import time
from typing import Any

import boto3

from flowaudit.setup import to_yaml
from flowaudit.simulate.cloudformation import Engine
from tests.setup.wishes import made

REGION = "us-east-1"
STACK = "sagemaker"


class Road:
    """Clients of one cloud, and the steps that most tests take."""

    def __init__(self, moto: str) -> None:
        self.moto = moto
        self.engine = Engine(self.client)
        self.ec2, self.s3 = self.client("ec2"), self.client("s3")

    def client(self, service: str, region: str = REGION) -> Any:
        """Return a client of moto."""
        return boto3.client(service, region, endpoint_url=self.moto)

    @property
    def cloudformation(self) -> Any:
        """Return a client of the stand-in: its address is in the environment."""
        return boto3.client("cloudformation", REGION)

    def request(self, body: str, **more: Any) -> dict[str, Any]:
        """Return the request of a change set."""
        lists = self.ec2.describe_managed_prefix_lists()["PrefixLists"]
        (s3,) = [each["PrefixListId"] for each in lists if each["PrefixListName"].endswith(".s3")]
        given = [{"ParameterKey": "S3PrefixListId", "ParameterValue": s3}] if "S3PrefixListId:" in body else []
        capabilities = ["CAPABILITY_IAM"]
        return {"StackName": STACK, "TemplateBody": body, "Parameters": given, "Capabilities": capabilities, **more}

    def plan(self, body: str, **more: Any) -> dict[str, Any]:
        """Return a new change set, with values."""
        made = self.cloudformation.create_change_set(**self.request(body, ChangeSetName=f"c{time.time_ns()}", **more))
        return self.cloudformation.describe_change_set(ChangeSetName=made["Id"], IncludePropertyValues=True)

    def changes(self, body: str, **more: Any) -> dict[str, dict[str, Any]]:
        """Return the changes of a new change set, by logical id."""
        changes = [each["ResourceChange"] for each in self.plan(body, **more)["Changes"]]
        return {each["LogicalResourceId"]: each for each in changes}

    def apply(self, body: str, *, execute: dict[str, Any] | None = None, **more: Any) -> str:
        """Make and execute a change set; return the status that the stack ends in."""
        planned = self.plan(body, **more)
        self.cloudformation.execute_change_set(ChangeSetName=planned["ChangeSetId"], **(execute or {}))
        return self.wait(planned["StackId"])["StackStatus"]

    def create(self, wish: dict[str, Any] | None = None, *, body: str = "", **more: Any) -> str:
        """Make the stack of a configuration, or of a template."""
        return self.apply(body or to_yaml(made(**(wish or {}))), ChangeSetType="CREATE", **more)

    def update(self, wish: dict[str, Any] | None = None, *, body: str = "", **more: Any) -> str:
        """Bring the stack to a configuration, or to a template."""
        return self.apply(body or to_yaml(made(**(wish or {}))), ChangeSetType="UPDATE", **more)

    def delete(self, **more: Any) -> str:
        """Delete the stack; return the status that it ends in."""
        id = self.stack()["StackId"]
        self.cloudformation.delete_stack(StackName=STACK, **more)
        return self.wait(id)["StackStatus"]

    def wait(self, id: str) -> dict[str, Any]:
        """Return the stack once no operation is going on."""
        while True:
            (stack,) = self.cloudformation.describe_stacks(StackName=id)["Stacks"]
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                return stack
            time.sleep(0.05)

    def stack(self) -> dict[str, Any]:
        """Return the stack."""
        (stack,) = self.cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        return stack

    def outputs(self) -> dict[str, str]:
        """Return the outputs of the stack."""
        return {each["OutputKey"]: each["OutputValue"] for each in self.stack()["Outputs"]}

    def ids(self) -> dict[str, str]:
        """Return the physical ids of the stack's resources by logical id."""
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
        found = [each for page in pages for each in page["StackResourceSummaries"]]
        return {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in found}

    def events(self, name: str = STACK) -> list[dict[str, Any]]:
        """Return the events of a stack, oldest first."""
        pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=name)
        return [each for page in pages for each in page["StackEvents"]][::-1]

    def left(self) -> dict[str, list[str]]:
        """Return what is in the cloud beside what moto has from the start, by kind."""
        ec2 = self.ec2
        vpcs = [each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"] if not each["IsDefault"]]
        filters = [{"Name": "vpc-id", "Values": vpcs or ["none"]}]
        found = {
            "vpcs": vpcs,
            "subnets": ec2.describe_subnets(Filters=filters)["Subnets"],
            "interfaces": ec2.describe_network_interfaces()["NetworkInterfaces"],
            "addresses": ec2.describe_addresses()["Addresses"],
            "internet gateways": ec2.describe_internet_gateways()["InternetGateways"],
            "nat gateways": [x for x in ec2.describe_nat_gateways()["NatGateways"] if x["State"] != "deleted"],
            "endpoints": ec2.describe_vpc_endpoints()["VpcEndpoints"],
            "flow logs": ec2.describe_flow_logs()["FlowLogs"],
            "groups": [x for x in ec2.describe_security_groups()["SecurityGroups"] if x["GroupName"] != "default"],
            "dhcp options": ec2.describe_dhcp_options()["DhcpOptions"],
            "roles": self.client("iam").list_roles()["Roles"],
            "policies": self.client("iam").list_policies(Scope="Local")["Policies"],
            "buckets": [each["Name"] for each in self.s3.list_buckets()["Buckets"]],
        }
        return {name: each for name, each in found.items() if each}

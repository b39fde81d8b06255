"""A stack that stands in AWS's mock, and what is put into its VPC before it is destroyed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moto.ec2.models import ec2_backends

from flowaudit.inventory.asking import Asker
from flowaudit.inventory.attribution import Rules
from flowaudit.setup.interfaces import Remaining, StackNetwork, remaining, stack_network
from tests.sagemaker import NOW, Wire
from tests.setup.applied import REGION, Cloud, applied
from tests.setup.policies import ACCOUNT
from tests.setup.wishes import NO_ENDPOINTS, document, setup

NO_WORD = Rules()
"""What is known of SageMaker's interfaces without a word of the operator's."""


@dataclass
class Vpc:
    """A stack in moto's EC2, and SageMaker as a wire answers."""

    cloud: Cloud
    document: dict[str, Any]

    @property
    def stack(self) -> StackNetwork:
        """The network by the stack's resources, as CloudFormation lists them."""
        types = {name: each["Type"] for name, each in self.document["Resources"].items()}
        return stack_network(setup(), [(types[name], self.cloud.names.get(name, "")) for name in types])

    def look(self, stack: StackNetwork | None = None, rules: Rules = NO_WORD, **answers: Any) -> Remaining:
        """Return what is still there while SageMaker and EFS answer so."""
        wire = Wire(**answers)
        clients = {**wire.clients, "ec2": self.cloud.ec2}
        return remaining(Asker(ACCOUNT, REGION, clients.__getitem__), stack or self.stack, rules, NOW)

    def interface(self, *, attached: bool = False, group: str = "", **more: Any) -> str:
        """Make an interface in the first private subnet; EC2 shows who asked for it, and whether it is attached."""
        groups = {"Groups": [group or self.cloud.names["WorkloadSecurityGroup"]]}
        made = self.cloud.ec2.create_network_interface(
            SubnetId=self.cloud.names["PrivateSubnet1"], **{**groups, **more}
        )["NetworkInterface"]["NetworkInterfaceId"]
        if attached:
            ec2_backends[ACCOUNT][REGION].enis[made].status = "in-use"
        return str(made)

    def other_group(self, name: str = "other") -> str:
        """Make a security group that is not the stack's."""
        made = self.cloud.ec2.create_security_group(GroupName=name, Description="x", VpcId=self.stack.vpc_id)
        return str(made["GroupId"])

    @property
    def config(self) -> dict[str, Any]:
        """The VpcConfig that the stack tells SageMaker."""
        names = self.cloud.names
        return {
            "Subnets": [names["PrivateSubnet1"], names["PrivateSubnet2"]],
            "SecurityGroupIds": [names["WorkloadSecurityGroup"]],
        }


def with_nat() -> Vpc:
    """Make a stack of profile nat with one NAT gateway and one interface endpoint."""
    wish = {"profile": "nat", "nat": "single", "interface_endpoints": {**NO_ENDPOINTS, "logs": True}}
    return Vpc(applied(**wish), document(**wish))

"""What SageMaker has, as workloads: real botocore clients, with a stand-in for the wire below them or with moto."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from threading import Lock
from typing import Any, NamedTuple

import boto3
import botocore.session
import pytest
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.validate import ParamValidator
from moto import mock_aws

from flowaudit.inventory.asking import Asker
from flowaudit.inventory.workloads import workloads
from flowaudit.inventory.workloads.kinds import KINDS
from flowaudit.topology import VpcConfig, Workload

NOW = datetime(2024, 5, 3, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MADE, CHANGED, ENDED = NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - HOUR
ACCOUNT, REGION = "123456789012", "eu-central-1"
VPC = {"Subnets": ["subnet-b", "subnet-a"], "SecurityGroupIds": ["sg-1"]}
OWN = VpcConfig(subnets=("subnet-a", "subnet-b"), security_groups=("sg-1",))
OTHER = VpcConfig(subnets=("subnet-c",), security_groups=("sg-2",))
OTHER_VPC = {"Subnets": ["subnet-c"], "SecurityGroupIds": ["sg-2"]}
SESSION = botocore.session.Session()
SESSION.set_credentials("testing", "testing")
MODEL = SESSION.get_service_model("sagemaker")
OPERATIONS = {xform_name(name): name for name in MODEL.operation_names}
BY_KIND = {kind.kind: kind for kind in KINDS}


def arn(resource: str) -> str:
    """A SageMaker ARN of the tests' account."""
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{resource}"


def report(answer: dict[str, Any], shape: Any) -> str:
    """What botocore finds wrong with an answer of a shape."""
    return str(ParamValidator().validate(answer, shape).generate_report())


def mount(target: str, interface: str) -> dict[str, Any]:
    """A mount target of fs-1, as EFS describes it."""
    return {
        "MountTargetId": target,
        "FileSystemId": "fs-1",
        "SubnetId": "subnet-a",
        "LifeCycleState": "available",
        "NetworkInterfaceId": interface,
    }


class Refusal(NamedTuple):
    """An error that AWS answers with."""

    code: str
    message: str = "No."


class Wire:
    """What AWS would answer, below real clients: requests are botocore's own, answers are held to botocore's model.

    An answer is a dict, a Refusal, or what makes one from the parameters; an unknown list is empty, an unknown
    thing is not found.
    """

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._lock = Lock()
        self.clients = {name: SESSION.create_client(name, region_name=REGION) for name in ("sagemaker", "efs")}
        for client in self.clients.values():
            client.meta.events.register("before-parameter-build", self._remember)
            client.meta.events.register("before-call", self._answer)

    def look(
        self, before: tuple[Workload, ...] = (), since: datetime | None = None, now: datetime = NOW
    ) -> tuple[dict[str, Workload], frozenset[str], Asker]:
        """Look once; the workloads by name."""
        self.asked.clear()
        ask = Asker(ACCOUNT, REGION, self.clients.__getitem__)
        found, unlisted = workloads(ask, before, since, now)
        assert list(found) == sorted(found, key=lambda workload: workload.arn)
        assert len({workload.name for workload in found}) == len(found)
        return {workload.name: workload for workload in found}, unlisted, ask

    def described(self) -> list[str]:
        """Operations other than lists that were asked, in order."""
        return sorted(operation for operation, _ in self.asked if not operation.startswith("List"))

    def filters(self, operation: str) -> list[dict[str, Any]]:
        """What lists were filtered by."""
        return [
            {key: value for key, value in params.items() if key != "MaxResults"}
            for asked, params in self.asked
            if asked == operation
        ]

    @staticmethod
    def _remember(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["asked"] = dict(params)

    def _answer(self, model: Any, context: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        with self._lock:
            self.asked.append((model.name, context["asked"]))
        answer = self.answers.get(model.name, {} if model.name.startswith("List") else Refusal("ResourceNotFound"))
        answer = answer(context["asked"]) if callable(answer) else answer
        if isinstance(answer, Refusal):
            return AWSResponse("", 400, {}, None), {"Error": {"Code": answer.code, "Message": answer.message}}
        assert not re.findall(r"Unknown parameter.*|Invalid type.*", report(answer, model.output_shape))
        return AWSResponse("", 200, {}, None), {**answer, "ResponseMetadata": {}}


def row_lists(kind: str, field: str) -> bool:
    """Whether a kind's list has a field."""
    row = BY_KIND[kind]
    listing = MODEL.operation_model(OPERATIONS[row.list_operation]).output_shape
    return field in listing.members[row.key].member.members


def item(kind: str, name: str = "one", **more: Any) -> dict[str, Any]:
    """An item of a kind's list: its name, its ARN and its times, as far as that list has them."""
    row = BY_KIND[kind]
    told = {
        (row.names or (f"{row.resource}Name",))[-1]: name,
        row.arn or f"{row.resource}Arn": arn(f"{kind.replace('_', '-')}/{name}"),
        row.created: MADE,
        row.modified: CHANGED,
    }
    return {field: value for field, value in told.items() if row_lists(kind, field)} | more


def stands(kind: str, *items: dict[str, Any], describe: Any = None) -> dict[str, Any]:
    """Answers of a wire: a kind's list, and its description, one for all."""
    row = BY_KIND[kind]
    listing = {OPERATIONS[row.list_operation]: {row.key: list(items)}}
    return listing | ({} if describe is None else {OPERATIONS[row.describe_operation]: describe})


DOMAIN = {
    "DomainId": "d-1",
    "HomeEfsFileSystemId": "fs-1",
    "SubnetIds": ["subnet-b", "subnet-a"],
    "AppNetworkAccessType": "VpcOnly",
    "DefaultUserSettings": {"SecurityGroups": ["sg-1"]},
}
TARGETS = {"MountTargets": [mount("fsmt-1", "eni-2"), mount("fsmt-2", "eni-1")]}

Case = tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any]]
CASES: dict[str, Case] = {
    # kind: what its list says, what its description says, what becomes of it
    "model": (
        {},
        {"VpcConfig": VPC, "EnableNetworkIsolation": True},
        {"vpc_configs": (OWN,), "network_isolation": True},
    ),
    "endpoint_config": (
        {},
        {"VpcConfig": VPC, "EnableNetworkIsolation": False},
        {"vpc_configs": (OWN,), "network_isolation": False},
    ),
    "endpoint": (
        {"EndpointStatus": "Updating"},
        {
            "EndpointConfigName": "cfg",
            "ProductionVariants": [{"VariantName": "a", "CurrentInstanceCount": 3}, {"VariantName": "serverless"}],
            "ShadowProductionVariants": [{"VariantName": "b", "CurrentInstanceCount": 2}],
        },
        {"running": True, "instances": 5, "uses": (arn("endpoint-config/cfg"),)},
    ),
    "inference_component": (
        {
            "InferenceComponentStatus": "InService",
            "EndpointName": "up",
            "EndpointArn": arn("endpoint/up"),
            "VariantName": "a",
        },
        None,
        {"running": True, "parent": arn("endpoint/up"), "uses": (arn("endpoint/up"),)},
    ),
    "training_job": (
        {"TrainingJobStatus": "InProgress"},
        {
            "VpcConfig": VPC,
            "EnableNetworkIsolation": False,
            "EnableInterContainerTrafficEncryption": True,
            "TuningJobArn": arn("hyper-parameter-tuning-job/t"),
            "ResourceConfig": {"InstanceCount": 4, "VolumeSizeInGB": 1},
        },
        {
            "running": True,
            "vpc_configs": (OWN,),
            "network_isolation": False,
            "inter_container_encryption": True,
            "parent": arn("hyper-parameter-tuning-job/t"),
            "instances": 4,
        },
    ),
    "processing_job": (
        {"ProcessingJobStatus": "Stopping"},
        {
            "NetworkConfig": {
                "VpcConfig": VPC,
                "EnableNetworkIsolation": True,
                "EnableInterContainerTrafficEncryption": False,
            },
            "MonitoringScheduleArn": arn("monitoring-schedule/s"),
            "ProcessingResources": {
                "ClusterConfig": {"InstanceCount": 2, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
            },
        },
        {
            "running": True,
            "vpc_configs": (OWN,),
            "network_isolation": True,
            "inter_container_encryption": False,
            "parent": arn("monitoring-schedule/s"),
            "instances": 2,
        },
    ),
    "transform_job": (
        {"TransformJobStatus": "Failed", "TransformEndTime": ENDED},
        {"ModelName": "m", "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 2}},
        {"ended_at": ENDED, "uses": (arn("model/m"),), "instances": 2},
    ),
    "hyper_parameter_tuning_job": (
        {"HyperParameterTuningJobStatus": "InProgress"},
        {
            "TrainingJobDefinitions": [
                {"VpcConfig": OTHER_VPC, "EnableNetworkIsolation": True},
                {"VpcConfig": VPC, "EnableNetworkIsolation": False},
            ]
        },
        {"running": True, "vpc_configs": (OWN, OTHER), "network_isolation": False},
    ),
    "auto_ml_job": (
        {"AutoMLJobStatus": "InProgress"},
        {"SecurityConfig": {"VpcConfig": VPC, "EnableInterContainerTrafficEncryption": True}},
        {"running": True, "vpc_configs": (OWN,), "inter_container_encryption": True},
    ),
    "compilation_job": (
        {"CompilationJobStatus": "STARTING"},
        {"VpcConfig": VPC},
        {"running": True, "vpc_configs": (OWN,)},
    ),
    "optimization_job": (
        {"OptimizationJobStatus": "COMPLETED", "OptimizationEndTime": ENDED},
        {"VpcConfig": VPC},
        {"ended_at": ENDED, "vpc_configs": (OWN,)},
    ),
    "inference_recommendations_job": (
        {"Status": "PENDING"},
        {"InputConfig": {"VpcConfig": VPC}},
        {"running": True, "vpc_configs": (OWN,)},
    ),
    "labeling_job": (
        {"LabelingJobStatus": "Completed"},
        {"LabelingJobAlgorithmsConfig": {"LabelingJobResourceConfig": {"VpcConfig": VPC}}},
        {"ended_at": CHANGED, "vpc_configs": (OWN,)},
    ),
    "ai_benchmark_job": (
        {"AIBenchmarkJobStatus": "InProgress"},
        {"NetworkConfig": {"VpcConfig": VPC}},
        {"running": True, "vpc_configs": (OWN,)},
    ),
    "workforce": (
        {"Status": "Active", "WorkforceVpcConfig": {"VpcId": "vpc-1", **VPC}},
        None,
        {"running": True, "vpc_configs": (OWN,)},
    ),
    "notebook_instance": (
        {"NotebookInstanceStatus": "InService"},
        {
            "SubnetId": "subnet-c",
            "SecurityGroups": ["sg-2"],
            "NetworkInterfaceId": "eni-1",
            "DirectInternetAccess": "Enabled",
        },
        {"running": True, "vpc_configs": (OTHER,), "interface_ids": ("eni-1",), "internet": "direct"},
    ),
    "domain": (
        {"DomainId": "d-1", "DomainArn": arn("domain/d-1"), "Status": "InService"},
        DOMAIN,
        {"running": True, "vpc_configs": (OWN,), "interface_ids": ("eni-1", "eni-2"), "internet": "vpc"},
    ),
    "user_profile": (
        {"DomainId": "d-1", "Status": "InService"},
        {"UserProfileArn": arn("user-profile/d-1/one"), "UserSettings": {"SecurityGroups": ["sg-9"]}},
        {
            "arn": arn("user-profile/d-1/one"),
            "name": "d-1/one",
            "parent": arn("domain/d-1"),
            "uses": (arn("domain/d-1"),),
        },
    ),
    "space": (
        {"DomainId": "d-1", "Status": "InService"},
        {"SpaceArn": arn("space/d-1/one")},
        {"arn": arn("space/d-1/one"), "name": "d-1/one", "parent": arn("domain/d-1"), "uses": (arn("domain/d-1"),)},
    ),
    "app": (
        {"DomainId": "d-1", "SpaceName": "s", "AppType": "JupyterLab", "Status": "InService"},
        {"AppArn": arn("app/d-1/s/jupyterlab/one")},
        {
            "name": "d-1/s/JupyterLab/one",
            "arn": arn("app/d-1/s/jupyterlab/one"),
            "running": True,
            "parent": arn("domain/d-1"),
            "uses": (arn("space/d-1/s"),),
        },
    ),
    "monitoring_schedule": (
        {"MonitoringScheduleStatus": "Scheduled"},
        {
            "MonitoringScheduleConfig": {
                "MonitoringJobDefinition": {"NetworkConfig": {"VpcConfig": VPC, "EnableNetworkIsolation": True}}
            }
        },
        {"vpc_configs": (OWN,), "network_isolation": True},
    ),
    "cluster": (
        {"ClusterStatus": "InService"},
        {
            "VpcConfig": VPC,
            "InstanceGroups": [{"CurrentCount": 2}, {"CurrentCount": 1, "OverrideVpcConfig": OTHER_VPC}],
            "RestrictedInstanceGroups": [{"CurrentCount": 4, "OverrideVpcConfig": OTHER_VPC}],
        },
        {"running": True, "vpc_configs": (OWN, OTHER), "instances": 7},
    ),
}
CASES |= {
    f"{word}_job_definition": (
        {},
        {"NetworkConfig": {"VpcConfig": VPC, "EnableInterContainerTrafficEncryption": True}},
        {"vpc_configs": (OWN,), "inter_container_encryption": True},
    )
    for word in ("data_quality", "model_quality", "model_bias", "model_explainability")
}


def test_every_kind_of_the_table_has_its_case() -> None:
    """No kind goes untested."""
    assert set(CASES) == set(BY_KIND)


@pytest.mark.parametrize("kind", sorted(CASES))
def test_a_kind_is_read_as_aws_tells_it(kind: str) -> None:
    """List and description become one workload, and nothing that AWS did not tell is made up."""
    row, (told, description, expected) = BY_KIND[kind], CASES[kind]
    wire = Wire(**stands(kind, item(kind, **told), describe=description), DescribeMountTargets=TARGETS)
    found, unlisted, ask = wire.look()
    (workload,) = found.values()
    name = "d-1" if kind == "domain" else "one"
    status = next((value for field, value in told.items() if field.endswith("Status")), "")
    known: dict[str, Any] = {"kind": kind, "name": name, "account_id": ACCOUNT, "region": REGION, "status": status}
    times = {"created_at": MADE, "modified_at": CHANGED if row_lists(kind, row.modified) else MADE}
    assert workload == Workload(**{"arn": arn(f"{kind.replace('_', '-')}/{name}")} | known | times | expected)
    assert (unlisted, ask.gaps) == (frozenset(), ())


@pytest.mark.parametrize("kind", sorted(BY_KIND))
def test_the_table_names_what_botocore_knows(kind: str) -> None:
    """Every operation, filter and field of the table is in botocore's model of SageMaker."""
    row = BY_KIND[kind]
    listing = MODEL.operation_model(OPERATIONS[row.list_operation])
    has = set(listing.output_shape.members[row.key].member.members)
    names = row.names or (f"{row.resource}Name",)
    assert has.issuperset(names)
    if row.described:
        description = MODEL.operation_model(OPERATIONS[row.describe_operation])
        assert set(row.arguments or names) <= set(description.input_shape.members)
        has |= set(description.output_shape.members)
    assert row.created in has
    assert (row.arn or f"{row.resource}Arn") in has
    assert not row.ended or row.ended in has
    assert not row.running or (row.status or f"{row.resource}Status") in has
    if row.progress:
        assert row.since in listing.input_shape.members
        assert row.progress in listing.input_shape.members["StatusEquals"].enum
        assert row.progress in row.running


def serving(**config: Any) -> dict[str, Any]:
    """An endpoint, its configuration of two variants and a shadow, and models: two of them in a VPC."""
    models = {"m-1": {"VpcConfig": VPC}, "m-2": {}, "m-3": {"VpcConfig": OTHER_VPC}}
    description = {
        "ProductionVariants": [variant("a", "m-1"), variant("b", "m-2")],
        "ShadowProductionVariants": [variant("c", "m-3")],
        **config,
    }
    return {
        **stands("model", *(item("model", name) for name in models), describe=lambda asked: models[asked["ModelName"]]),
        **stands("endpoint_config", item("endpoint_config", "cfg"), describe=description),
        **stands("endpoint", UP, describe={"EndpointConfigName": "cfg"}),
    }


def variant(name: str, model: str) -> dict[str, Any]:
    """A variant of an endpoint configuration."""
    return {"VariantName": name, "ModelName": model}


UP = item("endpoint", "up", EndpointStatus="InService")


def test_an_endpoint_has_the_vpcs_of_its_models() -> None:
    """Models of variants and shadow variants, by way of the configuration; so has an inference component on it."""
    wire = Wire(
        **serving(),
        **stands("inference_component", item("inference_component", "part", EndpointName="up")),
    )
    found, _, _ = wire.look()
    assert found["cfg"].uses == (arn("model/m-1"), arn("model/m-2"), arn("model/m-3"))
    assert found["up"].uses == (arn("endpoint-config/cfg"),)
    assert [found[name].vpc_configs for name in ("m-2", "cfg", "up", "part")] == [(), *[(OWN, OTHER)] * 3]


def test_a_configurations_own_vpc_wins() -> None:
    """Where the configuration has a VpcConfig, those of its models do not count."""
    found, _, _ = Wire(**serving(VpcConfig=OTHER_VPC)).look()
    assert found["up"].vpc_configs == (OTHER,)


def test_an_endpoint_being_updated_has_both_configurations() -> None:
    """The configuration that is being rolled out counts as well."""
    both = {"EndpointConfigName": "cfg", "PendingDeploymentSummary": {"EndpointConfigName": "next"}}
    configs = {"cfg": {"VpcConfig": VPC}, "next": {"VpcConfig": OTHER_VPC}}
    wire = Wire(
        **stands(
            "endpoint_config",
            *(item("endpoint_config", name) for name in configs),
            describe=lambda asked: configs[asked["EndpointConfigName"]],
        ),
        **stands("endpoint", UP, describe=both),
    )
    assert wire.look()[0]["up"].vpc_configs == (OWN, OTHER)


def test_an_endpoint_outlives_its_configuration() -> None:
    """A configuration may be deleted under a running endpoint, whose VPC stays what it was."""
    wire = Wire(**serving())
    found, _, _ = wire.look()
    wire.answers |= stands("endpoint_config")
    for step in range(1, 4):
        scaled = item("endpoint", "up", EndpointStatus="InService", LastModifiedTime=CHANGED + step * HOUR)
        wire.answers |= stands("endpoint", scaled)
        found, _, _ = wire.look(tuple(found.values()), NOW)
        assert "cfg" not in found
        assert found["up"].modified_at == CHANGED + step * HOUR
        assert found["up"].vpc_configs == (OWN, OTHER)


def test_names_are_matched_to_arns_that_aws_writes_otherwise() -> None:
    """A model is found by its name, whatever its ARN makes of capitals; an unknown one has the ARN AWS would make."""
    small = item("model", "Big", ModelArn=arn("model/big"))
    running = [item("transform_job", name, TransformJobStatus="InProgress") for name in ("known", "other")]
    models = {"known": {"ModelName": "Big"}, "other": {"ModelName": "Gone"}}
    wire = Wire(
        **stands("model", small, describe={"VpcConfig": VPC}),
        **stands("transform_job", *running, describe=lambda asked: models[asked["TransformJobName"]]),
    )
    found, _, _ = wire.look()
    assert (found["known"].uses, found["known"].vpc_configs) == ((arn("model/big"),), (OWN,))
    assert (found["other"].uses, found["other"].vpc_configs) == ((arn("model/gone"),), ())


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_an_arn_that_is_made_up_lies_in_the_regions_partition(region: str, partition: str) -> None:
    """China and GovCloud have partitions of their own."""
    wire = Wire(**stands("app", APP))
    ask = Asker(ACCOUNT, region, wire.clients.__getitem__)
    wire.answers["DescribeApp"] = Refusal("AccessDeniedException")
    (app,), _ = workloads(ask, (), None, NOW)
    assert app.arn == f"arn:{partition}:sagemaker:{region}:{ACCOUNT}:app/d-1/ann/jupyterserver/default"


APP = item("app", "default", DomainId="d-1", UserProfileName="ann", AppType="JupyterServer", Status="InService")


def studio(domain: dict[str, Any] = DOMAIN, **ann: Any) -> dict[str, Any]:
    """A domain with two users, a private and a shared space, and an app in each."""
    shared = {"SpaceSharingSettingsSummary": {"SharingType": "Shared"}}
    private = {
        "SpaceSharingSettingsSummary": {"SharingType": "Private"},
        "OwnershipSettingsSummary": {"OwnerUserProfileName": "ann"},
    }
    apps = {"UserProfileName": ["ann", "bob"], "SpaceName": ["mine", "ours"]}

    def profile(asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["UserProfileName"]
        return {"UserProfileArn": arn(f"user-profile/d-1/{name}"), "UserSettings": ann if name == "ann" else {}}

    def app(asked: dict[str, Any]) -> dict[str, Any]:
        owner = asked.get("SpaceName") or asked["UserProfileName"]
        return {"AppArn": arn(f"app/d-1/{owner}/{asked['AppType'].lower()}/{asked['AppName']}")}

    return {
        **stands("domain", item("domain", "d-1", DomainArn=arn("domain/d-1"), Status="InService"), describe=domain),
        **stands("user_profile", *(item("user_profile", u, DomainId="d-1") for u in ("ann", "bob")), describe=profile),
        **stands(
            "space",
            item("space", "mine", DomainId="d-1", **private),
            item("space", "ours", DomainId="d-1", **shared),
            describe=lambda asked: {"SpaceArn": arn(f"space/d-1/{asked['SpaceName']}")},
        ),
        **stands(
            "app",
            *(
                item("app", "x", DomainId="d-1", AppType="JupyterLab", Status="InService", **{whose: name})
                for whose, names in apps.items()
                for name in names
            ),
            describe=app,
        ),
        "DescribeMountTargets": TARGETS,
    }


def groups(found: dict[str, Workload], name: str) -> tuple[tuple[str, ...], ...]:
    """The security groups of each VPC configuration of something in d-1, which must be in the domain's subnets."""
    assert {config.subnets for config in found[f"d-1/{name}"].vpc_configs} == {("subnet-a", "subnet-b")}
    return tuple(config.security_groups for config in found[f"d-1/{name}"].vpc_configs)


def test_studio_apps_have_the_domains_subnets_and_the_nearest_security_groups() -> None:
    """A profile's own groups, else the domain's default; a private space has its owner's, a shared one the domain's."""
    domain = {**DOMAIN, "DefaultSpaceSettings": {"SecurityGroups": ["sg-7"]}}
    found, _, _ = Wire(**studio(domain, SecurityGroups=["sg-9"])).look()
    assert {name: groups(found, name) for name in ("ann", "bob", "mine", "ours")} == {
        "ann": (("sg-9",),),
        "bob": (("sg-1",),),
        "mine": (("sg-9",),),
        "ours": (("sg-7",),),
    }
    for owner in ("ann", "bob", "mine", "ours"):
        assert groups(found, f"{owner}/JupyterLab/x") == groups(found, owner)
        assert found[f"d-1/{owner}/JupyterLab/x"].parent == arn("domain/d-1")
    assert [config.security_groups for config in found["d-1"].vpc_configs] == [("sg-1",), ("sg-7",)]


def test_a_changed_domain_changes_all_that_lies_in_it() -> None:
    """Profiles and spaces that did not change themselves follow a domain that did, and unchanged ones cost nothing."""
    wire = Wire(**studio())
    found, _, _ = wire.look()
    wire.look(tuple(found.values()), NOW)
    assert wire.described() == ["DescribeDomain", "DescribeMountTargets"]
    wire.answers["DescribeDomain"] = {**DOMAIN, "DefaultUserSettings": {"SecurityGroups": ["sg-5"]}}
    found, _, _ = wire.look(tuple(found.values()), NOW)
    assert {groups(found, f"{owner}/JupyterLab/x") for owner in ("ann", "bob", "mine", "ours")} == {(("sg-5",),)}


def test_apps_that_are_over_are_not_there() -> None:
    """AWS lists an app for a day after it was deleted."""
    wire = Wire(**stands("app", {**APP, "Status": "Deleted"}))
    assert wire.look()[0] == {}


def test_mount_targets_that_cannot_be_asked_stay_as_they_were() -> None:
    """EFS refuses: a gap, and the domain keeps the interfaces that it was known to have; a file system gone is none."""
    wire = Wire(**studio())
    found, _, _ = wire.look()
    wire.answers["DescribeMountTargets"] = Refusal("AccessDeniedException")
    found, unlisted, ask = wire.look(tuple(found.values()), NOW)
    assert found["d-1"].interface_ids == ("eni-1", "eni-2")
    assert ([gap.operation for gap in ask.gaps], unlisted) == (["describe_mount_targets"], frozenset())
    assert wire.look()[0]["d-1"].interface_ids == ()
    wire.answers["DescribeMountTargets"] = Refusal("FileSystemNotFound")
    found, _, ask = wire.look(tuple(found.values()), NOW)
    assert (found["d-1"].interface_ids, ask.gaps) == ((), ())


def test_a_schedule_has_the_vpc_of_the_definition_of_its_type() -> None:
    """Definitions of several types may have the same name."""
    wire = Wire(
        **stands("model_bias_job_definition", item("model_bias_job_definition"), describe=in_network(VPC)),
        **stands("monitoring_schedule", item("monitoring_schedule", "s", MonitoringType="ModelBias"), describe={
            "MonitoringType": "ModelBias", "MonitoringScheduleConfig": {"MonitoringJobDefinitionName": "one"},
        }),
    )  # fmt: skip
    found, _, _ = wire.look()
    assert found["s"].uses == (arn("model-bias-job-definition/one"),)
    assert found["s"].vpc_configs == (OWN,)


def in_network(vpc: dict[str, Any]) -> dict[str, Any]:
    """The description of something whose VpcConfig lies in its NetworkConfig."""
    return {"NetworkConfig": {"VpcConfig": vpc}}


def test_a_studio_without_a_vpc_of_its_own_reaches_the_internet_directly() -> None:
    """PublicInternetOnly is `direct`; so is a notebook's direct access, and its lack is `vpc`."""
    notebooks = {"in": "Disabled", "out": "Enabled"}
    wire = Wire(
        **studio({**DOMAIN, "AppNetworkAccessType": "PublicInternetOnly"}),
        **stands(
            "notebook_instance",
            *(item("notebook_instance", name) for name in notebooks),
            describe=lambda asked: {"DirectInternetAccess": notebooks[asked["NotebookInstanceName"]]},
        ),
    )
    found, _, _ = wire.look()
    assert [found[name].internet for name in ("d-1", "in", "out")] == ["direct", "vpc", "direct"]
    assert found["out"].vpc_configs == ()


def job(name: str, status: str, **more: Any) -> dict[str, Any]:
    """A training job in its list."""
    return item("training_job", name, TrainingJobStatus=status, **more)


@pytest.mark.parametrize(
    ("status", "pool", "running"),
    [
        ("InProgress", None, True),
        ("InProgress", "InUse", True),
        ("Stopping", None, True),
        ("Completed", None, False),
        ("Completed", "Available", True),
        ("Completed", "Reused", False),
        ("Completed", "Terminated", False),
    ],
)
def test_a_warm_pool_keeps_a_training_jobs_instances(status: str, pool: str | None, running: bool) -> None:
    """A job that ended has interfaces as long as its warm pool waits for another; reused or terminated it has none."""
    more = {"WarmPoolStatus": {"Status": pool}} if pool else {}
    found, _, _ = Wire(**stands("training_job", job("one", status, **more), describe={})).look()
    assert found["one"].running is running


def test_a_warm_pool_that_ended_is_noticed() -> None:
    """Its end changes neither the job's status nor its time of modification."""
    wire = Wire(**stands("training_job", job("one", "Completed", WarmPoolStatus={"Status": "Available"}), describe={}))
    found, _, _ = wire.look()
    wire.answers |= stands("training_job", job("one", "Completed", WarmPoolStatus={"Status": "Terminated"}))
    found, _, _ = wire.look(tuple(found.values()), NOW)
    assert not found["one"].running


def workload(kind: str = "training_job", name: str = "one", **more: Any) -> Workload:
    """Something that was known before."""
    base = Workload(
        arn=arn(f"{kind.replace('_', '-')}/{name}"),
        kind=kind,
        name=name,
        account_id=ACCOUNT,
        region=REGION,
        created_at=MADE,
        modified_at=CHANGED,
        vpc_configs=(OWN,),
    )
    return replace(base, **more)


def test_jobs_are_listed_in_progress_and_for_a_day_at_a_first_look() -> None:
    """In progress first, so that one that ends meanwhile is in both lists; no training job is older than two months."""
    wire = Wire()
    wire.look()
    assert wire.filters("ListProcessingJobs") == [{"StatusEquals": "InProgress"}, {"LastModifiedTimeAfter": NOW - DAY}]
    assert wire.filters("ListTrainingJobs") == [
        {"StatusEquals": "InProgress", "CreationTimeAfter": NOW - 60 * DAY},
        {"LastModifiedTimeAfter": NOW - DAY},
    ]
    assert wire.filters("ListAIBenchmarkJobs")[1] == {"CreationTimeAfter": NOW - DAY}
    assert wire.filters("ListModels") == [{}]


def test_later_jobs_are_listed_since_the_last_look() -> None:
    """An hour before it, or before the newest that is known, as the list may have been refused since; all of a page."""
    wire = Wire(DescribeTrainingJob={"TrainingJobStatus": "InProgress"})
    since = NOW - HOUR
    wire.look((workload(modified_at=NOW),), since)
    assert wire.filters("ListTrainingJobs") == [{"LastModifiedTimeAfter": since - HOUR}]
    wire.look((workload(modified_at=NOW - 9 * DAY),), since)
    assert wire.filters("ListTrainingJobs") == [{"LastModifiedTimeAfter": NOW - 9 * DAY - HOUR}]
    wire.look((workload(modified_at=NOW, running=True),), since)
    assert [next(iter(filters)) for filters in wire.filters("ListTrainingJobs")] == [
        "StatusEquals",
        "LastModifiedTimeAfter",
    ]
    wire.look((workload("model"),), since)
    assert wire.filters("ListTrainingJobs")[1] == {"LastModifiedTimeAfter": NOW - DAY}
    assert {params["MaxResults"] for name, params in wire.asked if name.startswith("List")} == {100}


def test_an_old_job_stays_as_it_was() -> None:
    """It is too old for the list, and nothing is asked about it."""
    old = workload(status="Completed", ended_at=CHANGED)
    wire = Wire()
    found, _, _ = wire.look((old,), NOW - HOUR)
    assert found == {"one": old}
    assert wire.described() == []


def test_a_job_that_ran_and_is_not_listed_any_more_is_described() -> None:
    """It ended while nobody looked."""
    ended = {
        "TrainingJobName": "one",
        "TrainingJobArn": arn("training-job/one"),
        "TrainingJobStatus": "Completed",
        "CreationTime": MADE,
        "LastModifiedTime": ENDED,
        "TrainingEndTime": ENDED,
        "VpcConfig": VPC,
    }
    wire = Wire(DescribeTrainingJob=ended)
    found, _, _ = wire.look((workload(status="InProgress", running=True),), NOW - HOUR)
    assert found == {"one": workload(status="Completed", ended_at=ENDED, modified_at=ENDED)}
    assert wire.look(tuple(found.values()), NOW)[0] == found
    assert wire.described() == []


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        (Refusal("ValidationException", "Requested resource not found."), False),
        (Refusal("ResourceNotFound"), False),
        (Refusal("AccessDeniedException"), True),
    ],
)
def test_a_job_that_ran_and_is_gone_drops_out(answer: Refusal, left: bool) -> None:
    """One that could not be asked about is as it was, and it is a gap."""
    ran = workload(status="InProgress", running=True)
    found, _, ask = Wire(DescribeTrainingJob=answer).look((ran,), NOW - HOUR)
    assert list(found.values()) == [ran] * left
    assert len(ask.gaps) == left


def test_what_is_deleted_drops_out() -> None:
    """What is no job and not listed any more is not there any more."""
    wire = Wire(**serving())
    found, _, _ = wire.look()
    wire.answers |= stands("endpoint")
    assert "up" not in wire.look(tuple(found.values()), NOW)[0]


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal("ValidationException", 'Could not find model "one".'),
        Refusal("ValidationException", "RecordNotFound"),
        Refusal("ResourceNotFoundException"),
    ],
)
def test_what_is_deleted_between_list_and_description_is_no_gap(refusal: Refusal) -> None:
    """It is not there, that is all."""
    found, unlisted, ask = Wire(**stands("model", item("model"), describe=refusal)).look()
    assert (found, unlisted, ask.gaps) == ({}, frozenset(), ())


def test_a_validation_that_failed_otherwise_is_a_gap() -> None:
    """Not every ValidationException means that something is gone."""
    refusal = Refusal("ValidationException", "1 validation error detected")
    found, _, ask = Wire(**stands("model", item("model"), describe=refusal)).look()
    assert set(found) == {"one"}
    assert [(gap.operation, gap.reason) for gap in ask.gaps] == [("describe_model", "failed")]


def test_what_has_not_changed_is_not_described_again() -> None:
    """Immutable or unchanged is as it was, to the letter; another status or time is asked about."""
    wire = Wire(**serving(), **stands("training_job", job("one", "Completed"), describe={"VpcConfig": VPC}))
    found, _, _ = wire.look()
    assert wire.look(tuple(found.values()), NOW)[0] == found
    assert wire.described() == []
    wire.answers |= stands("endpoint", {**UP, "EndpointStatus": "Updating"})
    wire.answers |= stands("training_job", job("one", "Completed", LastModifiedTime=ENDED))
    wire.look(tuple(found.values()), NOW)
    assert wire.described() == ["DescribeEndpoint", "DescribeTrainingJob"]


def test_times_are_compared_as_instants() -> None:
    """AWS answers in the machine's own time zone; what is kept is UTC."""
    away = timezone(timedelta(hours=5))
    wire = Wire(**stands("model", item("model", CreationTime=MADE.astimezone(away)), describe={}))
    found, _, _ = wire.look()
    assert found["one"].created_at is not None
    assert (found["one"].created_at, found["one"].created_at.tzinfo) == (MADE, UTC)
    wire.look(tuple(found.values()), NOW)
    assert wire.described() == []


def test_a_model_made_anew_under_its_name_is_described_again() -> None:
    """With it the configurations and endpoints that take their VPC from it."""
    wire = Wire(**serving())
    found, _, _ = wire.look()
    again = [item("model", name, CreationTime=ENDED if name == "m-1" else MADE) for name in ("m-1", "m-2", "m-3")]
    wire.answers |= stands("model", *again, describe={"VpcConfig": OTHER_VPC})
    found, _, _ = wire.look(tuple(found.values()), NOW)
    assert wire.described() == ["DescribeEndpoint", "DescribeEndpointConfig", "DescribeModel"]
    assert found["up"].vpc_configs == (OTHER,)


@pytest.mark.parametrize(
    ("kind", "refusal", "reason"),
    [
        ("training_job", Refusal("AccessDeniedException"), "denied"),
        ("notebook_instance", Refusal("ThrottlingException", "Rate exceeded"), "throttled"),
        ("cluster", Refusal("UnknownOperationException"), "unsupported"),
    ],
)
def test_a_kind_that_cannot_be_listed_stays_as_it_was(kind: str, refusal: Refusal, reason: str) -> None:
    """One gap, asked once, and everything else goes on."""
    row = BY_KIND[kind]
    known = workload(kind, running=True)
    wire = Wire(**serving() | {OPERATIONS[row.list_operation]: refusal})
    found, unlisted, ask = wire.look((known,), NOW - HOUR)
    assert found["one"] == known
    assert unlisted == {kind}
    assert [(gap.operation, gap.reason) for gap in ask.gaps] == [(row.list_operation, reason)]
    assert sum(name == OPERATIONS[row.list_operation] for name, _ in wire.asked) == 1
    assert found["up"].vpc_configs == (OWN, OTHER)


def test_models_that_cannot_be_listed_still_tell_the_vpc_of_their_endpoints() -> None:
    """An endpoint made meanwhile takes its VPC from the models that were known."""
    wire = Wire(**serving() | {"ListModels": Refusal("AccessDeniedException")})
    found, unlisted, _ = wire.look((workload("model", "m-1"),), NOW - HOUR)
    assert unlisted == {"model"}
    assert found["up"].vpc_configs == (OWN,)


def test_nothing_may_be_listed() -> None:
    """An account that allows nothing yields what was known, a gap for each list, and no description is asked."""
    refusals = {OPERATIONS[kind.list_operation]: Refusal("AccessDeniedException") for kind in KINDS}
    known = workload(running=True)
    wire = Wire(**refusals)
    found, unlisted, ask = wire.look((known,), NOW - HOUR)
    assert found == {"one": known}
    assert unlisted == set(BY_KIND)
    assert len(ask.gaps) == len(wire.asked) == len(KINDS)


def test_what_cannot_be_described_is_as_its_list_tells() -> None:
    """Names, status and times are kept, what could not be learned is absent, and it is asked for again next time."""
    wire = Wire(**serving() | {"DescribeEndpoint": Refusal("AccessDeniedException")})
    found, unlisted, ask = wire.look()
    assert found["up"] == workload("endpoint", "up", status="InService", running=True, modified_at=None, vpc_configs=())
    assert (unlisted, [gap.operation for gap in ask.gaps]) == (frozenset(), ["describe_endpoint"])
    wire.answers |= serving()
    found, _, _ = wire.look(tuple(found.values()), NOW)
    assert wire.described() == ["DescribeEndpoint"]
    assert found["up"].vpc_configs == (OWN, OTHER)


def test_what_cannot_be_described_any_more_keeps_what_was_learned() -> None:
    """Its status is the list's, its VPC that of the last look that learned it."""
    wire = Wire(**stands("training_job", job("one", "InProgress"), describe={"VpcConfig": VPC}))
    found, _, _ = wire.look()
    wire.answers |= stands("training_job", job("one", "Completed"), describe=Refusal("ThrottlingException"))
    found, _, _ = wire.look(tuple(found.values()), NOW)
    assert found["one"] == workload(status="Completed", modified_at=None)


def test_models_that_may_be_described_at_last_bring_their_endpoints_their_vpc() -> None:
    """Configurations and endpoints that did not change follow, though nothing in their own lists tells."""
    wire = Wire(**serving() | {"DescribeModel": Refusal("AccessDeniedException")})
    found, _, _ = wire.look()
    assert found["up"].vpc_configs == ()
    wire.answers |= serving()
    assert wire.look(tuple(found.values()), NOW)[0]["up"].vpc_configs == (OWN, OTHER)


def test_an_operation_that_botocore_lacks_is_left_out() -> None:
    """An older botocore knows fewer kinds: no gap, nothing asked."""
    wire = Wire(**serving())
    del wire.clients["sagemaker"].meta.method_to_api_mapping["list_ai_benchmark_jobs"]
    found, unlisted, ask = wire.look()
    assert "up" in found
    assert (unlisted, ask.gaps) == (frozenset(), ())


def pages(key: str, items: list[dict[str, Any]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A list that has pages of as many items as are asked for."""

    def page(asked: dict[str, Any]) -> dict[str, Any]:
        start = int(asked.get("NextToken", "0"))
        end = start + asked["MaxResults"]
        return {key: items[start:end]} | ({"NextToken": str(end)} if end < len(items) else {})

    return page


def test_the_calls_are_as_many_as_are_promised() -> None:
    """1,000 models and 200 endpoints with a configuration each: 1,447 calls at first, 47 when nothing changed."""
    models = [item("model", f"m-{number}") for number in range(1000)]
    configs = [item("endpoint_config", f"c-{number}") for number in range(200)]
    ups = [item("endpoint", f"e-{number}", EndpointStatus="InService") for number in range(200)]
    wire = Wire(
        ListModels=pages("Models", models),
        ListEndpointConfigs=pages("EndpointConfigs", configs),
        ListEndpoints=pages("Endpoints", ups),
        DescribeModel={"VpcConfig": VPC},
        DescribeEndpointConfig=lambda asked: {
            "ProductionVariants": [variant("a", asked["EndpointConfigName"].replace("c", "m"))]
        },
        DescribeEndpoint=lambda asked: {"EndpointConfigName": asked["EndpointName"].replace("e", "c")},
    )
    found, _, ask = wire.look()
    assert len(found) == 1400
    assert {found[f"e-{number}"].vpc_configs for number in range(200)} == {(OWN,)}
    assert sum(ask.calls.values()) == len(wire.asked) == 1447
    again, _, ask = wire.look(tuple(found.values()), NOW)
    assert again == found
    assert sum(ask.calls.values()) == len(wire.asked) == 47


MOTO_LACKS = (
    "ListAIBenchmarkJobs",
    "ListApps",
    "ListInferenceComponents",
    "ListInferenceRecommendationsJobs",
    "ListLabelingJobs",
    "ListMonitoringSchedules",
    "ListOptimizationJobs",
    "ListSpaces",
    "ListUserProfiles",
    "ListWorkforces",
)


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Clients of moto in process, for which what it lacks is an unknown operation instead of its own exception."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    lacks = AWSResponse("", 400, {}, None), {"Error": {"Code": "UnknownOperationException", "Message": "moto"}}
    with mock_aws():
        clients = {name: boto3.client(name, region_name=REGION) for name in ("sagemaker", "efs")}
        for operation in MOTO_LACKS:
            clients["sagemaker"].meta.events.register(f"before-call.sagemaker.{operation}", lambda **_: lacks)
        yield clients.__getitem__


def test_what_moto_holds_is_found(moto: Callable[[str], Any]) -> None:
    """Made by SageMaker's own API, found with the VPC it was made in; deleted, it is gone; jobs stay."""
    role = f"arn:aws:iam::{ACCOUNT}:role/r"
    sagemaker = moto("sagemaker")
    sagemaker.create_model(ModelName="m", ExecutionRoleArn=role, VpcConfig=VPC)
    machine: dict[str, Any] = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
    of_model = {"VariantName": "a", "ModelName": "m", "InitialVariantWeight": 1.0, "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName="c", ProductionVariants=[of_model | {"InstanceType": "ml.m5.large"}]
    )
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    sagemaker.create_training_job(
        TrainingJobName="t",
        RoleArn=role,
        AlgorithmSpecification={"TrainingImage": "i", "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": "s3://b/o"},
        ResourceConfig=machine | {"VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        VpcConfig=OTHER_VPC,
    )
    sagemaker.create_processing_job(
        ProcessingJobName="p",
        RoleArn=role,
        AppSpecification={"ImageUri": "i"},
        ProcessingResources={"ClusterConfig": machine | {"VolumeSizeInGB": 1}},
        NetworkConfig={"VpcConfig": VPC, "EnableNetworkIsolation": True},
    )
    sagemaker.create_transform_job(
        TransformJobName="x",
        ModelName="m",
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/i"}}},
        TransformOutput={"S3OutputPath": "s3://b/o"},
        TransformResources=machine,
    )
    sagemaker.create_notebook_instance(
        NotebookInstanceName="n", InstanceType="ml.t3.medium", RoleArn=role, SubnetId="subnet-c",
        SecurityGroupIds=["sg-2"], DirectInternetAccess="Disabled",
    )  # fmt: skip
    sagemaker.create_domain(
        DomainName="d", AuthMode="IAM", VpcId="vpc-1", SubnetIds=["subnet-c"], AppNetworkAccessType="VpcOnly",
        DefaultUserSettings={"ExecutionRole": role, "SecurityGroups": ["sg-2"]},
    )  # fmt: skip

    ask = Asker(ACCOUNT, REGION, moto)
    first, unlisted = workloads(ask, (), None, datetime.now(UTC))
    found = {workload.kind: workload for workload in first}
    assert {kind: workload.vpc_configs for kind, workload in found.items()} == {
        "model": (OWN,),
        "endpoint_config": (OWN,),
        "endpoint": (OWN,),
        "training_job": (OTHER,),
        "processing_job": (OWN,),
        "transform_job": (OWN,),
        "notebook_instance": (OTHER,),
        "domain": (OTHER,),
    }
    assert found["endpoint"].running
    assert found["processing_job"].network_isolation
    assert (found["notebook_instance"].internet, found["domain"].internet) == ("vpc", "vpc")
    assert {OPERATIONS[BY_KIND[kind].list_operation] for kind in unlisted} == set(MOTO_LACKS)
    assert {gap.reason for gap in ask.gaps} == {"unsupported"}

    sagemaker.delete_endpoint(EndpointName="e")
    again, _ = workloads(Asker(ACCOUNT, REGION, moto), first, datetime.now(UTC), datetime.now(UTC))
    assert set(first) - set(again) == {found["endpoint"]}
    assert set(again) <= set(first)

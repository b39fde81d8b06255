"""Each kind of SageMaker's resources, as AWS tells it and as a workload."""

from __future__ import annotations

from typing import Any

import pytest

from flowaudit.topology import Workload
from tests.sagemaker import (
    ACCOUNT,
    BY_KIND,
    CHANGED,
    DOMAIN,
    ENDED,
    MADE,
    MODEL,
    OPERATIONS,
    OTHER,
    OTHER_VPC,
    OWN,
    REGION,
    TARGETS,
    VPC,
    Wire,
    arn,
    item,
    row_lists,
    stands,
)

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


OVER = {
    "Completed", "COMPLETED", "Failed", "FAILED", "Stopped", "STOPPED", "OutOfService", "Deleted", "DELETED",
    "DELETING", "DeleteFailed",
}  # fmt: skip
"""Statuses in which nothing can have interfaces; a job's DELETING is its record's."""
STILL = {"user_profile", "space", "monitoring_schedule"}
"""Kinds that have a status but interfaces never: their apps and jobs do."""


@pytest.mark.parametrize("kind", sorted(BY_KIND))
def test_whatever_is_not_over_can_have_interfaces(kind: str) -> None:
    """Every status that botocore knows of a kind counts as running, but those of an end."""
    row = BY_KIND[kind]
    items = MODEL.operation_model(OPERATIONS[row.list_operation]).output_shape.members[row.key].member
    status = items.members.get(row.status or f"{row.resource}Status")
    statuses = set(status.enum) if status is not None and kind not in STILL else set()
    deleting = {"Deleting"} if row.progress else set()
    assert set(row.running) == statuses - OVER - deleting


ADDED = ("DomainArn", "MountTargets")
"""What is put beside AWS's answers: the domain of what lies in it, and a domain's mount targets."""


@pytest.mark.parametrize("kind", sorted(BY_KIND))
def test_the_tables_paths_lead_somewhere(kind: str) -> None:
    """Every path of the table is one through the answers of botocore's model."""
    row = BY_KIND[kind]
    shapes = [MODEL.operation_model(OPERATIONS[row.list_operation]).output_shape.members[row.key].member]
    if row.described:
        shapes.append(MODEL.operation_model(OPERATIONS[row.describe_operation]).output_shape)
    paths = [path for use in row.uses for path in use.name]
    paths += [*row.instances, *row.parents, *filter(None, (row.internet, row.interfaces))]
    for path in paths:
        assert path.split(".")[0] in ADDED or any(leads(shape, path) for shape in shapes), path


def leads(shape: Any, path: str) -> bool:
    """Whether a path leads through a shape of botocore's, lists on the way included."""
    for step in path.split("."):
        inner = shape.member if shape.type_name == "list" else shape
        if step not in inner.members:
            return False
        shape = inner.members[step]
    return True

"""What SageMaker has, as workloads: on a stand-in for the wire below real clients, and on moto."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws

from flowaudit.inventory.asking import Asker
from flowaudit.inventory.workloads import workloads
from flowaudit.inventory.workloads.kinds import KINDS
from flowaudit.topology import Workload
from tests.sagemaker import (
    ACCOUNT,
    BY_KIND,
    CHANGED,
    DAY,
    DOMAIN,
    ENDED,
    HOUR,
    MADE,
    NOW,
    OPERATIONS,
    OTHER,
    OTHER_VPC,
    OWN,
    REGION,
    TARGETS,
    VPC,
    Refusal,
    Wire,
    arn,
    item,
    stands,
)


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


def test_a_job_has_the_vpc_of_a_model_that_was_deleted_since() -> None:
    """A model may be deleted under the job that runs it: it is dropped, but it was known."""
    begun = item("transform_job", TransformJobStatus="InProgress")
    wire = Wire(**stands("transform_job", begun, describe={"ModelName": "m"}))
    found, _, _ = wire.look((workload("model", "m"),), NOW - HOUR)
    assert {name: found[name].vpc_configs for name in found} == {"one": (OWN,)}


def test_a_vpc_config_without_subnets_is_none() -> None:
    """AWS may say that there is no VPC by an empty one."""
    empty: dict[str, Any] = {"VpcConfig": {"Subnets": [], "SecurityGroupIds": []}}
    found, _, _ = Wire(**serving(**empty)).look()
    assert found["cfg"].vpc_configs == (OWN, OTHER)


def test_a_labeling_job_ends_when_it_was_changed_last() -> None:
    """SageMaker tells no time of its end; one in progress has none."""
    jobs = [item("labeling_job", status, LabelingJobStatus=status) for status in ("InProgress", "Stopped")]
    found, _, _ = Wire(**stands("labeling_job", *jobs, describe={})).look()
    assert (found["InProgress"].ended_at, found["Stopped"].ended_at) == (None, CHANGED)


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
    wire = Wire(**stands("app", {**APP, "Status": "Deleted"}, describe={"AppArn": arn("app/d-1/ann/x/default")}))
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

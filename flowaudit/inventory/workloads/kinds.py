"""The table of what SageMaker has that can touch a VPC: how each kind is listed and described, and where its facts lie.

Names and fields are those of the SageMaker API reference (`List…`, `Describe…`), as in botocore's model of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from botocore import xform_name

from flowaudit.inventory.workloads.answers import Answer, VpcConfigs, at, both, configs, subnets
from flowaudit.topology import VpcConfig

_VPC_CONFIG = configs("VpcConfig")


class Use(NamedTuple):
    """Whom a workload takes its VPC from: the kind, the paths to the parts of the name, and when, if not always."""

    kind: str
    name: tuple[str, ...]
    when: Callable[[Answer], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A row: one kind of workload. Paths are as in `at`; an empty `names`, `arn` or `status` follows `resource`.

    `resource` is SageMaker's word for it, `key` where the list's items lie. `names` are the fields that name it, of
    which `arguments` are what Describe… calls them. `running` are the statuses in which it can have interfaces. A job
    has a `progress`, the status that jobs in progress are listed by, and `since`, the filter by time; `longest`
    bounds how long ago a job in progress can have begun. A `restless` kind changes without its list telling, and is
    described at every look; one not `described` is told in full by its list. `network` is where the two flags lie,
    `parents` are paths to the ARN of what it is a part of, and the `instances` at the paths are summed.
    """

    resource: str
    key: str
    names: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    arn: str = ""
    status: str = ""
    created: str = "CreationTime"
    modified: str = "LastModifiedTime"
    ended: str = ""
    described: bool = True
    version: str = ""
    running: tuple[str, ...] = ()
    progress: str | None = None
    since: str = "LastModifiedTimeAfter"
    longest: timedelta | None = None
    restless: bool = False
    vpc: VpcConfigs = _VPC_CONFIG
    network: tuple[str, ...] = ("",)
    uses: tuple[Use, ...] = ()
    parents: tuple[str, ...] = ()
    internet: str = ""
    interfaces: str = ""
    instances: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The kind as a workload has it: `training_job`."""
        return xform_name(self.resource)

    @property
    def list_operation(self) -> str:
        """The operation that lists them."""
        return f"list_{self.kind}s"

    @property
    def describe_operation(self) -> str:
        """The operation that describes one."""
        return f"describe_{self.kind}{self.version}"

    def name(self, answer: Answer) -> str:
        """Return the name: what Describe… asks for, joined by slashes."""
        return "/".join(self.question(answer).values())

    def question(self, answer: Answer) -> dict[str, str]:
        """Return what to ask Describe… for an item of the list."""
        names = self.names or (f"{self.resource}Name",)
        return {ask: answer[name] for name, ask in zip(names, self.arguments or names, strict=True) if answer.get(name)}

    def stub(self, name: str) -> Answer:
        """Return what a list would say of a job, as far as its name tells."""
        return dict.fromkeys(self.names or (f"{self.resource}Name",), name)

    def told_arn(self, answer: Answer) -> str | None:
        """Return the ARN, where the answer has one."""
        return answer.get(self.arn or f"{self.resource}Arn")

    def told_status(self, answer: Answer) -> str:
        """Return the status, where there is such a thing."""
        return str(answer.get(self.status or f"{self.resource}Status", ""))

    def runs(self, answer: Answer) -> bool:
        """Tell whether it can have interfaces now: by its status, or by a warm pool that outlives it."""
        pool = at(answer, "WarmPoolStatus.Status")
        return self.told_status(answer) in self.running or bool({"Available", "InUse"}.intersection(pool))


_JOB = ("InProgress", "Stopping")
_OLDER_JOB = ("INPROGRESS", "STARTING", "STOPPING")
_ENDPOINT = ("Creating", "Updating", "SystemUpdating", "RollingBack", "InService", "Deleting", "UpdateRollbackFailed")
_DEFAULT_GROUPS = "DefaultUserSettings.SecurityGroups"


def _private(answer: Answer) -> bool:
    return "Private" in at(answer, "SpaceSharingSettingsSummary.SharingType")


def _shared(answer: Answer) -> bool:
    return not _private(answer)


def _space(answer: Answer) -> tuple[VpcConfig, ...]:
    """Return what a shared space has; a private one has what its owner has (CreateSpace, UserSettings)."""
    groups = ("Domain.DefaultSpaceSettings.SecurityGroups", f"Domain.{_DEFAULT_GROUPS}")
    return () if _private(answer) else subnets("Domain.SubnetIds", *groups)(answer)


def _monitored(resource: str) -> Use:
    """Return the use that a schedule makes of a job definition of this kind."""
    return Use(
        xform_name(f"{resource}JobDefinition"),
        ("MonitoringScheduleConfig.MonitoringJobDefinitionName",),
        lambda answer: answer.get("MonitoringType") == resource,
    )


def _job_definition(resource: str) -> Kind:
    """Return the row of one of the definitions of monitoring jobs, which are all made alike."""
    return Kind(
        resource=f"{resource}JobDefinition",
        key="JobDefinitionSummaries",
        names=("MonitoringJobDefinitionName",),
        arguments=("JobDefinitionName",),
        arn="MonitoringJobDefinitionArn",
        vpc=configs("NetworkConfig.VpcConfig"),
        network=("NetworkConfig.",),
    )


_MONITORED = ("DataQuality", "ModelQuality", "ModelBias", "ModelExplainability")

KINDS: tuple[Kind, ...] = (
    # What others use stands before them.
    Kind(
        resource="Domain",
        key="Domains",
        names=("DomainId",),
        status="Status",
        running=("InService", "Pending", "Updating", "Update_Failed", "Deleting", "Delete_Failed"),
        restless=True,  # its file system's mount targets are another service's
        vpc=both(
            subnets("SubnetIds", _DEFAULT_GROUPS),
            subnets("SubnetIds", "DefaultSpaceSettings.SecurityGroups", _DEFAULT_GROUPS),
        ),
        internet="AppNetworkAccessType",
        interfaces="MountTargets.NetworkInterfaceId",
    ),
    Kind(
        resource="UserProfile",
        key="UserProfiles",
        names=("DomainId", "UserProfileName"),
        status="Status",
        vpc=subnets("Domain.SubnetIds", "UserSettings.SecurityGroups", f"Domain.{_DEFAULT_GROUPS}"),
        uses=(Use("domain", ("DomainId",)),),
        parents=("DomainArn",),
    ),
    Kind(
        resource="Space",
        key="Spaces",
        names=("DomainId", "SpaceName"),
        status="Status",
        vpc=_space,
        uses=(
            Use("user_profile", ("DomainId", "OwnershipSettingsSummary.OwnerUserProfileName"), _private),
            Use("domain", ("DomainId",), _shared),
        ),
        parents=("DomainArn",),
    ),
    Kind(
        resource="App",
        key="Apps",
        names=("DomainId", "UserProfileName", "SpaceName", "AppType", "AppName"),
        status="Status",
        running=("InService", "Pending", "Deleting"),
        uses=(Use("user_profile", ("DomainId", "UserProfileName")), Use("space", ("DomainId", "SpaceName"))),
        parents=("DomainArn",),
    ),
    Kind(resource="Model", key="Models"),
    Kind(
        resource="EndpointConfig",
        key="EndpointConfigs",
        uses=(
            Use("model", ("ProductionVariants.ModelName",)),
            Use("model", ("ProductionVariants.InstancePools.ModelNameOverride",)),
            Use("model", ("ShadowProductionVariants.ModelName",)),
        ),
    ),
    Kind(
        resource="Endpoint",
        key="Endpoints",
        running=_ENDPOINT,
        uses=(
            Use("endpoint_config", ("EndpointConfigName",)),
            Use("endpoint_config", ("PendingDeploymentSummary.EndpointConfigName",)),
        ),
        instances=("ProductionVariants.CurrentInstanceCount", "ShadowProductionVariants.CurrentInstanceCount"),
    ),
    Kind(
        resource="InferenceComponent",
        key="InferenceComponents",
        described=False,
        running=("InService", "Creating", "Updating", "Deleting"),
        uses=(Use("endpoint", ("EndpointName",)),),
        parents=("EndpointArn",),
    ),
    Kind(
        resource="TrainingJob",
        key="TrainingJobSummaries",
        running=_JOB,
        progress="InProgress",
        longest=timedelta(days=60),  # they wait and run for 28 days each; a list by status goes through all there are
        ended="TrainingEndTime",
        parents=("TuningJobArn", "AutoMLJobArn", "LabelingJobArn"),
        instances=(
            "ResourceConfig.InstanceCount",
            "ResourceConfig.InstanceGroups.InstanceCount",
            "ResourceConfig.SelectedInstanceCount",
        ),
    ),
    Kind(
        resource="ProcessingJob",
        key="ProcessingJobSummaries",
        running=_JOB,
        progress="InProgress",
        ended="ProcessingEndTime",
        vpc=configs("NetworkConfig.VpcConfig"),
        network=("NetworkConfig.",),
        parents=("MonitoringScheduleArn", "AutoMLJobArn", "TrainingJobArn"),
        instances=(
            "ProcessingResources.ClusterConfig.InstanceCount",
            "ProcessingResources.ClusterConfig.SelectedInstanceCount",
        ),
    ),
    Kind(
        resource="TransformJob",
        key="TransformJobSummaries",
        running=_JOB,
        progress="InProgress",
        ended="TransformEndTime",
        uses=(Use("model", ("ModelName",)),),
        parents=("AutoMLJobArn", "LabelingJobArn"),
        instances=("TransformResources.InstanceCount",),
    ),
    Kind(
        resource="HyperParameterTuningJob",
        key="HyperParameterTuningJobSummaries",
        running=_JOB,
        progress="InProgress",
        ended="HyperParameterTuningEndTime",
        vpc=configs("TrainingJobDefinition.VpcConfig", "TrainingJobDefinitions.VpcConfig"),
        network=("TrainingJobDefinition.", "TrainingJobDefinitions."),
    ),
    Kind(
        resource="AutoMLJob",
        key="AutoMLJobSummaries",
        version="_v2",  # describes those of the first version too
        running=_JOB,
        progress="InProgress",
        ended="EndTime",
        vpc=configs("SecurityConfig.VpcConfig"),
        network=("SecurityConfig.",),
    ),
    Kind(
        resource="CompilationJob",
        key="CompilationJobSummaries",
        running=_OLDER_JOB,
        progress="INPROGRESS",
        ended="CompilationEndTime",
    ),
    Kind(
        resource="OptimizationJob",
        key="OptimizationJobSummaries",
        running=_OLDER_JOB,
        progress="INPROGRESS",
        ended="OptimizationEndTime",
    ),
    Kind(
        resource="InferenceRecommendationsJob",
        key="InferenceRecommendationsJobs",
        names=("JobName",),
        arn="JobArn",
        status="Status",
        running=("IN_PROGRESS", "PENDING", "STOPPING"),
        progress="IN_PROGRESS",
        ended="CompletionTime",
        vpc=configs("InputConfig.VpcConfig"),
    ),
    Kind(
        resource="LabelingJob",
        key="LabelingJobSummaryList",
        running=("InProgress", "Initializing", "Stopping"),
        progress="InProgress",
        ended="LastModifiedTime",
        vpc=configs("LabelingJobAlgorithmsConfig.LabelingJobResourceConfig.VpcConfig"),
    ),
    Kind(
        resource="AIBenchmarkJob",
        key="AIBenchmarkJobs",
        running=_JOB,
        progress="InProgress",
        since="CreationTimeAfter",
        ended="EndTime",
        vpc=configs("NetworkConfig.VpcConfig"),
    ),
    Kind(
        resource="Workforce",
        key="Workforces",
        described=False,
        status="Status",
        created="CreateDate",
        modified="LastUpdatedDate",
        running=("Active", "Initializing", "Updating", "Deleting"),
        vpc=configs("WorkforceVpcConfig"),
    ),
    Kind(
        resource="NotebookInstance",
        key="NotebookInstances",
        running=("InService", "Pending", "Stopping", "Updating", "Deleting", "PendingMaintenance", "InMaintenance"),
        vpc=subnets("SubnetId", "SecurityGroups"),
        internet="DirectInternetAccess",
        interfaces="NetworkInterfaceId",
    ),
    *map(_job_definition, _MONITORED),
    Kind(
        resource="MonitoringSchedule",
        key="MonitoringScheduleSummaries",
        vpc=configs("MonitoringScheduleConfig.MonitoringJobDefinition.NetworkConfig.VpcConfig"),
        network=("MonitoringScheduleConfig.MonitoringJobDefinition.NetworkConfig.",),
        uses=tuple(map(_monitored, _MONITORED)),
    ),
    Kind(
        resource="Cluster",
        key="ClusterSummaries",
        running=("InService", "Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"),
        restless=True,  # its list tells no time of modification
        vpc=configs("VpcConfig", "InstanceGroups.OverrideVpcConfig", "RestrictedInstanceGroups.OverrideVpcConfig"),
        instances=("InstanceGroups.CurrentCount", "RestrictedInstanceGroups.CurrentCount"),
    ),
)

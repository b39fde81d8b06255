"""The narrowest policy of the S3 endpoint: what each field of SageMaker's API lets through, and nothing beside it."""

from __future__ import annotations

from typing import Any

import pytest

from flowaudit.config import Setup
from flowaudit.errors import SetupError
from flowaudit.setup.least_privilege.document import Writer
from flowaudit.setup.least_privilege.fields import FIELDS
from flowaudit.setup.least_privilege.needs import Access, Scope, address, image_region
from flowaudit.setup.least_privilege.reading import READ
from flowaudit.setup.policy_file import LONGEST
from tests.sagemaker import ACCOUNT, NOW, REGION, VPC
from tests.setup.s3_needs import (
    OTHER_VPC,
    THEIRS,
    Refusal,
    allowed,
    channel,
    cloud,
    hosted,
    item,
    job,
    listed,
    stands,
)

GET, PUT, DELETE = "s3:GetObject", "s3:PutObject", "s3:DeleteObject"
ECR = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/x:1"
LAYERS = f"prod-{REGION}-starport-layer-bucket/x"


def source(uri: str, type: str) -> dict[str, Any]:
    """Return a model's data source."""
    return {"ModelDataSource": {"S3DataSource": {"S3Uri": uri, "S3DataType": type, "CompressionType": "None"}}}


@pytest.mark.parametrize(
    ("container", "reads", "not_reads"),
    [
        ({"ModelDataUrl": "s3://models/a/m.tar.gz"}, "models/a/m.tar.gz", "models/a/m.tar.gz2"),
        ({"ModelDataUrl": f"https://s3.{REGION}.amazonaws.com/models/a/m.tar.gz"}, "models/a/m.tar.gz", "models/a/x"),
        ({"ModelDataUrl": f"https://models.s3.{REGION}.amazonaws.com/a/m.tar.gz"}, "models/a/m.tar.gz", "models/a/x"),
        ({"ModelDataUrl": "s3://models/many", "Mode": "MultiModel"}, "models/many/one.tar.gz", "models/many2/x"),
        (source("s3://models/llm/", "S3Prefix"), "models/llm/part-1", "models/ll"),
        (source("s3://models/llm.gguf", "S3Object"), "models/llm.gguf", "models/llm.gguf.1"),
        (
            {
                "AdditionalModelDataSources": [
                    {"ChannelName": "d", **source("s3://models/draft/", "S3Prefix")["ModelDataSource"]}
                ]
            },
            "models/draft/x",
            "models/x",
        ),
        ({"Environment": {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://models/src.tar.gz"}}, "models/src.tar.gz", "models/src"),
    ],
)
def test_models_read_their_data_and_nothing_else(container: dict[str, Any], reads: str, not_reads: str) -> None:
    """An object alone, or what lies under a prefix; never written, nor for another account."""
    made = hosted(container).plan()
    assert allowed(made, GET, reads)
    assert not allowed(made, GET, not_reads)
    assert not allowed(made, PUT, reads)
    assert not allowed(made, GET, reads, THEIRS)
    assert listed(made, "models", reads.partition("/")[2])
    assert not listed(made, "models", None)
    assert not listed(made, "models", "")
    assert allowed(made, "s3:GetBucketLocation", "models")


def test_what_is_needed_names_the_field() -> None:
    """Each need has the workload that runs, the part of it, and the field."""
    (need,) = hosted({"ModelDataUrl": "s3://models/m.tar.gz"}).plan().needs
    assert (need.kind, need.workload) == ("endpoint", "one")
    assert need.field == "model one: PrimaryContainer.ModelDataUrl"


def test_captured_data_and_asynchronous_results_are_written() -> None:
    """DataCaptureConfig and AsyncInferenceConfig: multipart uploads, neither read nor deleted nor listed."""
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://outputs/capture",
        "CaptureOptions": [],
    }
    results = {"OutputConfig": {"S3OutputPath": "s3://outputs/async", "S3FailurePath": "s3://failures"}}
    made = hosted({}, {"DataCaptureConfig": capture, "AsyncInferenceConfig": results}).plan()
    for path in ("outputs/capture/x", "outputs/async/x", "failures/x"):
        for action in (PUT, "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"):
            assert allowed(made, action, path)
        assert not allowed(made, GET, path)
        assert not allowed(made, DELETE, path)
    assert not allowed(made, PUT, "outputs/captures")
    assert not listed(made, "outputs", "capture/")
    assert ("endpoint", "one", "endpoint config one: each asynchronous request names its own input object") in (
        made.reading.unknown
    )


def test_training_jobs() -> None:
    """Input and code are read, output is written, checkpoints are read, written and deleted."""
    made = job(
        "training_job",
        InputDataConfig=[channel("s3://data/train"), channel("s3://data/list.manifest", "ManifestFile")],
        OutputDataConfig={"S3OutputPath": "s3://outputs/jobs/"},
        CheckpointConfig={"S3Uri": "s3://outputs/checkpoints"},
        DebugHookConfig={"S3OutputPath": "s3://debug/hook"},
        ProfilerConfig={"S3OutputPath": "s3://debug/profile"},
        TensorBoardOutputConfig={"S3OutputPath": "s3://debug/board"},
        HyperParameters={"sagemaker_submit_directory": '"s3://code/source.tar.gz"', "epochs": "3"},
    ).plan()
    assert allowed(made, GET, "data/train-1")
    assert allowed(made, GET, "data/list.manifest")
    assert not allowed(made, GET, "data/list.manifest2")
    assert allowed(made, GET, "code/source.tar.gz")
    assert not allowed(made, PUT, "code/source.tar.gz")
    assert allowed(made, PUT, "outputs/jobs/one/model.tar.gz")
    assert not allowed(made, DELETE, "outputs/jobs/one/model.tar.gz")
    for action in (GET, PUT, DELETE):
        assert allowed(made, action, "outputs/checkpoints/1")
    assert listed(made, "outputs", "checkpoints")
    assert all(allowed(made, PUT, f"debug/{each}/x") for each in ("hook", "profile", "board"))
    assert any("is a manifest" in why for _, _, why in made.reading.unknown)


def test_code_that_is_in_the_container_is_no_need() -> None:
    """A directory in place of an S3 URI is not a mistake."""
    made = job("training_job", HyperParameters={"sagemaker_submit_directory": "/opt/ml/code"}).plan()
    assert not made.needs
    assert not made.reading.unknown


def test_processing_and_transform_jobs() -> None:
    """Inputs are read, outputs are written; a transform job has the VPC of its model, and reads its data too."""
    inputs = [{"InputName": "i", "S3Input": {"S3Uri": "s3://data/raw/", "S3DataType": "S3Prefix"}}]
    outputs = [{"OutputName": "o", "S3Output": {"S3Uri": "s3://outputs/clean", "S3UploadMode": "EndOfJob"}}]
    made = job("processing_job", ProcessingInputs=inputs, ProcessingOutputConfig={"Outputs": outputs}).plan()
    assert allowed(made, GET, "data/raw/1")
    assert allowed(made, PUT, "outputs/clean/1")
    batch = hosted({"ModelDataUrl": "s3://models/m.tar.gz"})
    batch.answers |= {"ListEndpoints": {"Endpoints": []}} | stands(
        "transform_job",
        item("transform_job"),
        describe={
            "ModelName": "one",
            "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/in"}}},
            "TransformOutput": {"S3OutputPath": "s3://outputs/out"},
        },
    )
    made = batch.plan()
    assert allowed(made, GET, "data/in/1")
    assert allowed(made, GET, "models/m.tar.gz")
    assert allowed(made, PUT, "outputs/out/1")


def test_tuning_jobs() -> None:
    """Every training job that one defines is as a training job."""
    definition = {
        "VpcConfig": VPC,
        "InputDataConfig": [channel("s3://data/train/")],
        "OutputDataConfig": {"S3OutputPath": "s3://outputs/tuned"},
        "StaticHyperParameters": {"sagemaker_submit_directory": '"s3://code/source.tar.gz"'},
    }
    kind = "hyper_parameter_tuning_job"
    made = cloud(stands(kind, item(kind), describe={"TrainingJobDefinitions": [definition]})).plan()
    assert allowed(made, GET, "data/train/1")
    assert allowed(made, GET, "code/source.tar.gz")
    assert allowed(made, PUT, "outputs/tuned/1")


def test_auto_ml_jobs() -> None:
    """Input is read; what is written in between is read again."""
    data = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/table"}}
    described = {
        "SecurityConfig": {"VpcConfig": VPC},
        "AutoMLJobInputDataConfig": [{"DataSource": data}],
        "OutputDataConfig": {"S3OutputPath": "s3://outputs/auto"},
    }
    made = cloud(stands("auto_ml_job", item("auto_ml_job"), describe=described)).plan()
    assert allowed(made, GET, "data/table.csv")
    assert allowed(made, GET, "outputs/auto/1")
    assert allowed(made, PUT, "outputs/auto/1")
    assert not allowed(made, DELETE, "outputs/auto/1")


def test_inference_components() -> None:
    """They run where their endpoint does, and have an artifact or a model of their own."""
    wire = hosted({"ModelDataUrl": "s3://models/m.tar.gz"})
    own = {"Container": {"ArtifactUrl": "s3://models/component.tar.gz"}, "ModelName": "one"}
    wire.answers |= stands(
        "inference_component",
        item("inference_component", "part", EndpointName="one"),
        describe={"InferenceComponentName": "part", "EndpointName": "one", "Specification": own},
    )
    fields = {need.field for need in wire.plan("part").needs}
    assert fields == {"Specification.Container.ArtifactUrl", "model one: PrimaryContainer.ModelDataUrl"}
    assert allowed(wire.plan(), GET, "models/component.tar.gz")


def test_notebooks_are_not_knowable() -> None:
    """A notebook instance in the VPC has no URI: it is named, with the reason."""
    made = cloud(
        stands(
            "notebook_instance",
            item("notebook_instance"),
            describe={"NotebookInstanceName": "one", "SubnetId": "subnet-a"},
        )
    ).plan()
    assert [(kind, name) for kind, name, _ in made.reading.unknown] == [("notebook_instance", "one")]


def test_shared_notebooks_of_a_domain() -> None:
    """The output of shared notebooks is read and written; a user profile has the VPC of its domain."""
    sharing = {"SharingSettings": {"NotebookOutputOption": "Allowed", "S3OutputPath": "s3://shared/d"}}
    made = cloud(
        stands(
            "domain",
            item("domain", "d-1"),
            describe={"DomainId": "d-1", "SubnetIds": ["subnet-a"], "DefaultUserSettings": sharing},
        ),
        stands(
            "user_profile",
            item("user_profile", "ann", DomainId="d-1"),
            describe={
                "DomainId": "d-1",
                "UserProfileName": "ann",
                "UserSettings": {"SharingSettings": {"S3OutputPath": "s3://shared/ann"}},
            },
        ),
    ).plan()
    assert {need.workload for need in made.needs} == {"d-1", "d-1/ann"}
    assert allowed(made, GET, "shared/ann/x")
    assert allowed(made, PUT, "shared/d/x")


def test_other_networks_are_left_out() -> None:
    """What runs in no VPC, or in another, needs nothing of this endpoint; its model alone runs nowhere."""
    for vpc in (None, OTHER_VPC):
        made = hosted({"ModelDataUrl": "s3://models/m.tar.gz"}, vpc=vpc).plan()
        assert not made.needs
        assert not made.reading.unknown


def test_a_model_that_nothing_runs_is_named() -> None:
    """It is not in the policy, but in what is left out; --workload adds it."""
    wire = hosted({"ModelDataUrl": "s3://models/m.tar.gz"})
    wire.answers["ListEndpoints"] = {"Endpoints": []}
    wire.answers["ListEndpointConfigs"] = {"EndpointConfigs": []}
    assert not wire.plan().needs
    assert wire.plan().reading.unused == {("model", "one")}
    assert allowed(wire.plan("one"), GET, "models/m.tar.gz")


@pytest.mark.parametrize(
    ("refused", "shown"),
    [("ListTrainingJobs", "list_training_jobs"), ("DescribeModel", "describe_model"), ("ListModels", "list_models")],
)
def test_a_refused_api_is_a_gap(refused: str, shown: str) -> None:
    """It is named; whose data it would have told is named as not known, never as without URIs."""
    wire = hosted({"ModelDataUrl": "s3://models/m.tar.gz"})
    wire.answers[refused] = Refusal("AccessDeniedException", "not authorized")
    made = wire.plan()
    assert [gap.operation for gap in made.unread] == [shown]
    if refused != "ListTrainingJobs":
        assert any(name == "one" and "did not describe" in why for _, name, why in made.reading.unknown)


def test_jobs_are_of_the_span_or_run() -> None:
    """Jobs are listed by time, and once more those in progress; every page is read."""
    wire = job("training_job")
    wire.plan()
    since, running = wire.filters("ListTrainingJobs")
    assert (NOW - since["LastModifiedTimeAfter"]).days == 90
    assert running == {"StatusEquals": "InProgress"}
    pages = iter([{"EndpointConfigs": [item("endpoint_config", "a")], "NextToken": "2"}, {"EndpointConfigs": []}])
    wire = cloud(ListEndpointConfigs=lambda _: next(pages))
    wire.plan()
    assert [operation for operation, _ in wire.asked].count("ListEndpointConfigs") == 2


def test_images_of_ecr_read_the_layers() -> None:
    """The bucket of layers in this region, for the credentials of ECR; images of other registries need nothing."""
    assert allowed(hosted({"Image": ECR}).plan(), GET, LAYERS, THEIRS)
    assert not allowed(hosted({"Image": ECR}).plan(), PUT, LAYERS)
    assert not allowed(hosted({"Image": "registry.example.com/x:1"}).plan(), GET, LAYERS)
    far = hosted({"Image": ECR.replace(REGION, "us-east-1")}).plan()
    assert "starport" not in far.document.text
    assert far.elsewhere == ("Amazon ECR in us-east-1, for endpoint one: left out",)


def test_jumpstart_is_read_with_own_credentials() -> None:
    """A URI in AWS's bucket is allowed as any other: as narrowly, and for this account."""
    made = hosted({"ModelDataUrl": f"s3://jumpstart-cache-prod-{REGION}/a/m.tar.gz"}).plan()
    assert allowed(made, GET, f"jumpstart-cache-prod-{REGION}/a/m.tar.gz")
    assert not allowed(made, GET, f"jumpstart-cache-prod-{REGION}/a/m.tar.gz", THEIRS)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ({"BucketRegion": "us-east-1"}, ("s3://models: is in us-east-1: left out",)),
        (Refusal("InternalError"), ()),
    ],
)
def test_buckets_of_other_regions_are_not_reached(answer: Any, line: tuple[str, ...]) -> None:
    """They are shown and left out; a bucket whose region is not known is allowed, and said to be so."""
    wire = hosted({"ModelDataUrl": "s3://models/m.tar.gz"})
    wire.answers["HeadBucket"] = answer
    made = wire.plan()
    assert made.elsewhere == line
    assert allowed(made, GET, "models/m.tar.gz") == (not line)
    assert made.unlocated == (() if line else ("models",))


@pytest.mark.parametrize("key", ["a*b", "a?b", "${aws:username}", "$", "a$b*?", "ü [x]"])
def test_special_characters_are_themselves(key: str) -> None:
    """A key with wildcards or variables in it allows that key alone."""
    made = hosted({"ModelDataUrl": f"s3://models/{key}"}).plan()
    assert allowed(made, GET, f"models/{key}")
    assert listed(made, "models", key)
    for other in (key.replace("*", "xx"), key.replace("?", "x"), key.replace("${aws:username}", "bob")):
        assert allowed(made, GET, f"models/{other}") == (other == key)


def test_an_address_that_is_none_is_named() -> None:
    """Neither a star as a bucket nor another host gets into the policy, nor an access point, by ARN or alias."""
    for uri in (
        *("s3://*/x", "https://example.com/x", "s3://", "s3://arn:aws:s3:us-east-1:123456789012:accesspoint/a/k"),
        *("s3://a-8tyekmigicmhun8n9kwpfur39dnw4use1a-s3alias/k", "s3://b--use1-az4--x-s3/k"),
    ):
        made = hosted({"ModelDataUrl": uri}).plan()
        assert not made.needs
        assert any("is no bucket's address in S3" in why for _, _, why in made.reading.unknown)


def test_code_at_an_address_that_is_none_is_named() -> None:
    """Where a field may hold something else than an address, an address that cannot be in the policy is not lost."""
    made = hosted({"Environment": {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://code-1a2b-s3alias/sourcedir.tar.gz"}}).plan()
    assert any("SAGEMAKER_SUBMIT_DIRECTORY" in why for _, _, why in made.reading.unknown)


def test_repositories_are_denied_still() -> None:
    """The denies of `[setup]` are in the policy; a need that they refuse is shown."""
    made = hosted({"ModelDataUrl": "s3://al2023-mine/m.tar.gz"}).plan()
    assert not allowed(made, GET, "al2023-mine/m.tar.gz")
    assert made.unallowed == ("s3://al2023-mine/m.tar.gz: s3:GetObject (denied by AmazonLinux2023RepositoryAccess)",)
    made = hosted({}).plan(setup=Setup(amazon_linux_repositories="allow"))
    assert allowed(made, GET, "al2023-repos-x/p.rpm", {})


WRITER = Writer(Setup(), REGION, ACCOUNT, layers=True)


def scopes(*keys: str, access: Access = Access.READ) -> list[tuple[Access, Scope]]:
    """Return scopes of one access in the bucket b: wide where they end in a star."""
    return [(access, Scope("b", key.removesuffix("*"), key.endswith("*"))) for key in keys]


def test_a_policy_that_is_too_long_is_merged() -> None:
    """Deepest folders first, no more than needed, each with its access alone; what was merged is told."""
    many = scopes(*(f"deep/folder-{folder}/{number:030}" for folder in range(4) for number in range(100)), "x/y")
    written = scopes("deep/folder-0/out*", access=Access.WRITE)
    document = WRITER.document([*many, *written])
    assert len(document.text) <= LONGEST
    merged = {str(each.scope) for each in document.merges}
    assert merged < {f"s3://b/deep/folder-{number}/*" for number in range(4)}
    assert all((each.access, each.prefixes) == (Access.READ, 100) for each in document.merges)
    assert set(written) < document.scopes
    assert WRITER.document(reversed([*written, *many])) == document


def test_whole_buckets_come_last_and_then_nothing() -> None:
    """A bucket as a whole is the widest; where even those do not fit there is no policy."""
    many = [(Access.READ, Scope(f"bucket-{number}", "some/long/key" * 20, wide=False)) for number in range(150)]
    document = WRITER.document(many)
    assert len(document.text) <= LONGEST
    assert {each.scope.key for each in document.merges} == {""}
    with pytest.raises(SetupError, match=r"200 whole buckets.*--workload"):
        WRITER.document([(Access.KEEP, Scope(f"bucket-{number:050}", "k", wide=True)) for number in range(200)])


def test_what_is_in_another_prefix_is_not_written_twice() -> None:
    """Of the same access; another access stays."""
    document = WRITER.document([*scopes("a*", "a/b", "ab*"), *scopes("a/b", access=Access.WRITE)])
    assert document.scopes == frozenset([*scopes("a*"), *scopes("a/b", access=Access.WRITE)])


def test_addresses() -> None:
    """Of S3 in its forms; of ECR with its region."""
    assert address("s3://b.c/k/l") == ("b.c", "k/l")
    assert address("s3://bucket") == ("bucket", "")
    assert address("https://s3.amazonaws.com/bucket/k%20l") == ("bucket", "k l")
    assert address("file:///x") is None
    assert image_region("public.ecr.aws/x/y:1") is None
    assert image_region("123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/x@sha256:1") == "us-gov-west-1"


def test_every_kind_that_is_read_is_one_of_the_inventory() -> None:
    """Each row of the table of fields has its row in the table of kinds."""
    assert {kind.kind for kind in READ} == set(FIELDS)

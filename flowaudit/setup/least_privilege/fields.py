"""The fields of SageMaker's API that name objects in S3, by kind of workload; names as in its `Describe…` answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from flowaudit.inventory.workloads.answers import Answer, at
from flowaudit.setup.least_privilege.needs import Access, Scope, address, folder


class Form(Enum):
    """What a URI stands for: an object, all under it, or as the data type or the model's mode beside it says."""

    OBJECT = "object"
    FOLDER = "folder"
    TYPED = "typed"
    MODEL = "model"


class Field(NamedTuple):
    """A field: the path to what has it, its name, what is done there; an `optional` one may hold something else."""

    path: str
    name: str
    access: Access
    form: Form
    optional: bool = False

    def __str__(self) -> str:
        """Return the whole path."""
        return f"{self.path}.{self.name}" if self.path else self.name


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields of a kind; `images` are paths to images, `open` are paths whose presence means more than fields say."""

    uris: tuple[Field, ...] = ()
    images: tuple[str, ...] = ()
    open: tuple[tuple[str, str], ...] = ()


def _read(path: str, name: str = "S3Uri", form: Form = Form.TYPED, *, optional: bool = False) -> Field:
    return Field(path, name, Access.READ, form, optional)


def _written(path: str, name: str = "S3OutputPath") -> Field:
    return Field(path, name, Access.WRITE, Form.FOLDER)


def _both(path: str, name: str = "S3OutputPath") -> tuple[Field, ...]:
    return (Field(path, name, Access.READ, Form.FOLDER), _written(path, name))


def _container(path: str) -> tuple[Field, ...]:
    return (
        _read(path, "ModelDataUrl", Form.MODEL),
        _read(f"{path}.Environment", "SAGEMAKER_SUBMIT_DIRECTORY", Form.OBJECT, optional=True),
        *(
            field
            for source in ("ModelDataSource", "AdditionalModelDataSources")
            for field in (
                _read(f"{path}.{source}.S3DataSource"),
                _read(f"{path}.{source}.S3DataSource", "ManifestS3Uri", Form.OBJECT),
            )
        ),
    )


def _training(prefix: str, hyper_parameters: str) -> tuple[Field, ...]:
    return (
        _read(f"{prefix}InputDataConfig.DataSource.S3DataSource"),
        _read(f"{prefix}{hyper_parameters}", "sagemaker_submit_directory", Form.OBJECT, optional=True),
        _written(f"{prefix}OutputDataConfig"),
        Field(f"{prefix}CheckpointConfig", "S3Uri", Access.KEEP, Form.FOLDER),
    )


def _settings(path: str) -> tuple[Field, ...]:
    return (
        *_both(f"{path}.SharingSettings"),
        *_both(f"{path}.CanvasAppSettings.WorkspaceSettings", "S3ArtifactPath"),
        Field(f"{path}.CustomFileSystemConfigs.S3FileSystemConfig", "S3Uri", Access.READ, Form.FOLDER),
    )


_CONTAINERS = ("PrimaryContainer", "Containers")
_COMPONENTS = ("Specification.Container", "Specifications.Container")
_TUNED = ("TrainingJobDefinition.", "TrainingJobDefinitions.")
_NOTEBOOK = "what users open in notebooks is not in SageMaker's API, nor what a lifecycle configuration fetches"

FIELDS: Mapping[str, Fields] = {
    "model": Fields(
        uris=tuple(field for path in _CONTAINERS for field in _container(path)),
        images=tuple(f"{path}.Image" for path in _CONTAINERS),
    ),
    "endpoint_config": Fields(
        uris=(
            _written("DataCaptureConfig", "DestinationS3Uri"),
            _written("AsyncInferenceConfig.OutputConfig"),
            _written("AsyncInferenceConfig.OutputConfig", "S3FailurePath"),
            *(
                _written(f"{path}.CoreDumpConfig", "DestinationS3Uri")
                for path in ("ProductionVariants", "ShadowProductionVariants")
            ),
            _read(
                "ExplainerConfig.ClarifyExplainerConfig.ShapConfig.ShapBaselineConfig", "ShapBaselineUri", Form.OBJECT
            ),
        ),
        open=(("AsyncInferenceConfig", "each asynchronous request names its own input object"),),
    ),
    "endpoint": Fields(),
    "inference_component": Fields(
        uris=tuple(_read(path, "ArtifactUrl", Form.OBJECT) for path in _COMPONENTS),
        images=tuple(f"{path}.DeployedImage.SpecifiedImage" for path in _COMPONENTS),
    ),
    "training_job": Fields(
        uris=(
            *_training("", "HyperParameters"),
            *map(
                _written,
                (
                    "DebugHookConfig",
                    "DebugRuleConfigurations",
                    "TensorBoardOutputConfig",
                    "ProfilerConfig",
                    "ProfilerRuleConfigurations",
                ),
            ),
        ),
        images=("AlgorithmSpecification.TrainingImage",),
    ),
    "processing_job": Fields(
        uris=(
            _read("ProcessingInputs.S3Input"),
            *(
                Field(
                    f"ProcessingInputs.DatasetDefinition.{source}DatasetDefinition",
                    "OutputS3Uri",
                    Access.READ,
                    Form.FOLDER,
                )
                for source in ("Athena", "Redshift")
            ),
            _written("ProcessingOutputConfig.Outputs.S3Output", "S3Uri"),
        ),
        images=("AppSpecification.ImageUri",),
    ),
    "transform_job": Fields(
        uris=(
            _read("TransformInput.DataSource.S3DataSource"),
            _written("TransformOutput"),
            _written("DataCaptureConfig", "DestinationS3Uri"),
        ),
    ),
    "hyper_parameter_tuning_job": Fields(
        uris=tuple(field for path in _TUNED for field in _training(path, "StaticHyperParameters")),
        images=tuple(f"{path}AlgorithmSpecification.TrainingImage" for path in _TUNED),
    ),
    "auto_ml_job": Fields(
        uris=(
            _read("AutoMLJobInputDataConfig.DataSource.S3DataSource"),
            *_both("OutputDataConfig"),
            *(
                _read(f"AutoMLProblemTypeConfig.{problem}JobConfig", "FeatureSpecificationS3Uri", Form.OBJECT)
                for problem in ("Tabular", "TimeSeriesForecasting")
            ),
        ),
    ),
    "domain": Fields(uris=_settings("DefaultUserSettings"), open=(("DomainId", _NOTEBOOK),)),
    "user_profile": Fields(uris=_settings("UserSettings"), open=(("DomainId", _NOTEBOOK),)),
    "notebook_instance": Fields(open=(("NotebookInstanceName", _NOTEBOOK),)),
}
"""Kinds that are read, and what of them."""


def scopes(kind: str, answer: Answer) -> Iterator[tuple[Field, Scope | str]]:
    """Yield each field that is set with its objects, or with its text where that is no address in S3."""
    for field in FIELDS[kind].uris:
        for holder in at(answer, field.path):
            text = str(holder.get(field.name) or "").strip('"')  # hyperparameters are JSON
            found = address(text)
            if found is not None:
                yield field, _scope(*found, field.form, holder)
            elif text and (text.startswith("s3://") or not field.optional):
                yield field, text


def open_ends(kind: str, answer: Answer) -> Iterator[str]:
    """Yield why more than the fields may be needed."""
    yield from (why for path, why in FIELDS[kind].open if at(answer, path))
    for field in FIELDS[kind].uris:
        types = {str(holder.get("S3DataType", "")) for holder in at(answer, field.path)}
        if field.form is Form.TYPED and types & {"ManifestFile", "AugmentedManifestFile"}:
            yield f"{field}: is a manifest; SageMaker's API does not show the objects that it lists"


def _scope(bucket: str, key: str, form: Form, holder: Answer) -> Scope:
    match form:
        case Form.FOLDER:
            return folder(bucket, key)
        case Form.MODEL if holder.get("Mode") == "MultiModel":
            return folder(bucket, key)
        case Form.TYPED if holder.get("S3DataType", "S3Prefix") == "S3Prefix":
            return Scope(bucket, key, wide=True)
    return Scope(bucket, key, wide=not key)

"""GetModelStatus and GetModelMetadata, for gRPC and REST alike."""

from __future__ import annotations

from typing import Any

from serving.embedded.errors import invalid_argument, not_found
from serving.embedded.manager import ModelManager, wanted_version
from serving.protos import GetModelMetadataResponse, GetModelStatusResponse

SIGNATURE_DEF_FIELD = "signature_def"


def model_status(manager: ModelManager, request: Any) -> Any:
    """Returns the GetModelStatusResponse of a GetModelStatusRequest.

    Raises:
        ServingError: unknown model or version, or a label.
    """
    spec = checked_spec(request)
    if spec.WhichOneof("version_choice") == "version_label":
        raise invalid_argument(
            f"Unrecognized servable version label: {spec.version_label}"
        )
    statuses = manager.statuses() if spec.name == manager.name else []
    version = wanted_version(spec)
    if version is not None:
        statuses = [s for s in statuses if s.version == version]
        if not statuses:
            raise not_found(f"Could not find version {version} of model {spec.name}")
    if not statuses:
        raise not_found(f"Could not find any versions of model {spec.name}")
    response = GetModelStatusResponse()
    for status in statuses:
        entry = response.model_version_status.add(
            version=status.version, state=status.state.value
        )
        entry.status.error_code = status.code.value[0]
        entry.status.error_message = status.message
    return response


def model_metadata(manager: ModelManager, request: Any) -> Any:
    """Returns the GetModelMetadataResponse of a GetModelMetadataRequest.

    Raises:
        ServingError: a field that isn't `signature_def`, unknown model or version.
    """
    spec = checked_spec(request)
    if not request.metadata_field:
        raise invalid_argument(
            "GetModelMetadataRequest must specify at least one metadata_field"
        )
    for name in request.metadata_field:
        if name != SIGNATURE_DEF_FIELD:
            raise invalid_argument(f"Metadata field {name} is not supported")
    with manager.lease(spec) as servable:
        response = GetModelMetadataResponse()
        response.model_spec.name = spec.name
        response.model_spec.version.value = servable.version
        response.metadata[SIGNATURE_DEF_FIELD].Pack(servable.model.signatures)
        return response


def checked_spec(request: Any) -> Any:
    """Returns the ModelSpec of a request.

    Raises:
        ServingError: it has none.
    """
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    return request.model_spec

"""The `.proto` files against what TensorFlow Serving and gRPC publish."""

from __future__ import annotations

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1 import health_pb2  # noqa: F401  registers its descriptors
from tensorflow.core.protobuf import error_codes_pb2  # noqa: F401
from tensorflow_serving.apis import (
    model_service_pb2,  # noqa: F401
    prediction_log_pb2,  # noqa: F401
    prediction_service_pb2,  # noqa: F401
)

from serving import protos

OURS = {
    file.package: file
    for file in descriptor_pb2.FileDescriptorSet.FromString(
        protos.DESCRIPTOR_FILE.read_bytes()
    ).file
    if not file.name.startswith("google/")
}
THEIRS = descriptor_pool.Default()


def _messages(prefix, messages):
    for message in messages:
        if not message.options.map_entry:
            yield f"{prefix}.{message.name}", message
            yield from _messages(f"{prefix}.{message.name}", message.nested_type)


MESSAGES = dict(
    pair
    for package, file in OURS.items()
    for pair in _messages(package, file.message_type)
)
ENUMS = {
    **{f"{p}.{e.name}": e for p, file in OURS.items() for e in file.enum_type},
    **{f"{n}.{e.name}": e for n, m in MESSAGES.items() for e in m.enum_type},
}
SERVICES = {f"{p}.{s.name}": s for p, file in OURS.items() for s in file.service}


def _field(field):
    return field.number, field.type, field.label, field.type_name


@pytest.mark.parametrize("name", MESSAGES)
def test_fields_are_theirs(name):
    published = descriptor_pb2.DescriptorProto()
    THEIRS.FindMessageTypeByName(name).CopyToProto(published)
    fields = {f.name: f for f in published.field}
    oneofs = [o.name for o in MESSAGES[name].oneof_decl]
    for field in MESSAGES[name].field:
        theirs = fields[field.name]
        assert _field(field) == _field(theirs), field.name
        if field.HasField("oneof_index"):
            group = published.oneof_decl[theirs.oneof_index].name
            assert oneofs[field.oneof_index] == group, field.name


@pytest.mark.parametrize("name", ENUMS)
def test_enum_values_are_theirs(name):
    published = THEIRS.FindEnumTypeByName(name)
    for value in ENUMS[name].value:
        assert published.values_by_name[value.name].number == value.number


@pytest.mark.parametrize("name", SERVICES)
def test_methods_are_theirs(name):
    published = THEIRS.FindServiceByName(name)
    for method in SERVICES[name].method:
        theirs = published.methods_by_name[method.name]
        assert method.input_type == f".{theirs.input_type.full_name}"
        assert method.output_type == f".{theirs.output_type.full_name}"
        assert not method.client_streaming
        assert not method.server_streaming


def test_services_that_the_server_answers_are_there():
    assert {name: [m.name for m in s.method] for name, s in SERVICES.items()} == {
        protos.PREDICTION_SERVICE: ["Predict", "GetModelMetadata"],
        protos.MODEL_SERVICE: ["GetModelStatus"],
        protos.HEALTH_SERVICE: ["Check"],
    }

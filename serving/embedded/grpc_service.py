"""The gRPC services: PredictionService, ModelService and the standard health check.

Methods that aren't here (Classify, Regress, MultiInference, ...) gRPC itself answers
with UNIMPLEMENTED.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from serving import protos
from serving.embedded.describe import checked_spec, model_metadata, model_status
from serving.embedded.errors import ServingError, not_found, wire_message
from serving.embedded.gate import Gate, PendingCall
from serving.embedded.manager import ModelManager
from serving.embedded.predict import Predictor, SignatureAnswer, predict_inputs
from serving.embedded.wire import control_parser, parse_predict
from serving.protos.tensors import to_tensor_proto

logger = logging.getLogger(__name__)

_HEALTH_NAMES = (
    "",
    "PredictionService",  # TensorFlow Serving registers the short names
    "ModelService",
    protos.PREDICTION_SERVICE,
    protos.MODEL_SERVICE,
)


class GrpcService:
    """The methods, each from a request message to a response message."""

    def __init__(
        self,
        manager: ModelManager,
        gate: Gate,
        *,
        max_images: int,
        packed_outputs: bool,
    ) -> None:
        """Prepares.

        Args:
            manager: the model's versions.
            gate: shared by everything that runs the model.
            max_images: most images of a request.
            packed_outputs: answer numbers as `tensor_content`.
        """
        self._manager = manager
        self._gate = gate
        self._predictor = Predictor(manager, gate)
        self._max_images = max_images
        self._packed = packed_outputs
        self.draining = False

    def handlers(
        self, control_pool: ThreadPoolExecutor
    ) -> tuple[grpc.GenericRpcHandler, ...]:
        """Returns what a gRPC server is to be given.

        Args:
            control_pool: runs every method but Predict, which the server's own pool
                runs, so that Predict calls cannot take their threads.
        """

        def control(method: Callable[..., Any], request: Any) -> grpc.RpcMethodHandler:
            parse = control_parser(request)
            return _method_handler(_Answering(method, parse, control_pool))

        return (
            grpc.method_handlers_generic_handler(
                protos.PREDICTION_SERVICE,
                {
                    "Predict": _method_handler(_Answering(self.predict, parse_predict)),
                    "GetModelMetadata": control(
                        self.metadata, protos.GetModelMetadataRequest
                    ),
                },
            ),
            grpc.method_handlers_generic_handler(
                protos.MODEL_SERVICE,
                {"GetModelStatus": control(self.status, protos.GetModelStatusRequest)},
            ),
            grpc.method_handlers_generic_handler(
                protos.HEALTH_SERVICE,
                {"Check": control(self.check, protos.HealthCheckRequest)},
            ),
        )

    def predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Runs a model: PredictRequest to PredictResponse."""
        call = PendingCall(context.time_remaining())
        if not context.add_callback(lambda: self._gate.cancel(call)):
            call.cancelled = True  # gone already, so the callback will never come
        with self._gate.admission():
            spec = checked_spec(request)
            prediction = self._predictor.run(
                spec,
                predict_inputs(request, self._max_images),
                request.output_filter,
                call,
            )
            return self._response(spec.name, prediction)

    def metadata(self, request: Any, _: grpc.ServicerContext) -> Any:
        """Tells a model's signatures."""
        return model_metadata(self._manager, request)

    def status(self, request: Any, _: grpc.ServicerContext) -> Any:
        """Tells the state of a model's versions."""
        return model_status(self._manager, request)

    def check(self, request: Any, _: grpc.ServicerContext) -> Any:
        """Tells whether Predict can be answered: SERVING or NOT_SERVING."""
        if request.service not in _HEALTH_NAMES:
            raise not_found(f"unknown service {request.service}")
        states = protos.HealthCheckResponse
        serving = self._manager.available and not self.draining
        return states(status=states.SERVING if serving else states.NOT_SERVING)

    def _response(self, name: str, prediction: SignatureAnswer) -> Any:
        response = protos.PredictResponse()
        response.model_spec.name = name
        response.model_spec.version.value = prediction.version
        response.model_spec.signature_name = prediction.signature_name
        for alias, array in prediction.outputs.items():
            response.outputs[alias].CopyFrom(
                to_tensor_proto(array, packed=self._packed)
            )
        return response


class _Answering:
    """A method that takes the bytes of its request; its exceptions become its status.

    Attributes:
        experimental_thread_pool: gRPC's name for where the method runs; None is the
            server's pool. A call takes its thread before its message has come.
    """

    def __init__(
        self,
        method: Callable[..., Any],
        parse: Callable[[bytes], Any],
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        self._method = method
        self._parse = parse
        self.experimental_thread_pool = pool

    def __call__(self, content: bytes, context: grpc.ServicerContext) -> Any:
        try:
            return self._method(self._parse(content), context)
        except ServingError as err:
            code, message = err.code, err.message
        except MemoryError:
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            message = "out of memory while answering this request"
        except Exception as err:
            logger.exception("a request failed in the server itself")
            code, message = grpc.StatusCode.INTERNAL, f"{type(err).__name__}: {err}"
        # Outside the handlers: abort works by raising.
        return context.abort(code, wire_message(message))


def _method_handler(answer: _Answering) -> grpc.RpcMethodHandler:
    # Without a deserializer gRPC hands over the bytes: they are looked at first.
    return grpc.unary_unary_rpc_method_handler(
        answer,
        response_serializer=lambda message: message.SerializeToString(),
    )

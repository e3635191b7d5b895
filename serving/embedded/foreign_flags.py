"""Flags of tensorflow_model_server that `python -m serving` does not have."""

from __future__ import annotations

from collections.abc import Sequence

_ONE_MODEL = "one model is served, its newest version"
_NO_BATCHING = "each request runs by itself, in parts of --max-batch-size"
_NO_SSL = "nothing is encrypted; put a proxy before it"
_SESSION = "use --tensorflow-intra-op-parallelism and --tensorflow-inter-op-parallelism"

FOREIGN_FLAGS: dict[str, str] = {
    "allow_version_labels_for_unavailable_models": _ONE_MODEL,
    "batching_parameters_file": _NO_BATCHING,
    "enable_batching": _NO_BATCHING,
    "enable_grpc_healthcheck_service": "the health service is always there",
    "enable_per_model_batching_parameters": _NO_BATCHING,
    "enable_profiler": "",
    "enable_signature_method_name_check": "it is always checked",
    "flush_filesystem_caches": "",
    "force_allow_any_version_labels_for_unavailable_models": _ONE_MODEL,
    "grpc_socket_path": "use --host and --port",
    "load_retry_interval_micros": "a broken version is tried every minute",
    "max_num_load_retries": "a broken version is tried every minute",
    "mixed_precision": "export the model in that precision",
    "model_config_file": _ONE_MODEL,
    "model_config_file_poll_wait_seconds": _ONE_MODEL,
    "monitoring_config_file": "",
    "num_load_threads": _ONE_MODEL,
    "num_request_iterations_for_warmup": "each warmup request runs once",
    "num_tflite_interpreters_per_pool": "",
    "num_tflite_pools": "",
    "num_unload_threads": _ONE_MODEL,
    "per_process_gpu_memory_fraction": "",
    "platform_config_file": _ONE_MODEL,
    "prefer_tflite_model": "",
    "remove_unused_fields_from_bundle_metagraph": "",
    "rest_api_enable_cors_support": "put a proxy before it",
    "rest_api_num_threads": "bodies have as many threads as gRPC's Predict calls",
    "saved_model_tags": "the tag is serve",
    "servable_versions_always_present": "",
    "skip_initialize_tpu": "",
    "ssl_config_file": _NO_SSL,
    "tensorflow_session_config_file": _SESSION,
    "tensorflow_session_parallelism": _SESSION,
    "thread_pool_factory_config_file": "",
    "use_alts_credentials": _NO_SSL,
    "use_tfrt": "",
    "xla_cpu_compilation_enabled": "",
    "xla_gpu_compilation_enabled": "",
}
"""Name with underscores -> what is here in its place, empty where there is nothing."""


def explain_foreign_flag(arguments: Sequence[str]) -> str | None:
    """Returns what to say of the first flag that only tensorflow_model_server has.

    Args:
        arguments: what the parser did not know.
    """
    for argument in arguments:
        flag = argument.partition("=")[0]
        name = flag.removeprefix("-").removeprefix("-").replace("-", "_")
        if flag.startswith("-") and name in FOREIGN_FLAGS:
            instead = FOREIGN_FLAGS[name]
            return f"{flag} is a flag of tensorflow_model_server that is not here" + (
                f": {instead}" if instead else ""
            )
    return None

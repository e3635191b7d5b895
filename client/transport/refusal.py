"""What a server's status says: send it again, send it in parts, or tell it.

Codes alone do not say it: RESOURCE_EXHAUSTED stands for a server without a free thread,
for a message that is too large, and for a server without memory.
"""

from __future__ import annotations

import re

import grpc

from serving.plain_text import visible

THREADS = "Threadpool Exhausted"
TOO_LARGE = "larger than max"
CLAIM = "claims"
OWN_LIMIT = re.compile("CLIENT: (Received|Decompressed) message larger than max")
"""gRPC's words for an answer beyond the limit of this side."""
# A server that stops cancels what it has not answered; we cancel nothing ourselves.
GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
_SPLIT = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)
_NODES = re.compile(
    r"\s*\[\[\{\{.*?(?:\}\}\]\]|$)"  # [[{{function_node f}}{{node n}}]]
    r"|\s*\[\[[\w.-]+/[\w./:-]+\]\]"  # [[While/body/_12]]
    r"|\n\t \[\[[^\]]*$"
    r"|\{\{(?:function_)?node [^{}]*(?:\}\}\s?|$)",
    re.DOTALL,
)
"""Nodes of a graph, which TensorFlow adds to its texts; the last may be cut."""
_HINTS = (
    (
        None,
        THREADS,
        "raise the server's --grpc_max_threads, or have fewer calls under way",
    ),
    (
        grpc.StatusCode.UNAVAILABLE,
        "queue",
        "let more wait there (--max-queued-requests, or max_enqueued_batches of its "
        "batching), or have fewer calls under way",
    ),
    (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "CLIENT: Sent message",
        "raise grpc.max_send_message_length (channel_options)",
    ),
    (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        TOO_LARGE,
        "raise the server's grpc.max_receive_message_length "
        "(--grpc_channel_arguments), or send a smaller picture or smaller parts",
    ),
    (
        grpc.StatusCode.INVALID_ARGUMENT,
        TOO_LARGE,
        "raise max_batch_size of the server's batching, or lower batch_size",
    ),
    (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        CLAIM,
        "send a smaller picture or smaller parts",
    ),
    (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "",
        "give the server more memory, or send a smaller picture or smaller parts",
    ),
    (grpc.StatusCode.NOT_FOUND, "", "check the model's name and version"),
    (
        grpc.StatusCode.FAILED_PRECONDITION,
        "",
        "is this a model of this project's export?",
    ),
    (
        grpc.StatusCode.UNIMPLEMENTED,
        "",
        "is this the gRPC port of TensorFlow Serving?",
    ),
)


def is_repeated(code: grpc.StatusCode, details: str) -> bool:
    """Says whether a call is sent again as it is."""
    return code in GONE or (
        code is grpc.StatusCode.RESOURCE_EXHAUSTED and THREADS in details
    )


def is_split(code: grpc.StatusCode, details: str) -> bool:
    """Says whether a request of several images is sent again in parts.

    That is so where it is too large as a whole, and once where nothing is known of the
    reason; what is repeated as it is would only be more in parts, and a claim of one
    part is as large there.
    """
    return code in _SPLIT and not is_repeated(code, details) and CLAIM not in details


def hint(code: grpc.StatusCode, details: str) -> str:
    """Returns what to do about a status, "" where nothing is known."""
    for known, text, cure in _HINTS:
        if known in (None, code) and text in details:
            return cure
    return ""


def plain(details: str) -> str:
    """Returns a server's text for people: without nodes of graphs, safe to show."""
    return visible(_NODES.sub("", details), keep="\n").strip()

"""One question of the gRPC health protocol, grpc.health.v1.Health/Check, with its two messages encoded by hand.

Imported by the first probe that asks it: grpclib takes 1.8 MiB, and few Pods have such a probe.

Source: github.com/grpc/grpc/blob/master/doc/health-checking.md.
"""

from __future__ import annotations

import enum
from typing import Any

from grpclib import GRPCError
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import ProtocolError, StreamTerminatedError

METHOD = "/grpc.health.v1.Health/Check"

_SERVICE_TAG = 0x0A  # field 1, length-delimited
_STATUS_TAG = 0x08  # field 1, varint


class Status(enum.Enum):
    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


class RefusedError(Exception):
    """The server answers with an error; `status` is gRPC's name of it, such as "UNIMPLEMENTED"."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


class _HealthCodec(CodecBase):
    """HealthCheckRequest {string service = 1} and HealthCheckResponse {ServingStatus status = 1}."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:  # noqa: ARG002  the base's
        service = str(message).encode()
        return bytes([_SERVICE_TAG]) + _varint(len(service)) + service if service else b""

    def decode(self, data: bytes, message_type: Any) -> Status:  # noqa: ARG002  the base's
        if not data:
            return Status.UNKNOWN
        if len(data) != 2 or data[0] != _STATUS_TAG or data[1] >= len(Status):
            raise ValueError("the answer is no HealthCheckResponse")
        return Status(data[1])


async def check(host: str, port: int, service: str, *, timeout_seconds: float) -> Status:
    """Ask a server how a service of its is.

    Raises `OSError` where it does not answer or speaks no HTTP/2, `ValueError` where it answers something else,
    `RefusedError` where it refuses, `TimeoutError` when time is up.
    """
    channel = Channel(host, port, codec=_HealthCodec())
    try:
        method = UnaryUnaryMethod[str, Status](channel, METHOD, str, Status)
        return await method(service, timeout=timeout_seconds)
    except GRPCError as error:
        raise RefusedError(error.status.name, error.message or "") from error
    except (StreamTerminatedError, ProtocolError) as error:  # what speaks no HTTP/2 hangs up
        raise ConnectionError(str(error) or type(error).__name__) from error
    finally:
        channel.close()


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])

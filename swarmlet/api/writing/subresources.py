"""The parts of an object that are written by themselves: status, scale, binding, finalize."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import msgspec
from aiohttp import web

from swarmlet.api import answers, bodies, queries
from swarmlet.api.bodies import Document
from swarmlet.api.reading.reads import Reader
from swarmlet.api.targets import Target
from swarmlet.api.writing import admission, patches
from swarmlet.api.writing.writes import Writer
from swarmlet.clock import Clock
from swarmlet.errors import CallerError, ConflictError, InvalidError
from swarmlet.model import conditions, custom_scale, decode, kinds, objects, pods, selectors
from swarmlet.model.apps import Deployment, ReplicaSet, Scale, ScaleSpec, ScaleStatus
from swarmlet.model.apps_sets import StatefulSet
from swarmlet.model.core import Namespace
from swarmlet.model.custom import CustomKind, CustomResource
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Condition, Object, ObjectMeta
from swarmlet.model.pod import Pod
from swarmlet.store.replica import Stored


class _BindingTarget(msgspec.Struct, frozen=True):
    name: str
    kind: str = "Node"


class _Binding(msgspec.Struct, frozen=True):
    """core/v1 Binding."""

    target: _BindingTarget
    metadata: ObjectMeta = ObjectMeta()


class Subresources:
    """Reads and writes them; each change goes through `Writer.change`, as one of the whole object does."""

    def __init__(self, *, reader: Reader, writer: Writer, clock: Clock) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock

    async def write_status(self, request: web.Request, target: Target) -> web.Response:
        """Answer a PUT or PATCH of `/status`: only the status changes."""
        options = queries.write_options(request.query, request.headers.get("User-Agent", ""))
        warnings = request[answers.WARNINGS]
        change = await _edit(request, target.kind)

        def changed(stored: Stored) -> Object:
            document = change(msgspec.json.decode(stored.json))
            new = admission.read(target.kind, document, options, warnings)
            return admission.with_status(target, stored.object, new)

        return (await self._writer.change(target, changed, options, apart=bodies.is_large(request))).response()

    async def get_scale(self, request: web.Request, target: Target) -> web.Response:
        """Answer a GET of `/scale`."""
        await self._reader.catch_up(queries.revision(request.query.get("resourceVersion", "")))
        stored = await self._reader.find(target)
        scale = scale_of(target.kind, stored.object)
        shown = Stored(stored.key, stored.revision, objects.to_json(scale), scale)
        return self._reader.shown(request, dataclasses.replace(target, kind=kinds.SCALE), shown)

    async def write_scale(self, request: web.Request, target: Target) -> web.Response:
        """Answer a PUT or PATCH of `/scale`: only the number of replicas changes."""
        options = queries.write_options(request.query, request.headers.get("User-Agent", ""))
        change = await _edit(request, kinds.SCALE)

        def changed(stored: Stored) -> Object:
            document = change(objects.to_document(scale_of(target.kind, stored.object)))
            new = cast("Scale", decode.decode_as(Scale, document).object)
            if new.spec.replicas < 0:
                message = f"Invalid value: {new.spec.replicas}: must be greater than or equal to 0"
                raise InvalidError(
                    f'Scale.autoscaling "{target.name}" is invalid: spec.replicas: {message}',
                    (("spec.replicas", message),),
                )
            admission.check_revision(target, stored.object, new.metadata)
            return scaled(target, stored.object, new.spec.replicas)

        written = await self._writer.change(target, changed, options)
        return answers.json(objects.to_json(scale_of(target.kind, objects.from_json(target.kind, written.json))))

    async def bind(self, request: web.Request, target: Target) -> web.Response:
        """Answer a POST of `/binding`: the Pod goes to a node, once."""
        options = queries.write_options(request.query, request.headers.get("User-Agent", ""))
        try:
            binding = msgspec.convert(await bodies.document(request), _Binding)
        except msgspec.ValidationError as error:
            raise CallerError(f"Binding: {error}") from error

        def bound(stored: Stored) -> Object:
            pod = cast("Pod", stored.object)
            return self._bound(target, pod, binding)

        await self._writer.change(target, bound, options)
        return answers.json(msgspec.json.encode({"kind": "Status", "apiVersion": "v1", "status": "Success"}), code=201)

    async def finalize(self, request: web.Request, target: Target) -> web.Response:
        """Answer a PUT of a Namespace's `/finalize`: only `spec.finalizers` changes."""
        options = queries.write_options(request.query, request.headers.get("User-Agent", ""))
        new = admission.read(target.kind, await bodies.document(request), options, request[answers.WARNINGS])

        def changed(stored: Stored) -> Object:
            return _finalized(target, cast("Namespace", stored.object), cast("Namespace", new))

        return (await self._writer.change(target, changed, options)).response()

    def _bound(self, target: Target, pod: Pod, binding: _Binding) -> Pod:
        where = f"Operation cannot be fulfilled on {target.qualified}"
        if binding.metadata.uid not in ("", pod.metadata.uid):
            raise ConflictError(f"{where}: Precondition failed: UID in precondition: {binding.metadata.uid}")
        if pod.spec.node_name:
            raise ConflictError(f'{where}: pod is already assigned to node "{pod.spec.node_name}"')
        if objects.is_terminating(pod):
            raise ConflictError(f"{where}: pod is being deleted, cannot be assigned to a host")
        if pods.is_gated(pod):
            raise ConflictError(f"{where}: pod {pod.metadata.name} has non-empty .spec.schedulingGates")
        scheduled = Condition(type="PodScheduled", status="True")
        status = msgspec.structs.replace(
            pod.status, conditions=conditions.put(pod.status.conditions, scheduled, self._clock.now())
        )
        spec = msgspec.structs.replace(pod.spec, node_name=binding.target.name)
        return msgspec.structs.replace(pod, spec=spec, status=status)


async def _edit(request: web.Request, kind: Kind) -> Callable[[Document], Document]:
    """Return what a PUT or PATCH makes of a document."""
    if request.method == "PATCH":
        return (await patches.read(request, kind)).apply
    document = await bodies.document(request)
    return lambda _old: document


def scaled(target: Target, old: Object, replicas: int) -> Object:
    """Return an object with another number of replicas."""
    if isinstance(target.kind, CustomKind) and isinstance(old, CustomResource):
        content = custom_scale.written(target.kind, old, replicas)
        return admission.updated(target, old, msgspec.structs.replace(old, content=content))
    return admission.with_spec(target, old, replicas=replicas)


def scale_content(kind: Kind, replicas: int) -> dict[str, Any]:
    """Return what an object's document says of the number of its replicas."""
    if isinstance(kind, CustomKind):
        return custom_scale.written(kind, CustomResource(), replicas)
    return {"spec": {"replicas": replicas}}


def scale_of(kind: Kind, value: Object) -> Scale:
    """Return the Scale of something with replicas."""
    if isinstance(kind, CustomKind) and isinstance(value, CustomResource):
        return custom_scale.read(kind, value)
    assert isinstance(value, Deployment | ReplicaSet | StatefulSet), "only these have /scale"
    metadata = value.metadata
    return Scale(
        metadata=ObjectMeta(
            name=metadata.name,
            namespace=metadata.namespace,
            uid=metadata.uid,
            resource_version=metadata.resource_version,
            creation_timestamp=metadata.creation_timestamp,
        ),
        spec=ScaleSpec(replicas=1 if value.spec.replicas is None else value.spec.replicas),
        status=ScaleStatus(replicas=value.status.replicas, selector=selectors.to_text(value.spec.selector)),
    )


def _finalized(target: Target, old: Namespace, new: Namespace) -> Namespace:
    admission.check_revision(target, old, new.metadata)
    spec: Any = msgspec.structs.replace(old.spec, finalizers=new.spec.finalizers)
    return msgspec.structs.replace(old, spec=spec)

"""Jobs and CronJobs in the small cluster of `world`: a test says when a Pod ends, and how."""

from __future__ import annotations

from datetime import datetime

import msgspec

from swarmlet.model import batch, conditions, defaults, kinds, names, objects, validation
from swarmlet.model.container import Container
from swarmlet.model.meta import Condition, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec, PodTemplateSpec
from swarmlet.model.pod_status import ContainerState, ContainerStateTerminated, ContainerStatus
from tests.controllers.world import World


def new_template(restart_policy: str = "Never", image: str = "work:1") -> PodTemplateSpec:
    return PodTemplateSpec(
        metadata=ObjectMeta(labels={"app": "work"}),
        spec=PodSpec(containers=(Container(name="main", image=image),), restart_policy=restart_policy),
    )


def new_job(name: str = "sum", *, restart_policy: str = "Never", image: str = "work:1", **spec: object) -> batch.Job:
    template = new_template(restart_policy, image)
    return batch.Job(metadata=ObjectMeta(name=name, namespace="default"), spec=batch.JobSpec(template=template, **spec))


def new_cron_job(name: str = "tick", schedule: str = "* * * * *", **spec: object) -> batch.CronJob:
    job_spec = batch.JobSpec(template=new_template())
    given = {"job_template": batch.JobTemplateSpec(spec=job_spec)} | spec
    return batch.CronJob(
        metadata=ObjectMeta(name=name, namespace="default"), spec=batch.CronJobSpec(schedule=schedule, **given)
    )


class BatchWorld(World):
    """`finish` ends a Pod; `auto` ends each Pod of a Job by itself, successfully, once it runs."""

    async def make(self, value: batch.Job | batch.CronJob, seconds: float = 2.0) -> None:
        """Create a Job or a CronJob as the API does, and let it be seen to."""
        kind = kinds.JOB if isinstance(value, batch.Job) else kinds.CRON_JOB
        stamped = objects.with_metadata(
            value, uid=names.new_uid(self.rng), generation=1, creation_timestamp=self.clock.now().replace(microsecond=0)
        )
        complete = defaults.fill(stamped)
        validation.validate(complete)
        await self.create(kind, complete)
        await self.pass_time(seconds)

    async def create(self, kind: kinds.Kind, value: object) -> None:
        if not value.metadata.uid:
            await super().create(kind, value)
            return
        from swarmlet.controllers.work.drafts import creation  # noqa: PLC0415  what is stamped already goes in as it is

        await self.replica.propose([creation(kind, value)])

    async def finish(self, name: str, code: int = 0, *, seconds: float = 1.0, **conditions_: str) -> None:
        """A Pod's container ends with this exit code."""
        await self.change(kinds.POD, name, lambda pod: ended(pod, code, self.clock.now(), conditions_))
        await self.pass_time(seconds)

    async def finish_all(self, code: int = 0, *, seconds: float = 1.0) -> None:
        for pod in self.running():
            await self.change(kinds.POD, pod.metadata.name, lambda it: ended(it, code, self.clock.now(), {}))
        await self.pass_time(seconds)

    async def respec_job(self, name: str, **changes: object) -> None:
        await self.change(
            kinds.JOB,
            name,
            lambda it: msgspec.structs.replace(it, spec=msgspec.structs.replace(it.spec, **changes)),
        )

    def running(self, **labels: str) -> list[Pod]:
        return [pod for pod in self.pods(**labels) if pod.status.phase == "Running" and not objects.is_terminating(pod)]

    def indexes(self) -> list[int]:
        return sorted(int(pod.metadata.annotations[batch.COMPLETION_INDEX]) for pod in self.running())

    def job(self, name: str = "sum") -> batch.Job:
        return self.stored(kinds.JOB, name).object

    def jobs(self) -> list[batch.Job]:
        return [stored.object for stored in self.replica.view.list(kinds.JOB.resource)]

    def cron_job(self, name: str = "tick") -> batch.CronJob:
        return self.stored(kinds.CRON_JOB, name).object

    def told(self, type_: str, name: str = "sum") -> tuple[str, str, str] | None:
        """Return status, reason and message of a Job's condition."""
        found = conditions.get(self.job(name).status.conditions, type_)
        return (found.status, found.reason, found.message) if found else None


def ended(pod: Pod, code: int, now: datetime, conditions_: dict[str, str]) -> Pod:
    terminated = ContainerStateTerminated(exit_code=code, finished_at=now.replace(microsecond=0))
    told = tuple(Condition(type=type_, status=status) for type_, status in conditions_.items())
    status = msgspec.structs.replace(
        pod.status,
        phase="Failed" if code else "Succeeded",
        conditions=told,
        container_statuses=(ContainerStatus(name="main", state=ContainerState(terminated=terminated)),),
    )
    return msgspec.structs.replace(pod, status=status)


def restarted(pod: Pod, times: int) -> Pod:
    """Return a Pod whose container was started anew in place."""
    statuses = (ContainerStatus(name="main", restart_count=times),)
    return msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, container_statuses=statuses))

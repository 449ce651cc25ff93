"""The controllers as the daemon sees them: they work while this machine leads, and stop at once when it ceases."""

from __future__ import annotations

import asyncio
import copy
import random

import structlog

from swarmlet.clock import Clock
from swarmlet.config import Autoscaling, Network, Placement
from swarmlet.config import NodeLifecycle as NodeLifecycleConfig
from swarmlet.config import Rebalance as RebalanceConfig
from swarmlet.controllers.autoscaling.hpa import HorizontalPodAutoscalers
from swarmlet.controllers.dependencies import Dependencies
from swarmlet.controllers.deployments.deployment import Deployments
from swarmlet.controllers.deployments.replicaset import ReplicaSets
from swarmlet.controllers.disruption import Disruptions
from swarmlet.controllers.events_ttl import EventExpiry
from swarmlet.controllers.garbage import Garbage
from swarmlet.controllers.jobs.cronjob import CronJobs
from swarmlet.controllers.jobs.job import Jobs
from swarmlet.controllers.namespaces.account_secrets import AccountSecrets
from swarmlet.controllers.namespaces.cluster_roles import ClusterRoles
from swarmlet.controllers.namespaces.custom_definitions import CustomDefinitions
from swarmlet.controllers.namespaces.namespaces import Namespaces
from swarmlet.controllers.namespaces.quotas import Quotas
from swarmlet.controllers.namespaces.service_accounts import ServiceAccounts
from swarmlet.controllers.nodes.fencing import Fencing
from swarmlet.controllers.nodes.heartbeats import Heartbeats
from swarmlet.controllers.nodes.lifecycle import NodeLifecycle, node_key
from swarmlet.controllers.nodes.subnets import NodeSubnets
from swarmlet.controllers.placing.priority_classes import PriorityClasses
from swarmlet.controllers.placing.rebalance import Rebalance
from swarmlet.controllers.placing.records import PlacementRecords
from swarmlet.controllers.placing.scheduling import Scheduling
from swarmlet.controllers.plan_expiry import PlanExpiry
from swarmlet.controllers.pod_garbage import PodGarbage
from swarmlet.controllers.services.addresses import ServiceAddresses
from swarmlet.controllers.services.api_service import ApiService
from swarmlet.controllers.services.cluster_dns import ClusterDns
from swarmlet.controllers.services.endpoint_slices import EndpointSlices
from swarmlet.controllers.services.load_balancers import LoadBalancers
from swarmlet.controllers.sets.daemonset import DaemonSets
from swarmlet.controllers.sets.statefulset import StatefulSets
from swarmlet.controllers.storage.claims import VolumeClaims
from swarmlet.controllers.storage.persistent_volumes import PersistentVolumes
from swarmlet.controllers.storage.storage_classes import StorageClasses
from swarmlet.controllers.work.batch import Ticket
from swarmlet.controllers.work.reconciler import Reconciler
from swarmlet.controllers.work.recorder import Recorder
from swarmlet.controllers.work.reign import Reign
from swarmlet.model import events
from swarmlet.scheduler.cluster import Cluster
from swarmlet.store import node_names
from swarmlet.store.replica import MemberStatus, Replica

log = structlog.get_logger(__name__)

COMPONENT = "swarmlet-controllers"


class Controllers:
    """Hands each reign to a new `Reign`.

    `rng` makes uids and names. `heartbeats` is fed by whoever receives the nodes' heartbeats; it begins anew with
    each reign, so no node is blamed for silence that a former leader heard.
    """

    def __init__(  # noqa: PLR0913  the composition root names each once
        self,
        *,
        replica: Replica,
        clock: Clock,
        rng: random.Random,
        heartbeats: Heartbeats,
        config: NodeLifecycleConfig,
        autoscaling: Autoscaling | None = None,
        placement: Placement | None = None,
        rebalance: RebalanceConfig | None = None,
        network: Network | None = None,
        host: str = "",
    ) -> None:
        self._replica = replica
        self._clock = clock
        self._rng = rng
        self._heartbeats = heartbeats
        self._config = config
        self._autoscaling = autoscaling or Autoscaling()
        self._placement = placement or Placement()
        self._rebalance = rebalance or RebalanceConfig()
        self._network = network or Network()
        self._host = host
        self._recorder: Recorder | None = None
        self._turned = asyncio.Event()
        self._leads = replica.is_leader
        replica.on_leadership(self._turn)

    async def run(self) -> None:
        """Work in every reign of this machine until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._turned.clear()
                reign = group.create_task(self._reign(), name="controllers-reign") if self._leads else None
                await self._turned.wait()
                if reign is not None:
                    reign.cancel()
                    await asyncio.wait([reign])

    def reconcilers(self) -> list[Reconciler]:
        """Return a fresh one of each: what they remember is of one reign only."""
        cluster = Cluster()  # one for both who place Pods: to know what 30,000 ask for takes half a second
        return [
            Namespaces(self._rng),
            ServiceAccounts(self._rng),
            AccountSecrets(),
            ClusterRoles(self._rng),
            Deployments(self._rng),
            ReplicaSets(self._rng),
            StatefulSets(self._rng),
            Jobs(self._rng),
            CronJobs(self._rng),
            DaemonSets(self._rng),
            HorizontalPodAutoscalers(self._heartbeats.usage, self._autoscaling),
            PriorityClasses(self._rng),
            StorageClasses(self._rng),
            VolumeClaims(self._rng),
            PersistentVolumes(),
            Disruptions(),
            EndpointSlices(self._rng),
            ServiceAddresses(),
            ApiService(self._rng),
            LoadBalancers(self._network),
            Dependencies(),
            Scheduling(self._rng, self._placement.strategy, cluster),
            Rebalance(self._rng, self._rebalance, self._placement.strategy, cluster),
            NodeLifecycle(self._heartbeats, self._config),
            Fencing(self._heartbeats),
            NodeSubnets(self._network),
            ClusterDns(self._rng, self._network),
            CustomDefinitions(),
            Quotas(),
            PodGarbage(),
            PlacementRecords(),
            Garbage(),
            EventExpiry(),
            PlanExpiry(),
        ]

    def rehearsing(self, rng: random.Random) -> list[Reconciler]:
        """Return fresh ones for a rehearsal, which draw from `rng` and not from what the reign draws from."""
        twin = copy.copy(self)
        twin._rng = rng  # noqa: SLF001  one of its own
        return twin.reconcilers()

    def note_role(self, member: MemberStatus) -> None:
        """Write an Event on the Node of a member whose role has changed, where this machine leads."""
        view = self._replica.view
        stored = view.get(node_key(node_names.names(view).get(member.node_id, "")))
        if self._recorder and stored:
            role = "voter" if member.role == "leader" else member.role
            message = f"now a {role}: {node_names.in_names(view, member.why)}"
            self._recorder.record([events.Note(stored.object, events.NORMAL, "RoleChanged", message)])

    def _turn(self, leads: bool) -> None:
        self._leads = leads
        self._turned.set()

    async def _reign(self) -> None:
        log.info("controllers_started", term=self._replica.status().term)
        journal = events.Journal(component=COMPONENT, host=self._host, rng=self._rng)
        recorder = self._recorder = Recorder(self._replica, self._clock, journal)
        reign = Reign(self.reconcilers(), replica=self._replica, clock=self._clock, recorder=recorder)
        self._heartbeats.begin(lambda name: reign.enqueue(Ticket(NodeLifecycle.name, node_key(name))))
        try:
            await reign.run()
        finally:
            self._recorder = None
            self._heartbeats.end()
            log.info("controllers_stopped")

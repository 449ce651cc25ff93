"""What each namespace has for its Pods: the account `default` and the cluster's authority; and the usual roles."""

from __future__ import annotations

from swarmlet.model import kinds
from swarmlet.model.cluster import THE_CLUSTER, ClusterIdentity
from swarmlet.model.core import Namespace
from swarmlet.model.meta import LabelSelector, ObjectMeta
from swarmlet.model.rbac import AggregationRule, ClusterRole, PolicyRule
from tests.controllers.world import World


async def test_each_namespace_has_an_account_and_the_authority() -> None:
    async with World(nodes=1) as world:
        await world.create(kinds.NAMESPACE, Namespace(metadata=ObjectMeta(name="shop")))
        identity = ClusterIdentity(metadata=ObjectMeta(name=THE_CLUSTER), ca_certificate="first", ca_key="secret")
        await world.create(kinds.CLUSTER_IDENTITY, identity)
        await world.pass_time(2)
        account = world.stored(kinds.SERVICE_ACCOUNT, "default", "shop").object
        assert account.metadata.namespace == "shop"
        authority = world.stored(kinds.CONFIG_MAP, "kube-root-ca.crt", "shop").object
        assert authority.data == {"ca.crt": "first"}
        await world.delete(kinds.SERVICE_ACCOUNT, "default", "shop")
        await world.delete(kinds.CONFIG_MAP, "kube-root-ca.crt", "shop")
        await world.pass_time(2)
        again = world.stored(kinds.SERVICE_ACCOUNT, "default", "shop").object
        assert again.metadata.uid != account.metadata.uid
        assert world.stored(kinds.CONFIG_MAP, "kube-root-ca.crt", "shop").object.data == {"ca.crt": "first"}


async def test_the_usual_roles_are_there_and_made_of_what_is_labelled_for_them() -> None:
    async with World(nodes=1) as world:
        await world.pass_time(2)
        assert world.stored(kinds.CLUSTER_ROLE_BINDING, "cluster-admin").object.role_ref.name == "cluster-admin"
        view = world.stored(kinds.CLUSTER_ROLE, "view").object
        assert any("pods/log" in rule.resources for rule in view.rules)
        widgets = PolicyRule(verbs=("get",), api_groups=("example.com",), resources=("widgets",))
        labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
        await world.create(
            kinds.CLUSTER_ROLE, ClusterRole(metadata=ObjectMeta(name="widgets", labels=labels), rules=(widgets,))
        )
        await world.pass_time(2)
        for name in ("view", "edit", "admin"):
            assert widgets in world.stored(kinds.CLUSTER_ROLE, name).object.rules
        await world.delete(kinds.CLUSTER_ROLE, "widgets")
        await world.pass_time(2)
        for name in ("view", "edit", "admin"):
            assert widgets not in world.stored(kinds.CLUSTER_ROLE, name).object.rules


async def test_a_role_made_of_others_is_not_made_of_itself() -> None:
    async with World(nodes=1) as world:
        rule = AggregationRule(cluster_role_selectors=(LabelSelector(match_labels={"part": "x"}),))
        metadata = ObjectMeta(name="whole", labels={"part": "x"})
        kept = PolicyRule(verbs=("get",), api_groups=("",), resources=("pods",))
        await world.create(kinds.CLUSTER_ROLE, ClusterRole(metadata=metadata, rules=(kept,), aggregation_rule=rule))
        await world.pass_time(2)
        assert world.stored(kinds.CLUSTER_ROLE, "whole").object.rules == ()


async def test_two_roles_made_of_each_other_come_to_rest_with_the_rules_of_both() -> None:
    async with World(nodes=1) as world:
        rule = AggregationRule(cluster_role_selectors=(LabelSelector(match_labels={"part": "x"}),))
        read, write = (PolicyRule(verbs=(verb,), api_groups=("",), resources=("pods",)) for verb in ("get", "create"))
        for name, verbs in (("one", (read, write)), ("two", (write, read))):
            metadata = ObjectMeta(name=name, labels={"part": "x"})
            await world.create(kinds.CLUSTER_ROLE, ClusterRole(metadata=metadata, rules=verbs, aggregation_rule=rule))
        plain = ClusterRole(metadata=ObjectMeta(name="plain", labels={"part": "x"}), rules=(write, read))
        await world.create(kinds.CLUSTER_ROLE, plain)
        await world.pass_time(2)
        before = len(world.replica.commands)
        await world.pass_time(5)
        assert len(world.replica.commands) == before
        for name in ("one", "two"):
            assert world.stored(kinds.CLUSTER_ROLE, name).object.rules == (write, read)

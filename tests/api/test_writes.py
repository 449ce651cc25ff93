from __future__ import annotations

import threading

import pytest
from aiohttp import ClientSession
from aiohttp.web import TCPSite

from swarmlet.api.app import ApiServer
from swarmlet.api.writing import admission, deletion
from swarmlet.model import kinds, objects
from swarmlet.model.singletons import STRICT_SINGLETON
from swarmlet.store.commands import Key
from tests.api.conftest import Api, DirectReplica
from tests.api.documents import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    JSON_PATCH,
    MERGE,
    NAMESPACES,
    PODS,
    STRATEGIC,
    config_map,
    deployment,
    pod,
)

WEB = f"{DEPLOYMENTS}/web"


@pytest.fixture
async def web(api: Api) -> dict:
    code, created = await api.read("POST", DEPLOYMENTS, json=deployment())
    assert code == 201
    return created


async def test_create_stamps_what_is_the_servers(web: dict) -> None:
    metadata = web["metadata"]
    assert metadata["namespace"] == "default"
    assert metadata["generation"] == 1
    assert metadata["creationTimestamp"] == "2026-01-02T03:04:05Z"
    assert len(metadata["uid"]) == 36
    assert metadata["resourceVersion"].isdigit()
    assert web["spec"]["strategy"]["type"] == "RollingUpdate"
    assert web["status"] == {}


async def test_create_answers_what_a_get_answers(api: Api, web: dict) -> None:
    assert (await api.read("GET", WEB))[1] == web


async def test_a_status_that_a_user_makes_up_is_dropped(api: Api) -> None:
    _, created = await api.read("POST", DEPLOYMENTS, json=deployment() | {"status": {"readyReplicas": 9}})
    assert created["status"] == {}


async def test_a_new_pod_is_pending_with_its_class_of_service(api: Api) -> None:
    _, created = await api.read("POST", PODS, json=pod())
    assert created["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


async def test_create_twice_is_already_exists(api: Api, web: dict) -> None:
    code, status = await api.read("POST", DEPLOYMENTS, json=deployment())
    assert (code, status["reason"]) == (409, "AlreadyExists")
    assert status["message"] == 'deployments.apps "web" already exists'


async def test_yaml_is_as_good_as_json_and_its_dates_are_text(api: Api) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: dated}\ndata:\n  when: 2026-01-01\n"
    code, created = await api.read("POST", CONFIG_MAPS, data=text, headers={"Content-Type": "application/yaml"})
    assert (code, created["data"]) == (201, {"when": "2026-01-01"})


async def test_yaml_that_multiplies_itself_is_refused(api: Api) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: &a text, b: *a}\n"
    code, status = await api.read("POST", CONFIG_MAPS, data=body, headers={"Content-Type": "application/yaml"})
    assert code == 400
    assert "aliases" in status["message"]


async def test_generate_name_makes_a_name_that_is_free(api: Api) -> None:
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "conf-"}}
    made = [(await api.read("POST", CONFIG_MAPS, json=document))[1]["metadata"]["name"] for _ in range(3)]
    assert len(set(made)) == 3
    assert all(name.startswith("conf-") and len(name) == 10 for name in made)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"metadata": {}}, 422, "name or generateName is required"),
        ({"metadata": {"name": "Bad_Name"}}, 422, "metadata.name"),
        ({"metadata": {"name": "x", "namespace": "other"}}, 400, "does not match the namespace"),
        ({"metadata": {"name": "x", "resourceVersion": "4"}}, 400, "resourceVersion"),
        ({"data": {"a": 1}}, 400, "data.a"),
        ({"kind": "Secret"}, 400, "does not match the expected kind"),
    ],
)
async def test_a_bad_object_is_refused_by_field(api: Api, change: dict, code: int, words: str) -> None:
    got, status = await api.read("POST", CONFIG_MAPS, json=config_map() | change)
    assert got == code
    assert words in status["message"]


async def test_an_invalid_value_names_kind_object_and_causes(api: Api) -> None:
    code, status = await api.read("POST", DEPLOYMENTS, json=deployment(replicas=-1))
    assert (code, status["reason"]) == (422, "Invalid")
    assert (status["details"]["kind"], status["details"]["name"]) == ("Deployment", "web")
    assert status["details"]["causes"][0]["field"] == "spec.replicas"


async def test_a_namespace_must_exist(api: Api) -> None:
    code, status = await api.read("POST", CONFIG_MAPS.replace("default", "nowhere"), json=config_map())
    assert (code, status["message"]) == (404, 'namespaces "nowhere" not found')


async def test_a_namespace_that_ends_takes_nothing_new(api: Api) -> None:
    await api.read("DELETE", f"{NAMESPACES}/other")
    await api.read("POST", NAMESPACES, json={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "t1"}})
    _, ending = await api.read("DELETE", f"{NAMESPACES}/t1")
    assert ending["status"]["phase"] == "Terminating"
    code, status = await api.read("POST", CONFIG_MAPS.replace("default", "t1"), json=config_map())
    assert code == 403
    assert "because it is being terminated" in status["message"]


async def test_an_unknown_field_is_an_error_when_strict_a_warning_else(api: Api) -> None:
    document = deployment()
    document["spec"]["replicsa"] = 2
    code, status = await api.read("POST", f"{DEPLOYMENTS}?fieldValidation=Strict", json=document)
    assert code == 400
    assert 'strict decoding error: unknown field "spec.replicsa"' in status["message"]
    async with api.post(f"{DEPLOYMENTS}?dryRun=All", json=document) as response:
        assert response.headers["Warning"] == '299 - "unknown field \\"spec.replicsa\\""'
    async with api.post(f"{DEPLOYMENTS}?dryRun=All&fieldValidation=Ignore", json=document) as response:
        assert "Warning" not in response.headers


@pytest.mark.parametrize("validation", ["Strict", "Warn", "Ignore"])
async def test_a_field_not_honoured_is_always_a_warning(api: Api, validation: str) -> None:
    document = deployment()
    document["spec"]["template"]["spec"]["resourceClaims"] = [{"name": "gpu", "resourceClaimName": "gpu"}]
    async with api.post(f"{DEPLOYMENTS}?fieldValidation={validation}", json=document) as response:
        assert response.status == 201
        assert "spec.template.spec.resourceClaims: not supported" in response.headers["Warning"]


async def test_dry_run_answers_and_changes_nothing(api: Api, replica: DirectReplica, web: dict) -> None:
    before = replica.store.revision
    code, _ = await api.read("POST", f"{DEPLOYMENTS}?dryRun=All", json=deployment("other"))
    _, patched = await api.read("PATCH", f"{WEB}?dryRun=All", json={"spec": {"replicas": 9}}, headers=MERGE)
    gone, _ = await api.read("DELETE", f"{WEB}?dryRun=All")
    assert (code, gone, patched["spec"]["replicas"]) == (201, 200, 9)
    assert patched["metadata"]["resourceVersion"] == web["metadata"]["resourceVersion"]
    assert replica.store.revision == before


async def test_dry_run_of_a_name_that_is_taken_is_already_exists(api: Api, web: dict) -> None:
    assert (await api.read("POST", f"{DEPLOYMENTS}?dryRun=All", json=deployment()))[0] == 409


@pytest.mark.parametrize(
    ("headers", "patch"),
    [
        (MERGE, {"spec": {"replicas": 5}}),
        (STRATEGIC, {"spec": {"replicas": 5}}),
        (JSON_PATCH, [{"op": "replace", "path": "/spec/replicas", "value": 5}]),
    ],
)
async def test_each_patch_changes_the_spec_and_the_generation(
    api: Api, web: dict, headers: dict, patch: object
) -> None:
    code, patched = await api.read("PATCH", WEB, json=patch, headers=headers)
    assert (code, patched["spec"]["replicas"], patched["metadata"]["generation"]) == (200, 5, 2)


async def test_a_strategic_patch_merges_containers_by_name(api: Api, web: dict) -> None:
    containers = [{"name": "main", "image": "web:2"}, {"name": "side", "image": "side:1"}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    _, patched = await api.read("PATCH", WEB, json=patch, headers=STRATEGIC)
    found = {each["name"]: each for each in patched["spec"]["template"]["spec"]["containers"]}
    assert found["main"]["image"] == "web:2"
    assert found["main"]["env"] == [{"name": "A", "value": "1"}]
    assert found["side"]["image"] == "side:1"


async def test_metadata_alone_does_not_count_as_a_generation(api: Api, web: dict) -> None:
    _, patched = await api.read("PATCH", WEB, json={"metadata": {"labels": {"x": "y"}}}, headers=MERGE)
    assert patched["metadata"]["generation"] == 1
    assert patched["metadata"]["labels"] == {"app": "web", "x": "y"}


async def test_a_write_that_changes_nothing_keeps_the_revision(api: Api, replica: DirectReplica, web: dict) -> None:
    before = replica.store.revision
    _, patched = await api.read("PATCH", WEB, json={"spec": {"replicas": 3}}, headers=MERGE)
    _, put = await api.read("PUT", WEB, json=web)
    assert patched == put == web
    assert replica.store.revision == before


async def test_a_write_that_changes_nothing_is_not_proposed(api: Api, replica: DirectReplica, web: dict) -> None:
    proposed = []
    replica.before_propose = lambda: proposed.append(1)
    await api.read("PATCH", WEB, json={"spec": {"replicas": 3}}, headers=MERGE)
    assert proposed == []


async def test_what_is_the_servers_cannot_be_changed(api: Api, web: dict) -> None:
    forged = {
        "creationTimestamp": "2020-01-01T00:00:00Z",
        "generation": 77,
        "deletionTimestamp": "2020-01-01T00:00:00Z",
    }
    _, patched = await api.read("PATCH", WEB, json={"metadata": forged, "status": {"replicas": 4}}, headers=MERGE)
    assert patched == web


async def test_put_of_an_older_revision_is_a_conflict(api: Api, web: dict) -> None:
    await api.read("PATCH", WEB, json={"spec": {"replicas": 5}}, headers=MERGE)
    code, status = await api.read("PUT", WEB, json=web)
    assert (code, status["reason"]) == (409, "Conflict")
    assert "the object has been modified; please apply your changes" in status["message"]


async def test_put_without_a_revision_replaces_whatever_there_is(api: Api, web: dict) -> None:
    code, put = await api.read("PUT", WEB, json=deployment(replicas=8))
    assert (code, put["spec"]["replicas"], put["metadata"]["uid"]) == (200, 8, web["metadata"]["uid"])


async def test_a_patch_survives_a_write_that_comes_between(api: Api, replica: DirectReplica, web: dict) -> None:
    def meddle() -> None:
        replica.before_propose = lambda: None
        stored = replica.store.get(Key("deployments.apps", "default", "web"))
        assert stored is not None
        replica.put(kinds.DEPLOYMENT, objects.with_metadata(stored.object, labels={"meddled": "yes"}))

    replica.before_propose = meddle
    code, patched = await api.read("PATCH", WEB, json={"spec": {"replicas": 6}}, headers=MERGE)
    assert (code, patched["spec"]["replicas"], patched["metadata"]["labels"]) == (200, 6, {"meddled": "yes"})


async def test_a_patch_that_names_a_revision_does_not_retry(api: Api, replica: DirectReplica, web: dict) -> None:
    patch = {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 6}}
    assert (await api.read("PATCH", WEB, json=patch, headers=MERGE))[0] == 409


async def test_a_wrong_uid_is_a_conflict(api: Api, web: dict) -> None:
    code, _ = await api.read("PATCH", WEB, json={"metadata": {"uid": "other"}}, headers=MERGE)
    assert code == 409


async def test_a_patch_may_not_rename(api: Api, web: dict) -> None:
    assert (await api.read("PATCH", WEB, json={"metadata": {"name": "x"}}, headers=MERGE))[0] == 400


async def test_a_body_in_a_form_that_is_not_read_says_which_are(api: Api) -> None:
    code, status = await api.read("POST", CONFIG_MAPS, data=b"<a/>", headers={"Content-Type": "text/xml"})
    assert (code, status["reason"]) == (415, "UnsupportedMediaType")
    assert "in an unknown format - accepted media types include: application/json" in status["message"]


@pytest.mark.parametrize(("query", "words"), [("", ""), ("?fieldValidation=Strict", 'unknown field "9"')])
async def test_a_field_that_protobuf_numbers_and_nobody_knows_is_told(api: Api, query: str, words: str) -> None:
    body = b"k8s\0\n\x0f\n\x02v1\x12\tConfigMap\x12\x0a\x0a\x06\x0a\x04conf\x48\x01"
    headers = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    async with api.post(f"{CONFIG_MAPS}{query}", data=body, headers=headers) as response:
        answer = await response.json()
        assert response.status == (400 if words else 201), answer
        assert words in answer.get("message", "")
        assert words or 'unknown field "9"' in response.headers["Warning"].replace("\\", "")


async def test_delete_answers_with_the_uid_of_what_is_gone(api: Api, web: dict) -> None:
    code, status = await api.read("DELETE", WEB, json={"propagationPolicy": "Background"})
    assert (code, status["status"], status["details"]["uid"]) == (200, "Success", web["metadata"]["uid"])
    assert (await api.read("GET", WEB))[0] == 404


async def test_a_foreground_delete_marks_and_waits_for_the_collector(api: Api, web: dict) -> None:
    _, marked = await api.read("DELETE", WEB, json={"propagationPolicy": "Foreground"})
    assert marked["metadata"]["finalizers"] == [deletion.FOREGROUND]
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:05Z"
    _, again = await api.read("DELETE", WEB)
    assert again["metadata"] == marked["metadata"]


async def test_the_last_finalizer_gone_the_object_goes(api: Api, web: dict) -> None:
    await api.read("PATCH", WEB, json={"metadata": {"finalizers": ["example.com/hold"]}}, headers=MERGE)
    await api.read("DELETE", WEB)
    assert (await api.read("GET", WEB))[0] == 200
    await api.read("PATCH", WEB, json={"metadata": {"finalizers": None}}, headers=MERGE)
    assert (await api.read("GET", WEB))[0] == 404


async def test_a_pod_on_a_node_gets_its_grace_and_its_agent_ends_it(api: Api) -> None:
    await api.read("POST", PODS, json=pod("p1", "node-a"))
    _, marked = await api.read("DELETE", f"{PODS}/p1")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:35Z"
    _, sooner = await api.read("DELETE", f"{PODS}/p1?gracePeriodSeconds=5")
    assert sooner["metadata"]["deletionGracePeriodSeconds"] == 5
    _, longer = await api.read("DELETE", f"{PODS}/p1?gracePeriodSeconds=60")
    assert longer["metadata"] == sooner["metadata"]
    _, ended = await api.read("DELETE", f"{PODS}/p1", json={"gracePeriodSeconds": 0})
    assert ended["kind"] == "Status"
    assert (await api.read("GET", f"{PODS}/p1"))[0] == 404


async def test_a_strict_singleton_on_a_node_stays_until_its_end_is_confirmed_however_it_is_deleted(api: Api) -> None:
    strict = pod("p1", "node-a")
    strict["metadata"]["annotations"] = {STRICT_SINGLETON: "true"}
    await api.read("POST", PODS, json=strict)
    _, marked = await api.read("DELETE", f"{PODS}/p1", json={"gracePeriodSeconds": 0})
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    await api.read("DELETE", f"{PODS}/p1", json={"gracePeriodSeconds": 0})
    await api.read("PATCH", f"{PODS}/p1", json={"metadata": {"labels": {"a": "b"}}}, headers=MERGE)
    await api.read("DELETE", f"{PODS}?gracePeriodSeconds=0")
    assert (await api.read("GET", f"{PODS}/p1"))[0] == 200


async def test_a_pod_on_no_node_goes_at_once(api: Api) -> None:
    await api.read("POST", PODS, json=pod())
    _, status = await api.read("DELETE", f"{PODS}/p1")
    assert status["kind"] == "Status"


async def test_a_pod_that_has_ended_goes_at_once(api: Api) -> None:
    await api.read("POST", PODS, json=pod("p1", "node-a"))
    await api.read("PATCH", f"{PODS}/p1/status", json={"status": {"phase": "Succeeded"}}, headers=MERGE)
    _, status = await api.read("DELETE", f"{PODS}/p1")
    assert status["kind"] == "Status"


@pytest.mark.parametrize("preconditions", [{"uid": "other"}, {"resourceVersion": "1"}])
async def test_a_delete_whose_precondition_fails_is_a_conflict(api: Api, web: dict, preconditions: dict) -> None:
    code, status = await api.read("DELETE", WEB, json={"preconditions": preconditions})
    assert code == 409
    assert "Precondition failed" in status["message"]


async def test_a_namespace_that_must_be_may_not_be_deleted(api: Api) -> None:
    assert (await api.read("DELETE", f"{NAMESPACES}/default"))[0] == 403


async def test_a_collection_is_deleted_by_selector(api: Api) -> None:
    for name in ("a", "b", "c"):
        await api.read("POST", PODS, json=pod(name, keep="yes" if name == "c" else "no"))
    _, deleted = await api.read("DELETE", f"{PODS}?labelSelector=keep%3Dno")
    assert [item["metadata"]["name"] for item in deleted["items"]] == ["a", "b"]
    _, left = await api.read("GET", PODS)
    assert [item["metadata"]["name"] for item in left["items"]] == ["c"]


async def test_without_quorum_a_write_is_503(api: Api, replica: DirectReplica, web: dict) -> None:
    replica.has_quorum = False
    for method, path, body in (("POST", DEPLOYMENTS, deployment("x")), ("PUT", WEB, web), ("DELETE", WEB, None)):
        async with api.request(method, path, json=body) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "1")


async def test_a_body_over_the_limit_is_413(api: Api) -> None:
    code, status = await api.read("POST", CONFIG_MAPS, json=config_map(text="x" * (3 * 1024 * 1024)))
    assert (code, status["reason"]) == (413, "RequestEntityTooLarge")


async def test_what_changes_while_its_collection_is_deleted_is_deleted_too(api: Api, replica: DirectReplica) -> None:
    for name in ("a", "b"):
        await api.read("POST", CONFIG_MAPS, json=config_map(name))

    def meddle() -> None:
        replica.before_propose = lambda: None
        stored = replica.store.get(Key("configmaps", "default", "a"))
        assert stored is not None
        replica.put(kinds.CONFIG_MAP, objects.with_metadata(stored.object, labels={"meddled": "yes"}))

    replica.before_propose = meddle
    await api.read("DELETE", CONFIG_MAPS)
    assert (await api.read("GET", CONFIG_MAPS))[1]["items"] == []


async def test_a_manifest_with_tolerations_of_its_own_can_be_applied_again(api: Api) -> None:
    document = pod()
    document["spec"]["tolerations"] = [{"key": "example.com/own", "operator": "Exists"}]
    document["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    _, created = await api.read("POST", PODS, json=document)
    patch = {"spec": {"tolerations": document["spec"]["tolerations"]}}
    code, patched = await api.read("PATCH", f"{PODS}/p1", json=patch, headers=STRATEGIC)
    assert (code, patched) == (200, created)


async def test_a_grace_that_leads_to_no_date_is_refused(api: Api) -> None:
    await api.read("POST", PODS, json=pod("p1", "a"))
    code, refused = await api.read("DELETE", f"{PODS}/p1", json={"gracePeriodSeconds": 2**62})
    assert code == 422
    assert "gracePeriodSeconds: Invalid value: 4611686018427387904: must be less than" in refused["message"]


async def test_a_json_patch_that_fails_says_why_where_kubectl_looks(api: Api, web: dict) -> None:
    operations = [{"op": "test", "path": "/spec/replicas", "value": 7}]
    code, status = await api.read("PATCH", WEB, json=operations, headers=JSON_PATCH)
    assert (code, status["reason"], status["details"]) == (422, "Invalid", {})
    assert "testing value /spec/replicas failed" in status["message"]


async def test_a_body_that_is_packed_is_unsupported(api: Api) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    code, status = await api.read("POST", CONFIG_MAPS, data=b"not gzip", headers=headers)
    assert (code, status["reason"]) == (415, "UnsupportedMediaType")


async def test_a_body_that_is_packed_is_not_unpacked_and_leaves_no_traceback(
    server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    runner = server.runner()
    await runner.setup()
    await TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    try:
        async with (
            ClientSession() as session,
            session.post(f"http://{host}:{port}{CONFIG_MAPS}", data=b"not gzip", headers=headers) as answer,
        ):
            assert (answer.status, (await answer.json())["reason"]) == (415, "UnsupportedMediaType")
    finally:
        await runner.cleanup()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_subresource_that_is_not_there_is_not_found_with_empty_details(api: Api) -> None:
    await api.read("POST", PODS, json=pod())
    code, status = await api.read("PATCH", f"{PODS}/web/ephemeralcontainers", json={}, headers=STRATEGIC)
    assert (code, status["reason"], status["details"]) == (404, "NotFound", {})


@pytest.mark.parametrize(("length", "apart"), [(100, False), (100_000, True)])
async def test_large_objects_are_looked_at_beside_the_event_loop(
    api: Api, monkeypatch: pytest.MonkeyPatch, length: int, *, apart: bool
) -> None:
    seen = []

    def noting(name: str) -> None:
        usual = getattr(admission, name)

        def noted(*arguments: object) -> object:
            seen.append((name, threading.current_thread() is not threading.main_thread()))
            return usual(*arguments)

        monkeypatch.setattr(admission, name, noted)

    for name in ("created", "updated"):
        noting(name)
    path = "/api/v1/namespaces/default/configmaps"
    document = {"metadata": {"name": "big"}, "data": {"a": "b" * length}}
    assert (await api.read("POST", path, json=document))[0] == 201
    assert (await api.read("PUT", f"{path}/big", json=document | {"data": {"a": "c" * length}}))[0] == 200
    headers = {"Content-Type": "application/merge-patch+json"}
    assert (await api.read("PATCH", f"{path}/big", json={"data": {"d": "e"}}, headers=headers))[0] == 200
    applied = {"apiVersion": "v1", "kind": "ConfigMap", **document}
    headers = {"Content-Type": "application/apply-patch+yaml"}
    asked = f"{path}/big?fieldManager=me&force=true"
    assert (await api.read("PATCH", asked, json=applied, headers=headers))[0] == 200
    assert seen == [("created", apart), ("updated", apart), ("updated", apart), ("updated", apart)]

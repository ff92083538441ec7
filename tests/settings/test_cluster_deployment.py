"""Manifests and compose file of a cluster: valid, and what they say to the program is what it understands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from emocx_pbx.cli import parser
from emocx_pbx.routing.policy import load_policy
from emocx_pbx.settings.settings import Settings, load

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "docker/kubernetes"
#: Secrets, as an administrator gives them.
SECRETS = {
    "EMOCX_ASTERISK_SECRET": "s3cret",
    "EMOCX_STORE_URL": "postgresql://emocx:s3cret@postgres/emocx",
    "EMOCX_HTTP_API_TOKEN": "a token of 24 characters",
    "EMOCX_CLUSTER_PASSWORD": "s3cret",
    "EMOCX_DATABASE_PASSWORD": "s3cret",
}
#: What a pod is told of itself.
ITSELF = {"metadata.name": "emocx-controller-0", "spec.nodeName": "node-1", "status.hostIP": "10.0.0.7"}


def manifests() -> Iterator[dict[str, Any]]:
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    for name in kustomization["resources"]:
        yield from yaml.safe_load_all((KUBERNETES / name).read_text())


def pods() -> Iterator[dict[str, Any]]:
    for manifest in manifests():
        if "template" in manifest["spec"]:
            yield manifest["spec"]["template"]["spec"]


def services() -> dict[str, dict[str, Any]]:
    compose = yaml.safe_load((ROOT / "docker/compose.cluster.yaml").read_text())
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def in_compose(environment: dict[str, str]) -> dict[str, str]:
    """With the administrator's variables put in."""
    return {
        name: re.sub(r"\$\{(\w+)[^}]*\}", lambda match: SECRETS[match[1]], value)
        for name, value in environment.items()
    }


@pytest.mark.parametrize("manifest", list(manifests()), ids=lambda m: f"{m['kind']}-{m['metadata']['name']}")
def test_a_manifest_has_the_form_that_kubernetes_asks_for(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("pod", list(pods()), ids=lambda pod: pod["containers"][0]["name"])
def test_a_pod_runs_a_command_that_there_is_with_settings_that_can_be_read(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    parser().parse_args(container["args"])
    given = {e["name"]: ITSELF[e["valueFrom"]["fieldRef"]["fieldPath"]] for e in container.get("env", ())}
    secrets = {name: value for name, value in SECRETS.items() if name != "EMOCX_DATABASE_PASSWORD"}
    settings = load(KUBERNETES / "emocx.toml", secrets | given)
    assert settings.cluster.servers and settings.store.url
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
    serves = {"http": settings.http.port, "fastagi": settings.agi.port,
              "audiosocket": settings.analysis.base_port}  # fmt: skip
    assert ports == {name: serves[name] for name in ports}


def test_pods_run_as_the_user_of_the_image() -> None:
    user = re.search(r"useradd --system --uid (\d+)", (ROOT / "docker/Dockerfile").read_text())
    assert user
    assert {pod["securityContext"]["runAsUser"] for pod in pods()} == {int(user[1])}


def test_the_example_policy_of_the_manifests_can_be_read() -> None:
    load_policy(KUBERNETES / "policy.toml")


@pytest.mark.parametrize("name", [name for name, one in services().items() if one["image"] == "emocx-pbx"])
def test_a_service_of_the_compose_file_understands_its_command_and_variables(name: str) -> None:
    service = services()[name]
    parser().parse_args(service["command"])
    given = in_compose(service["environment"])
    policy = given.pop("EMOCX_ROUTING_POLICY")
    assert policy.startswith("/opt/emocx-pbx/")
    settings = load(None, given)
    assert settings.cluster.servers == ("nats://nats:4222",) and settings.analysis.workers == 0


def test_no_two_services_of_the_compose_file_ask_for_one_port() -> None:
    taken: list[int] = []
    for service in services().values():
        if service["image"] != "emocx-pbx":
            continue
        settings: Settings = load(None, in_compose(service["environment"] | {"EMOCX_ROUTING_POLICY": ""}))
        match service["command"]:
            case ["door"]:
                taken.append(settings.agi.port)
            case ["worker"]:
                taken.append(settings.analysis.base_port)
            case ["serve", "--role", "controller"]:
                taken += [settings.agi.port, settings.http.port]
            case ["serve", "--role", "web"]:
                taken.append(settings.http.port)
    assert len(taken) == 9
    assert len(set(taken)) == len(taken)

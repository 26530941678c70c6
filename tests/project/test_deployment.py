"""Files with which others run the service: they agree with the image, and their commands are known."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from geoships_cli.app import app
from geoships_cli.commands import command_tree

REPOSITORY = Path(__file__).parents[2]
IMAGE = (REPOSITORY / "dockerfiles" / "api.Dockerfile").read_text(encoding="utf-8")
KUBERNETES = list(yaml.safe_load_all((REPOSITORY / "deploy" / "kubernetes.yaml").read_text(encoding="utf-8")))
COMPOSE = yaml.safe_load((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))
PODS = {
    each["metadata"]["name"]: each["spec"]["template"]["spec"]
    for each in KUBERNETES
    if each["kind"] in ("Deployment", "StatefulSet")
}
OURS = [name for name, pod in PODS.items() if pod["containers"][0]["image"] == "geoships-api"]
COMMANDS = {
    **{f"kubernetes {name}": PODS[name]["containers"][0]["args"] for name in OURS},
    **{f"compose {name}": shlex.split(COMPOSE["services"][name]["command"]) for name in ("api", "worker")},
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_commands_are_those_of_the_command_line(arguments: list[str]) -> None:
    name, *rest = arguments
    command: Any = command_tree(app).commands[name]
    assert command.make_context(name, rest, resilient_parsing=True).params
    assert not command.make_parser(command.context_class(command)).parse_args(list(rest))[1]


@pytest.mark.parametrize("name", OURS)
def test_pods_fit_the_image(name: str) -> None:
    pod = PODS[name]
    (container,) = pod["containers"]
    user = re.search(r"^USER (\d+):(\d+)$", IMAGE, re.MULTILINE)
    assert user
    security = pod["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"]) == tuple(map(int, user.groups()))
    mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    assert "/data" in mounts
    assert "GEOSHIPS_DATA_DIR=/data " in IMAGE
    assert {each["name"] for each in pod["volumes"]} == set(mounts.values())
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_services_of_kubernetes_reach_their_pods() -> None:
    ports = {
        pod["containers"][0]["ports"][0]["containerPort"]: name
        for name, pod in PODS.items()
        if "ports" in pod["containers"][0]
    }
    services = {each["metadata"]["name"]: each["spec"] for each in KUBERNETES if each["kind"] == "Service"}
    for name, service in services.items():
        (port,) = service["ports"]
        assert ports[port.get("targetPort", port["port"])] == name == service["selector"]["app"]
    address = next(each for each in PODS["geoships-api"]["containers"][0]["env"] if each["name"] == "GEOSHIPS_DATABASE")
    assert "@geoships-database/" in address["value"]

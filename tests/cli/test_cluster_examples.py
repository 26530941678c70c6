"""The examples for clusters, as far as they run without one: schemas, and the commands that they start."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import geopandas
import jsonschema
import pytest
import yaml
from doc_pages import REPOSITORY
from scenes import ship_scene

from geoships.cluster.manifest import Manifest
from geoships.cluster.selection import shard_of_task
from geoships.errors import GeoshipsError

FOLDER = REPOSITORY / "examples" / "cluster"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the examples are not in this copy")


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    for number in range(3):
        (tmp_path / "scenes").mkdir(exist_ok=True)
        ship_scene(tmp_path / "scenes" / f"{number}.tif", (180 + 10 * number, 200))
    return tmp_path / "scenes"


def in_this_process(command: list[str]) -> list[str]:
    """A command without the time limit, which would cost a process with another model."""
    place = command.index("--scene-timeout")
    return [*command[:place], *command[place + 2 :], "--device", "cpu", "--quiet"]


# --- SLURM

RECORDER = """#!/bin/sh
printf '%s\\0' "$@" >> "$RECORDED"
echo >> "$RECORDED"
"""
SRUN = """#!/bin/sh
while [ "${1#--}" != "$1" ]; do shift; done
exec "$@"
"""


@pytest.fixture
def sbatch(tmp_path: Path):
    """Runs the script as each task of an array would; returns what it starts, or the message on stderr."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("geoships", RECORDER), ("srun", SRUN)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)

    def run(*arguments: object, ids: tuple[int, ...] = (), **array: int) -> list[list[str]] | str:
        recorded = tmp_path / "recorded"
        recorded.unlink(missing_ok=True)
        for task in ids or (None,):
            names = {"MIN": min(ids), "MAX": max(ids), "COUNT": len(ids), "ID": task} | array if ids else {}
            variables = {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in names.items()}
            path = f"{programs}{os.pathsep}{os.environ['PATH']}"
            done = subprocess.run(
                ["bash", FOLDER / "slurm_array.sh", *map(str, arguments)], capture_output=True, text=True,
                env={"PATH": path, "RECORDED": str(recorded), "SLURM_CPUS_PER_TASK": "4", **variables},
            )  # fmt: skip
            if done.returncode:
                return done.stderr
        return [line.split("\0")[:-1] for line in recorded.read_text().splitlines()]

    return run


needs_bash = pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="bash is not installed")


@needs_bash
@pytest.mark.parametrize("first", [0, 1])
def test_an_array_of_slurm_computes_each_scene_once_and_merges(
    sbatch, geoships, scenes: Path, tmp_path: Path, first: int
) -> None:
    out = tmp_path / "found"
    tasks = sbatch(scenes, out, ids=(first, first + 1))
    assert [command[command.index("--shard") + 1] for command in tasks] == ["1/2", "2/2"]
    for command in tasks:
        assert geoships(*in_this_process(command))[0] == 0
    records = list(Manifest(out).records())
    assert [(record.state, record.attempts) for record in records] == [("done", 1)] * 3
    (merge,) = sbatch("--merge", out)
    assert geoships(*merge)[0] == 0
    merged = geopandas.read_file(out / "all.gpkg", layer="all")
    assert len(merged) == 12  # four in each: scenes without a time are not taken for one pass
    assert set(merged["place"]) == {"0", "1", "2"}


@needs_bash
def test_an_array_of_slurm_with_gaps_and_wrong_use_are_refused(sbatch, tmp_path: Path) -> None:
    assert "would leave scenes out" in sbatch("scenes", tmp_path, ids=(0, 2, 5))
    assert "usage: sbatch" in sbatch(ids=(0, 1))


@needs_bash
def test_the_script_is_clean() -> None:
    found = subprocess.run(["shellcheck", FOLDER / "slurm_array.sh"], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_a_task_of_an_array_finds_its_part() -> None:
    array = {"MIN": "0", "MAX": "5", "STEP": "1", "COUNT": "3", "ID": "2"}
    with pytest.raises(GeoshipsError, match="would leave scenes out"):
        shard_of_task({f"SLURM_ARRAY_TASK_{name}": value for name, value in array.items()})
    with pytest.raises(GeoshipsError, match="no task of an array"):
        shard_of_task({})


# --- AWS Batch


def test_the_job_definition_is_one_that_aws_batch_takes() -> None:
    session = pytest.importorskip("botocore.session", reason="botocore is not installed")
    validate = pytest.importorskip("botocore.validate")
    shape = session.get_session().get_service_model("batch").operation_model("RegisterJobDefinition").input_shape
    definition = json.loads((FOLDER / "aws_batch.json").read_text())
    report = validate.ParamValidator().validate(definition, shape)
    assert not report.has_errors(), report.generate_report()
    wrong = definition | {"containerProperties": {"image": 1}}
    assert validate.ParamValidator().validate(wrong, shape).has_errors()
    properties = definition["containerProperties"]
    volumes = {volume["name"] for volume in properties["volumes"]}
    assert {mount["sourceVolume"] for mount in properties["mountPoints"]} == volumes
    assert {each["type"] for each in properties["resourceRequirements"]} == {"VCPU", "MEMORY"}


def test_an_array_of_aws_batch_computes_each_scene_once(
    geoships, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = json.loads((FOLDER / "aws_batch.json").read_text())
    values = {"scenes": str(scenes), "out": str(tmp_path / "found")}
    assert set(values) == set(definition["parameters"])
    command = [
        values[part.removeprefix("Ref::")] if part.startswith("Ref::") else part
        for part in definition["containerProperties"]["command"]
    ]
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_SIZE", "2")
    for index in range(2):
        monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", str(index))
        assert geoships(*in_this_process(command))[0] == 0
    assert [record.attempts for record in Manifest(tmp_path / "found").records()] == [1] * 3


# --- KubeRay

QUANTITY = {"type": "string", "pattern": r"^[0-9]+(\\.[0-9]+)?(m|Ki|Mi|Gi|Ti)?$"}
RESOURCES = {"type": "object", "properties": {"cpu": QUANTITY, "memory": QUANTITY}, "additionalProperties": False}


def objects(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False}


def lists(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": items}


TEXT, NUMBER, SWITCH = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
PARAMETERS = {"type": "object", "additionalProperties": TEXT}
CONTAINER = objects(
    ("name", "image", "resources"), name=TEXT, image=TEXT,
    resources=objects((), requests=RESOURCES, limits=RESOURCES),
    volumeMounts=lists(objects(("name", "mountPath"), name=TEXT, mountPath=TEXT)),
)  # fmt: skip
VOLUME = objects(("name",), name=TEXT, persistentVolumeClaim=objects(("claimName",), claimName=TEXT))
POD = objects(
    ("spec",),
    spec=objects(
        ("containers",), containers=lists(CONTAINER), volumes=lists(VOLUME), terminationGracePeriodSeconds=NUMBER
    ),
)
# The part of KubeRay's RayJob (ray.io/v1) that the example uses: names, types and what is required.
RAYJOB = objects(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "ray.io/v1"}, kind={"const": "RayJob"}, metadata=objects(("name",), name=TEXT),
    spec=objects(
        ("entrypoint", "rayClusterSpec"), entrypoint=TEXT, shutdownAfterJobFinishes=SWITCH,
        ttlSecondsAfterFinished=NUMBER, backoffLimit=NUMBER,
        rayClusterSpec=objects(
            ("headGroupSpec",), rayVersion=TEXT, enableInTreeAutoscaling=SWITCH,
            autoscalerOptions=objects((), idleTimeoutSeconds=NUMBER),
            headGroupSpec=objects(("template",), rayStartParams=PARAMETERS, template=POD),
            workerGroupSpecs=lists(objects(
                ("groupName", "minReplicas", "maxReplicas", "template"), groupName=TEXT, replicas=NUMBER,
                minReplicas=NUMBER, maxReplicas=NUMBER, rayStartParams=PARAMETERS, template=POD,
            )),
        ),
    ),
)  # fmt: skip


@pytest.fixture
def rayjob() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "rayjob.yaml").read_text())


def test_the_rayjob_has_the_form_that_kuberay_takes(rayjob: dict[str, Any]) -> None:
    jsonschema.validate(rayjob, RAYJOB)
    cluster = rayjob["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    pods = [group["template"]["spec"] for group in (cluster["headGroupSpec"], workers)]
    for pod in pods:
        mounts = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in pod["volumes"]}
    assert len({container["image"] for pod in pods for container in pod["containers"]}) == 1
    words = shlex.split(rayjob["spec"]["entrypoint"])
    cores = int(pods[1]["containers"][0]["resources"]["limits"]["cpu"])
    assert int(words[words.index("--jobs") + 1]) == workers["maxReplicas"] * cores


def test_the_rayjob_fits_the_whole_schema_of_kuberay(rayjob: dict[str, Any]) -> None:
    path = os.environ.get("GEOSHIPS_RAYJOB_CRD")
    if not path:
        pytest.skip("set GEOSHIPS_RAYJOB_CRD to KubeRay's ray.io_rayjobs.yaml for the whole schema")

    def strict(schema: Any) -> Any:
        """As Kubernetes takes it: fields that the schema does not name are faults."""
        if isinstance(schema, list):
            return [strict(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        found = {key: strict(value) for key, value in schema.items()}
        open_to_all = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
        if isinstance(schema.get("properties"), dict) and not open_to_all and schema.get("type") == "object":
            found["additionalProperties"] = False
        return found

    versions = yaml.safe_load(Path(path).read_text())["spec"]["versions"]
    (schema,) = [version["schema"]["openAPIV3Schema"] for version in versions if version["name"] == "v1"]
    properties = strict(schema["properties"])
    for key in ("spec",):
        jsonschema.validate(rayjob[key], properties[key])


def test_the_command_of_the_rayjob_is_one_that_geoships_takes(
    rayjob: dict[str, Any], geoships, scenes: Path, tmp_path: Path
) -> None:
    program, *arguments = shlex.split(rayjob["spec"]["entrypoint"])
    paths = {"/data/scenes": str(scenes), "/data/found": str(tmp_path / "found")}
    code, out, _ = geoships(*(paths.get(part, part) for part in arguments), "--dry-run", "--json")
    assert (program, code) == ("geoships", 0)
    assert len(json.loads(out)["planned"]) == 3

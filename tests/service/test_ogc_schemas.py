"""Documents of the service against the schemas that OGC publishes. They are not copied: a folder with them is named.

git clone --branch 1.0.1 https://github.com/opengeospatial/ogcapi-features FOLDER/ogcapi-features
git clone --branch 1.0.0-maintenance https://github.com/opengeospatial/ogcapi-processes FOLDER/ogcapi-processes
GEOSHIPS_OGC_SCHEMAS=FOLDER uv run pytest -n 0 tests/service/test_ogc_schemas.py
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from served import Served

FOLDER = Path(os.environ.get("GEOSHIPS_OGC_SCHEMAS", "/nonexistent"))
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="GEOSHIPS_OGC_SCHEMAS names no folder with OGC's schemas")

FEATURES = "ogcapi-features/core/openapi/schemas"
PROCESSES = "ogcapi-processes/core/openapi/schemas"
DOCUMENTS = [
    ("/?f=json", f"{PROCESSES}/landingPage.yaml"),
    ("/conformance", f"{PROCESSES}/confClasses.yaml"),
    ("/conformance", f"{FEATURES}/confClasses.yaml"),
    ("/processes", f"{PROCESSES}/processList.yaml"),
    ("/processes/detect-ships", f"{PROCESSES}/process.yaml"),
    ("/jobs", f"{PROCESSES}/jobList.yaml"),
    ("/jobs/{job}", f"{PROCESSES}/statusInfo.yaml"),
    ("/jobs/{job}/results", f"{PROCESSES}/results.yaml"),
    ("/jobs/none", f"{PROCESSES}/exception.yaml"),
    ("/processes/none", f"{PROCESSES}/exception.yaml"),
    ("/collections", f"{FEATURES}/collections.yaml"),
    ("/collections/{job}", f"{FEATURES}/collection.yaml"),
    ("/collections/{job}/items", f"{FEATURES}/featureCollectionGeoJSON.yaml"),
    ("/collections/{job}/items?limit=1", f"{FEATURES}/featureCollectionGeoJSON.yaml"),
    ("/collections/{job}/items/1", f"{FEATURES}/featureGeoJSON.yaml"),
    ("/collections/{job}/items?bbox=x", f"{FEATURES}/exception.yaml"),
]


def plain(schema: Any) -> Any:
    """A schema of OpenAPI 3.0 as JSON schema."""
    if isinstance(schema, list):
        return [plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: plain(value) for name, value in schema.items() if name not in ("example", "nullable")}
    for name, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if found.get(name) is True:  # a number in JSON schema
            found[name] = found.pop(limit)
    return {"anyOf": [found, {"type": "null"}]} if schema.get("nullable") is True else found


def read(uri: str) -> Resource[Any]:
    content = yaml.safe_load(Path(unquote(urlsplit(uri).path)).read_text(encoding="utf-8"))
    return Resource.from_contents(plain(content), default_specification=DRAFT202012)


@pytest.fixture(scope="module")
def asked(done: tuple[Served, str]) -> Iterator[tuple[Served, str]]:
    service, job = done
    yield service, job.rpartition("/")[2]


@pytest.mark.parametrize(("address", "schema"), DOCUMENTS)
def test_documents_are_those_of_the_standards(asked: tuple[Served, str], address: str, schema: str) -> None:
    service, job = asked
    document = service.client.get(address.format(job=job)).json()
    whole = {"$ref": (FOLDER / schema).absolute().as_uri()}
    registry: Registry[Any] = Registry(retrieve=read)
    validator = Draft202012Validator(whole, registry=registry, format_checker=FormatChecker())
    faults = [f"{error.json_path}: {error.message}"[:300] for error in validator.iter_errors(document)]
    assert faults == []

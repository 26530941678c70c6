"""JSON schemas of the fields of three STAC extensions, written from their specifications.

The core's schemas come with pystac. Nothing is fetched: a schema that is not here fails the validation.
"""

from __future__ import annotations

from typing import Any

NUMBERS = {"type": "array", "items": {"type": "number"}}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}


def schema(uri: str, prefix: str, fields: dict[str, Any], **item: Any) -> dict[str, Any]:
    """Return the schema of an extension's fields in properties and assets; other fields with its prefix are errors."""
    known = {
        "type": "object",
        "properties": {f"{prefix}:{name}": rule for name, rule in fields.items()},
        "patternProperties": {f"^(?!{prefix}:)": {}},
        "additionalProperties": False,
    }
    assets = {"type": "object", "additionalProperties": {"allOf": [known, item.pop("asset", {})]}}
    declared = {"type": "array", "contains": {"const": uri}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": uri,
        "type": "object",
        "required": ["stac_extensions", "properties", "assets"],
        "properties": {
            "stac_extensions": declared,
            "properties": {"allOf": [known, item.pop("properties", {})]},
            "assets": assets,
        },
    }


SCHEMAS = {
    uri: schema(uri, prefix, fields, **more)
    for uri, prefix, fields, more in (
        (
            "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
            "proj",
            {
                "code": {"type": ["string", "null"], "pattern": "^[^:]+:[^:]+$"},
                "wkt2": {"type": ["string", "null"]},
                "shape": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
                "transform": NUMBERS | {"oneOf": [{"minItems": n, "maxItems": n} for n in (6, 9)]},
                "bbox": NUMBERS | {"oneOf": [{"minItems": n, "maxItems": n} for n in (4, 6)]},
            },
            {"properties": {"required": ["proj:code", "proj:shape"]}},
        ),
        (
            "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
            "processing",
            {
                "level": {"type": "string", "pattern": "^(RAW|L[0-4][A-Z]*)$"},
                "lineage": {"type": "string"},
                "datetime": TIME,
                "software": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
            },
            {"properties": {"required": ["processing:software", "processing:level"]}},
        ),
        (
            "https://stac-extensions.github.io/file/v2.1.0/schema.json",
            "file",
            {
                "checksum": {"type": "string", "pattern": "^1220[a-f0-9]{64}$"},
                "size": {"type": "integer", "minimum": 1},
            },
            {"asset": {"required": ["file:checksum", "file:size"]}},
        ),
    )
}

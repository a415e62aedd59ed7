"""The JSON Schema of a Record and the field tables of its documentation, made from the types of `records.results`.

``python -m segbench.records.schema`` writes both anew; a test compares them with what is stored. Imports no torch.
"""

from __future__ import annotations

import json
import re
import typing
from dataclasses import fields
from typing import Any

import msgspec

from segbench.records import results
from segbench.records.record import SCHEMA, Record

TABLES = {
    kind.__name__: kind
    for kind in (
        *(Record, results.Speed, results.Latency, results.Roofline, results.Telemetry, results.LayerTiming),
        *(results.Optimized, results.Memory, results.Accuracy, results.WaterfallRow, results.ModuleRow),
        *(results.Signature, results.Process, results.Run, results.Acceptance),
    )
}
"""What docs/record.md describes, field by field, each between ``<!-- fields of NAME -->`` and ``<!-- end -->``."""

_MARKED = re.compile(r"(<!-- fields of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a Record; fields that it does not name are allowed."""
    (found,), parts = msgspec.json.schema_components([Record], ref_template="#/$defs/{name}")
    definitions = {name: _without_extra(content) for name, content in parts.items()}
    record = definitions.pop("Record")
    version = {"schema": {"const": SCHEMA, "description": "version of this format"}}
    record["properties"] = version | {name: item for name, item in record["properties"].items() if name != "schema"}
    record["required"] = ["schema", *record["required"]]
    assert found == {"$ref": "#/$defs/Record"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://segbench.invalid/schema/{SCHEMA}/record.schema.json",
        **record,
        "title": f"segbench Record, schema {SCHEMA}",
        "$defs": definitions,
    }


def schema_text() -> str:
    """The JSON Schema as its file holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _without_extra(content: dict[str, Any]) -> dict[str, Any]:
    properties = {name: item for name, item in content["properties"].items() if name != "extra"}
    return {**content, "properties": properties}


def field_table(kind: type) -> str:
    """The fields of a type as a Markdown table: name, unit, meaning."""
    hints = typing.get_type_hints(kind, include_extras=True)
    own = [item.name for item in fields(kind) if item.name != "extra"]
    if kind is results.Optimized:
        own = [name for name in own if name not in {item.name for item in fields(results.Speed)}]
    rows = ["| field | unit | |", "|---|---|---|"]
    for name in own:
        text, unit = _meaning(hints[name])
        rows.append(f"| `{name}` | {unit} | {text} |")
    return "\n".join(rows) + "\n"


def _meaning(hint: Any) -> tuple[str, str]:
    for item in getattr(hint, "__metadata__", ()):
        if isinstance(item, msgspec.Meta) and item.description:
            return item.description, str((item.extra_json_schema or {}).get("unit", ""))
    return "", ""


def with_field_tables(page: str) -> str:
    """A Markdown page with its field tables made anew."""
    return _MARKED.sub(lambda found: f"{found[1]}\n{field_table(TABLES[found[2]])}\n{found[3]}", page)

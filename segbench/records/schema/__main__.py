"""``python -m segbench.records.schema``: the JSON Schema of a Record and the field tables of docs/record.md anew."""

from __future__ import annotations

from pathlib import Path

from segbench.records import schema, store


def main() -> None:
    """Write both files of this checkout."""
    folder = Path(schema.__file__).parent
    store.write_text(folder / "record.schema.json", schema.schema_text())
    page = folder.parent.parent / "docs" / "record.md"
    if page.exists():
        store.write_text(page, schema.with_field_tables(page.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()

"""Brings the tables of a store up to date."""

from __future__ import annotations

from geoships.service.store.database import Database, StoreError
from geoships.service.store.schema import STEPS, VERSION


def migrate(database: Database, target: int = VERSION) -> int:
    """Run the steps that a store lacks, all or none.

    Several processes may do so at once: the others wait, and find nothing to do.

    Args:
        database: The store's database.
        target: The version to reach; earlier ones serve tests.

    Returns:
        How many steps were run.

    Raises:
        StoreError: The store is of a later version of geoships.
    """
    with database.transaction() as run:
        database.lock_schema(run)
        run("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
        rows = run("SELECT version FROM schema_version")
        version = rows[0]["version"] if rows else 0
        if version > VERSION:
            raise StoreError(
                f"the store has version {version} and this geoships knows {VERSION}: install a later geoships, or "
                "restore the backup made before the upgrade"
            )
        steps = STEPS[version:target]
        for step in steps:
            for statement in step:
                run(statement)
        if not rows:
            run("INSERT INTO schema_version (version) VALUES (:version)", {"version": target})
        elif steps:
            run("UPDATE schema_version SET version = :version", {"version": target})
    return len(steps)

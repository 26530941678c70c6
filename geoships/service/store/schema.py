"""The tables, as the steps that lead to them: a store of any earlier version is brought up to date when it is opened.

A step that was published never changes; what comes later is a step more. The SQL is what SQLite and PostgreSQL share.
"""

from __future__ import annotations

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE keys (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            hash TEXT NOT NULL,
            scopes TEXT NOT NULL,
            quota BIGINT,
            created DOUBLE PRECISION NOT NULL
        )""",
        """CREATE TABLE jobs (
            id TEXT PRIMARY KEY,
            owner TEXT NOT NULL,
            state TEXT NOT NULL,
            title TEXT NOT NULL,
            source TEXT NOT NULL,
            options TEXT NOT NULL,
            size BIGINT NOT NULL,
            created DOUBLE PRECISION NOT NULL,
            started DOUBLE PRECISION,
            finished DOUBLE PRECISION,
            updated DOUBLE PRECISION NOT NULL,
            progress DOUBLE PRECISION NOT NULL DEFAULT 0,
            message TEXT NOT NULL DEFAULT '',
            attempts INTEGER NOT NULL DEFAULT 0,
            lost INTEGER NOT NULL DEFAULT 0,
            token INTEGER NOT NULL DEFAULT 0,
            cancelled INTEGER NOT NULL DEFAULT 0,
            result TEXT NOT NULL DEFAULT '{}',
            worker TEXT,
            lease_until DOUBLE PRECISION
        )""",
        "CREATE INDEX jobs_by_state ON jobs (state, created)",
        "CREATE INDEX jobs_by_owner ON jobs (owner, created)",
    ),
    (
        "ALTER TABLE jobs ADD COLUMN request TEXT",
        "CREATE UNIQUE INDEX jobs_by_request ON jobs (owner, request)",
        """CREATE TABLE corrections (
            job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            ship TEXT NOT NULL,
            verdict TEXT,
            geometry TEXT,
            note TEXT NOT NULL,
            updated DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (job, ship)
        )""",
        "CREATE TABLE totals (name TEXT PRIMARY KEY, value DOUBLE PRECISION NOT NULL)",
    ),
)

VERSION = len(STEPS)

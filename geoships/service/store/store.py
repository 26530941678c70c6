"""Jobs, keys and corrections of a service.

A worker claims a job for a time, its lease, and renews it while it works. Each claim has a new token, and what a worker
writes counts only with the newest: one that was thought lost and comes back changes nothing. A job whose lease ran out
is claimed again, and is given up when that has happened twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoships.service.jobs import Correction, Job, Key, NewJob, Scope, State, Verdict
from geoships.service.store.database import Database, Row, Run, open_database
from geoships.service.store.migrate import migrate

MOST_LOST = 2  # lost workers after which a job is given up
BUCKETS = (1, 3, 10, 30, 100, 300, 1000, 3000)  # s, of the histogram of durations

GIVEN_UP = (
    "given up after two workers were lost with it: the scene may need more memory than a worker has, or crash a library"
)


@dataclass(frozen=True)
class Pulse:
    """What a worker learns when it renews its lease.

    held: whether the job is still its own. cancelled: whether it is to stop.
    """

    held: bool
    cancelled: bool = False


class Store:
    """The store of a service; all methods may be called from any thread, and from several processes.

    Args:
        database: Its database, with tables that are up to date.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, place: str | Path) -> Store:
        """Open a store, and bring its tables up to date.

        Args:
            place: A file of SQLite, or an address ``postgresql://...``.

        Raises:
            StoreError: It cannot be opened, or is of a later version.
        """
        database = open_database(place)
        try:
            migrate(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    # --- jobs, as clients see them --------------------------------------------------------------------------------

    def add(self, job: NewJob) -> tuple[Job, bool]:
        """Accept a job.

        Returns:
            The job, and whether it is new: a request that was sent twice gives the first one's.
        """
        values = {
            "id": job.id,
            "owner": job.owner,
            "title": job.title,
            "source": json.dumps(job.source),
            "options": json.dumps(job.options),
            "size": job.size,
            "request": job.request,
        }
        with self._database.transaction() as run:
            added = run(
                "INSERT INTO jobs (id, owner, state, title, source, options, size, request, created, updated) "
                "VALUES (:id, :owner, 'accepted', :title, :source, :options, :size, :request, {now}, {now}) "
                "ON CONFLICT DO NOTHING RETURNING *",
                values,
            )
            if added:
                return _job(added[0]), True
            rows = run("SELECT * FROM jobs WHERE owner = :owner AND request = :request", values)
            return _job(rows[0]), False

    def job(self, identity: str) -> Job | None:
        """The job with an id; None if there is none."""
        with self._database.transaction(writes=False) as run:
            rows = run("SELECT * FROM jobs WHERE id = :id", {"id": identity})
        return _job(rows[0]) if rows else None

    def of_request(self, owner: str, request: str) -> Job | None:
        """The job that a request of an owner made; None if there is none."""
        with self._database.transaction(writes=False) as run:
            rows = run(
                "SELECT * FROM jobs WHERE owner = :owner AND request = :request", {"owner": owner, "request": request}
            )
        return _job(rows[0]) if rows else None

    def jobs(
        self, owner: str, *, states: Sequence[State] = (), limit: int = 100, offset: int = 0
    ) -> tuple[list[Job], int]:
        """Jobs of an owner, the newest first, and how many there are.

        Args:
            owner: The owner.
            states: Only jobs in one of these states; empty: in any.
            limit: How many are returned at most.
            offset: How many of the newest are left out.
        """
        names = {f"state_{_letters(number)}": state.value for number, state in enumerate(states)}
        where = "owner = :owner" + (f" AND state IN ({', '.join(f':{name}' for name in names)})" if names else "")
        values = {"owner": owner, "limit": limit, "offset": offset, **names}
        with self._database.transaction(writes=False) as run:
            count = run(f"SELECT count(*) AS found FROM jobs WHERE {where}", values)[0]["found"]  # noqa: S608
            rows = run(
                f"SELECT * FROM jobs WHERE {where} ORDER BY created DESC, id LIMIT :limit OFFSET :offset",  # noqa: S608
                values,
            )
        return [_job(row) for row in rows], int(count)

    def cancel(self, identity: str) -> Job | None:
        """Stop a job: one that waits is dismissed at once, one that runs by its worker. Returns it as it is then."""
        with self._database.transaction() as run:
            run(
                "UPDATE jobs SET state = 'dismissed', message = 'dismissed before it began', finished = {now}, "
                "updated = {now} WHERE id = :id AND state = 'accepted'",
                {"id": identity},
            )
            run("UPDATE jobs SET cancelled = 1, updated = {now} WHERE id = :id AND state = 'running'", {"id": identity})
            rows = run("SELECT * FROM jobs WHERE id = :id", {"id": identity})
        return _job(rows[0]) if rows else None

    def remove(self, identity: str) -> bool:
        """Forget a job that has ended, with its corrections; returns whether there was one."""
        with self._database.transaction() as run:
            return bool(
                run(
                    "DELETE FROM jobs WHERE id = :id AND state IN ('successful', 'failed', 'dismissed') RETURNING id",
                    {"id": identity},
                )
            )

    def ended(self, before: float | None = None) -> list[Job]:
        """Jobs that have ended, the oldest first.

        Args:
            before: Only those that ended before this time, in seconds since 1970; None: all.
        """
        where = "state IN ('successful', 'failed', 'dismissed')" + (" AND finished < :before" if before else "")
        with self._database.transaction(writes=False) as run:
            rows = run(f"SELECT * FROM jobs WHERE {where} ORDER BY finished, id", {"before": before})  # noqa: S608
        return [_job(row) for row in rows]

    def known(self, identities: Sequence[str]) -> set[str]:
        """Which of these ids are those of jobs."""
        with self._database.transaction(writes=False) as run:
            return {each for each in identities if run("SELECT 1 AS found FROM jobs WHERE id = :id", {"id": each})}

    def bytes_of(self, owner: str | None = None) -> int:
        """Bytes that the jobs of an owner take; None: of all."""
        where = "owner = :owner" if owner is not None else "1 = 1"
        with self._database.transaction(writes=False) as run:
            rows = run(f"SELECT coalesce(sum(size), 0) AS found FROM jobs WHERE {where}", {"owner": owner})  # noqa: S608
        return int(rows[0]["found"])

    # --- jobs, as workers see them --------------------------------------------------------------------------------

    def claim(self, worker: str, lease: float) -> Job | None:
        """Take the job that waits longest; those whose lease has run out wait again, or are given up.

        Args:
            worker: Name of the worker.
            lease: Seconds after which the job is taken from the worker, unless it renews its lease.

        Returns:
            The job, with a new token; None if none waits.
        """
        with self._database.transaction() as run:
            _end_leases(run)
            skip = "FOR UPDATE SKIP LOCKED" if self._database.locks_rows else ""
            rows = run(
                "UPDATE jobs SET state = 'running', worker = :worker, token = token + 1, attempts = attempts + 1, "  # noqa: S608
                "started = coalesce(started, {now}), updated = {now}, lease_until = {now} + :lease, progress = 0, "
                "message = 'starting' WHERE id = (SELECT id FROM jobs WHERE state = 'accepted' "
                f"ORDER BY created, id LIMIT 1 {skip}) RETURNING *",
                {"worker": worker, "lease": lease},
            )
        return _job(rows[0]) if rows else None

    def renew(self, job: Job, lease: float, progress: float, message: str) -> Pulse:
        """Renew the lease of a job, and say how far it is; see `Pulse`."""
        with self._database.transaction() as run:
            rows = run(
                "UPDATE jobs SET lease_until = {now} + :lease, progress = :progress, message = :message, "
                "updated = CASE WHEN progress = :progress AND message = :message THEN updated ELSE {now} END "
                "WHERE id = :id AND token = :token AND state = 'running' RETURNING cancelled",
                {**_fence(job), "lease": lease, "progress": progress, "message": message},
            )
        return Pulse(True, bool(rows[0]["cancelled"])) if rows else Pulse(False)

    def succeed(self, job: Job, result: Mapping[str, Any], size: int) -> bool:
        """End a job with its result; returns whether that counts: not for a worker that has lost the job.

        A job that was cancelled too late to be stopped is dismissed.

        Args:
            job: The job as it was claimed.
            result: Facts about its result.
            size: Bytes of all its files.
        """
        state = "CASE WHEN cancelled = 1 THEN 'dismissed' ELSE 'successful' END"
        return self._end(job, state, {"message": "done", "result": json.dumps(result), "size": size}, result)

    def fail(self, job: Job, reason: str) -> bool:
        """End a job with the reason of its failure; returns whether that counts."""
        return self._end(job, "'failed'", {"message": reason})

    def dismiss(self, job: Job) -> bool:
        """End a job that was cancelled; returns whether that counts."""
        return self._end(job, "'dismissed'", {"message": "dismissed while it was running"})

    def release(self, job: Job) -> bool:
        """Give a job back unfinished, as a worker does that is told to stop; returns whether that counts."""
        return self._back(job, lost=0)

    def lose(self, job: Job) -> bool:
        """Give a job back whose process died: it is tried once more, else given up; returns whether that counts."""
        return self._back(job, lost=1)

    def _end(self, job: Job, state: str, changes: Mapping[str, Any], result: Mapping[str, Any] | None = None) -> bool:
        names = ", ".join(f"{name} = :{name}" for name in changes)
        with self._database.transaction() as run:
            rows = run(
                f"UPDATE jobs SET state = {state}, finished = {{now}}, updated = {{now}}, lease_until = NULL, "  # noqa: S608
                f"progress = CASE WHEN {state} = 'successful' THEN 1 ELSE progress END, {names} "
                "WHERE id = :id AND token = :token AND state = 'running' RETURNING *",
                {**_fence(job), **changes},
            )
            if rows:
                _count(run, _job(rows[0]), result or {})
        return bool(rows)

    def _back(self, job: Job, lost: int) -> bool:
        with self._database.transaction() as run:
            rows = run(
                "UPDATE jobs SET lost = lost + :lost, lease_until = {now} - 1 "
                "WHERE id = :id AND token = :token AND state = 'running' RETURNING id",
                {**_fence(job), "lost": lost - 1},  # the end of the lease counts one
            )
            if rows:
                _end_leases(run, job.id)
        return bool(rows)

    # --- keys -----------------------------------------------------------------------------------------------------

    def add_key(self, key: Key) -> bool:
        """Add a key; returns False where its name is taken."""
        values = {"id": key.id, "name": key.name, "hash": key.hash, "quota": key.quota}
        with self._database.transaction() as run:
            return bool(
                run(
                    "INSERT INTO keys (id, name, hash, scopes, quota, created) "
                    "VALUES (:id, :name, :hash, :scopes, :quota, {now}) ON CONFLICT DO NOTHING RETURNING id",
                    {**values, "scopes": " ".join(sorted(key.scopes))},
                )
            )

    def key(self, identity: str) -> Key | None:
        """The key with an id; None if there is none."""
        with self._database.transaction(writes=False) as run:
            rows = run("SELECT * FROM keys WHERE id = :id", {"id": identity})
        return _key(rows[0]) if rows else None

    def all_keys(self) -> list[Key]:
        """All keys, by name."""
        with self._database.transaction(writes=False) as run:
            return [_key(row) for row in run("SELECT * FROM keys ORDER BY name")]

    def remove_key(self, name: str) -> bool:
        """Remove a key by its name; returns whether there was one. Its jobs stay until they are too old."""
        with self._database.transaction() as run:
            return bool(run("DELETE FROM keys WHERE name = :name RETURNING id", {"name": name}))

    # --- corrections ----------------------------------------------------------------------------------------------

    def corrections(self, job: str) -> list[Correction]:
        """What people said of the ships of a job, in the order of the ships' ids."""
        with self._database.transaction(writes=False) as run:
            rows = run("SELECT * FROM corrections WHERE job = :job ORDER BY ship", {"job": job})
        return [_correction(row) for row in rows]

    def correct(self, job: str, correction: Correction) -> Correction:
        """Store what a person says of a ship, in place of what was said before; returns it with its time."""
        values = {
            "job": job,
            "ship": correction.ship,
            "verdict": correction.verdict,
            "geometry": None if correction.geometry is None else json.dumps(correction.geometry),
            "note": correction.note,
        }
        with self._database.transaction() as run:
            rows = run(
                "INSERT INTO corrections (job, ship, verdict, geometry, note, updated) "
                "VALUES (:job, :ship, :verdict, :geometry, :note, {now}) ON CONFLICT (job, ship) DO UPDATE SET "
                "verdict = excluded.verdict, geometry = excluded.geometry, note = excluded.note, "
                "updated = excluded.updated RETURNING *",
                values,
            )
        return _correction(rows[0])

    def withdraw(self, job: str, ship: str) -> bool:
        """Forget what was said of a ship; returns whether anything was."""
        with self._database.transaction() as run:
            return bool(
                run(
                    "DELETE FROM corrections WHERE job = :job AND ship = :ship RETURNING ship",
                    {"job": job, "ship": ship},
                )
            )

    # --- figures --------------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Number of jobs in each state."""
        with self._database.transaction(writes=False) as run:
            rows = run("SELECT state, count(*) AS found FROM jobs GROUP BY state")
        return {state.value: 0 for state in State} | {row["state"]: int(row["found"]) for row in rows}

    def totals(self) -> dict[str, float]:
        """Sums over all jobs that ever ended: how many by state, their seconds and pixels, and their durations."""
        with self._database.transaction(writes=False) as run:
            return {row["name"]: float(row["value"]) for row in run("SELECT name, value FROM totals")}


def _end_leases(run: Run, identity: str | None = None) -> None:
    """Let jobs wait again whose lease has run out; dismiss the cancelled ones, and give up those lost twice."""
    where = "state = 'running' AND lease_until < {now}" + (" AND id = :id" if identity else "")
    values = {"id": identity, "most": MOST_LOST, "reason": GIVEN_UP}
    ended = run(
        "UPDATE jobs SET lost = lost + 1, lease_until = NULL, token = token + 1, updated = {now}, "  # noqa: S608
        "state = CASE WHEN cancelled = 1 THEN 'dismissed' WHEN lost + 1 >= :most THEN 'failed' ELSE 'accepted' END, "
        "finished = CASE WHEN cancelled = 1 OR lost + 1 >= :most THEN {now} ELSE NULL END, "
        "message = CASE WHEN cancelled = 1 THEN 'dismissed while it was running' "
        "WHEN lost + 1 >= :most THEN :reason ELSE 'waits again after its worker was lost' END "
        f"WHERE {where} RETURNING *",
        values,
    )
    for row in ended:
        if State(row["state"]).final:
            _count(run, _job(row), {})


def _count(run: Run, job: Job, result: Mapping[str, Any]) -> None:
    """Add a job that has ended to the totals, which stay when the job is removed."""
    seconds = max(0.0, (job.finished or 0) - (job.started or 0))
    added = {f"jobs_{job.state.value}": 1.0}
    if job.state is State.successful:
        added |= {"seconds": seconds, "pixels": float(result.get("pixels", 0))}
        added |= {f"seconds_le_{bucket}": 1.0 for bucket in BUCKETS if seconds <= bucket}
    for name, value in sorted(added.items()):  # in one order, so that two transactions never wait for each other
        run(
            "INSERT INTO totals (name, value) VALUES (:name, :value) "
            "ON CONFLICT (name) DO UPDATE SET value = totals.value + excluded.value",
            {"name": name, "value": value},
        )


def _fence(job: Job) -> dict[str, Any]:
    return {"id": job.id, "token": job.token}


def _letters(number: int) -> str:
    return chr(ord("a") + number)


def _job(row: Row) -> Job:
    return Job(
        id=row["id"],
        owner=row["owner"],
        state=State(row["state"]),
        title=row["title"],
        source=json.loads(row["source"]),
        options=json.loads(row["options"]),
        size=int(row["size"]),
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        updated=row["updated"],
        progress=row["progress"],
        message=row["message"],
        attempts=row["attempts"],
        lost=row["lost"],
        token=row["token"],
        cancelled=bool(row["cancelled"]),
        result=json.loads(row["result"]),
        worker=row["worker"],
    )


def _key(row: Row) -> Key:
    scopes = frozenset(map(Scope, row["scopes"].split()))
    return Key(row["id"], row["name"], row["hash"], scopes, row["quota"], row["created"])


def _correction(row: Row) -> Correction:
    geometry = None if row["geometry"] is None else json.loads(row["geometry"])
    verdict = None if row["verdict"] is None else Verdict(row["verdict"])
    return Correction(row["ship"], verdict, geometry, row["note"], row["updated"])

"""Jobs, leases, keys and corrections in the store, in SQLite and in PostgreSQL."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from served import new_job

from geoships.service.jobs import Correction, Key, Scope, State, Verdict, new_key
from geoships.service.store.database import StoreError, open_database
from geoships.service.store.migrate import migrate
from geoships.service.store.schema import VERSION
from geoships.service.store.store import GIVEN_UP, Store

LEASE = 60.0


def test_a_job_goes_from_accepted_to_successful(store: Store) -> None:
    accepted, new = store.add(new_job(options={"views": 1}))
    assert new
    assert (accepted.state, accepted.options) == (State.accepted, {"views": 1})
    job = store.claim("w", LEASE)
    assert job is not None
    assert (job.id, job.state, job.attempts) == (accepted.id, State.running, 1)
    assert store.renew(job, LEASE, 0.4, "computing").held
    assert (found := store.job(job.id)) is not None
    assert (found.progress, found.message) == (0.4, "computing")
    assert store.succeed(job, {"ships": 3, "pixels": 10.0}, 77)
    assert (ended := store.job(job.id)) is not None
    assert (ended.state, ended.result["ships"], ended.size, ended.progress) == (State.successful, 3, 77, 1)
    assert ended.finished is not None
    assert store.totals()["jobs_successful"] == 1
    assert store.claim("w", LEASE) is None


def test_a_request_that_is_sent_twice_makes_one_job(store: Store) -> None:
    first, new = store.add(new_job(request="r"))
    again, second = store.add(new_job(request="r"))
    other, third = store.add(new_job(owner="ben", request="r"))
    assert (new, second, third) == (True, False, True)
    assert again.id == first.id != other.id
    assert (known := store.of_request("local", "r")) is not None
    assert known.id == first.id


def test_jobs_are_claimed_in_their_order_and_each_once(store: Store) -> None:
    added = [store.add(new_job())[0].id for _ in range(30)]
    claimed: list[str] = []

    def work(name: str) -> None:
        while job := store.claim(name, LEASE):
            claimed.append(job.id)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(added)
    store.add(new_job(id="00000000-0000-4000-8000-000000000001"))
    late = store.add(new_job(id="00000000-0000-4000-8000-000000000000"))[0]
    assert (first := store.claim("w", LEASE)) is not None
    assert first.id != late.id


def test_a_worker_that_lost_its_lease_changes_nothing(store: Store) -> None:
    store.add(new_job())
    slow = store.claim("slow", -1)
    quick = store.claim("quick", LEASE)
    assert slow is not None
    assert quick is not None
    assert slow.id == quick.id
    assert quick.token > slow.token
    assert not store.renew(slow, LEASE, 0.9, "late").held
    assert not store.succeed(slow, {"ships": 99}, 1)
    assert not store.fail(slow, "late")
    assert not store.lose(slow)
    assert not store.release(slow)
    assert not store.dismiss(slow)
    assert store.succeed(quick, {"ships": 1}, 1)
    assert (job := store.job(quick.id)) is not None
    assert (job.result["ships"], job.lost) == (1, 1)


def test_a_job_is_given_up_after_two_lost_workers(store: Store) -> None:
    identity = store.add(new_job())[0].id
    for _ in range(2):
        assert store.claim("w", -1) is not None
    assert store.claim("w", LEASE) is None
    assert (job := store.job(identity)) is not None
    assert (job.state, job.message, job.lost) == (State.failed, GIVEN_UP, 2)
    assert store.totals() == {"jobs_failed": 1}


def test_a_process_that_dies_counts_and_one_that_is_told_to_stop_does_not(store: Store) -> None:
    store.add(new_job())
    for _ in range(3):
        job = store.claim("w", LEASE)
        assert job is not None
        assert store.release(job)
    assert (job := store.claim("w", LEASE)) is not None
    assert job.lost == 0
    assert store.lose(job)
    assert (again := store.claim("w", LEASE)) is not None
    assert again.lost == 1
    assert store.lose(again)
    assert (ended := store.job(job.id)) is not None
    assert ended.state is State.failed


def test_cancelling_is_at_once_or_by_the_worker(store: Store) -> None:
    waiting, running, late = (store.add(new_job())[0].id for _ in range(3))
    assert (ended := store.cancel(waiting)) is not None
    assert ended.state is State.dismissed
    job = store.claim("w", LEASE)
    assert job is not None
    assert job.id == running
    assert (cancelled := store.cancel(running)) is not None
    assert (cancelled.state, cancelled.cancelled) == (State.running, True)
    assert store.renew(job, LEASE, 0, "").cancelled
    assert store.dismiss(job)
    job = store.claim("w", LEASE)
    assert job is not None
    store.cancel(late)
    assert store.succeed(job, {"ships": 1}, 1)
    assert (ended := store.job(late)) is not None
    assert ended.state is State.dismissed


def test_a_cancelled_job_whose_worker_is_lost_is_dismissed(store: Store) -> None:
    identity = store.add(new_job())[0].id
    store.claim("w", -1)
    store.cancel(identity)
    assert store.claim("w", LEASE) is None
    assert (job := store.job(identity)) is not None
    assert job.state is State.dismissed


def test_lists_are_of_the_owner_by_state_and_in_pages(store: Store) -> None:
    own = [store.add(new_job(owner="ann", size=10))[0].id for _ in range(5)]
    store.add(new_job(owner="ben", size=1))
    found, count = store.jobs("ann", limit=2, offset=1)
    assert ([job.id for job in found], count) == (own[::-1][1:3], 5)
    store.claim("w", LEASE)
    assert store.jobs("ann", states=[State.running])[1] == 1
    assert store.jobs("ann", states=[State.running, State.accepted])[1] == 5
    assert (store.bytes_of("ann"), store.bytes_of()) == (50, 51)
    assert store.counts() == {"accepted": 5, "running": 1, "successful": 0, "failed": 0, "dismissed": 0}
    assert store.known([own[0], "x"]) == {own[0]}


def test_only_jobs_that_ended_are_removed_with_their_corrections(store: Store) -> None:
    identity = store.add(new_job())[0].id
    assert not store.remove(identity)
    job = store.claim("w", LEASE)
    assert job is not None
    assert not store.remove(identity)
    store.succeed(job, {}, 1)
    store.correct(identity, Correction("1", Verdict.accepted, None, "", 0))
    assert [each.id for each in store.ended()] == [identity]
    assert not store.ended(time.time() - 100)
    assert store.remove(identity)
    assert store.corrections(identity) == []
    assert store.totals()["jobs_successful"] == 1


def test_keys_are_hashed_and_their_names_are_unique(store: Store) -> None:
    identity, text, digest = new_key()
    secret = text.rpartition("_")[2] if text.count("_") == 2 else text.split("_", 2)[2]
    assert store.add_key(Key(identity, "ann", digest, frozenset({Scope.read}), 5, 0))
    assert not store.add_key(Key("other", "ann", digest, frozenset(), None, 0))
    assert (key := store.key(identity)) is not None
    assert (key.name, key.scopes, key.quota) == ("ann", {Scope.read}, 5)
    assert key.fits(secret)
    assert not key.fits(secret[:-1])
    assert secret not in repr(key)
    assert [each.name for each in store.all_keys()] == ["ann"]
    assert store.remove_key("ann")
    assert not store.remove_key("ann")
    assert store.key(identity) is None


def test_corrections_replace_one_another(store: Store) -> None:
    identity = store.add(new_job())[0].id
    polygon = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    store.correct(identity, Correction("2", Verdict.accepted, None, "first", 0))
    store.correct(identity, Correction("2", Verdict.rejected, polygon, "second", 0))
    store.correct(identity, Correction("1", None, None, "a note", 0))
    said = store.corrections(identity)
    assert [(each.ship, each.verdict, each.geometry, each.note) for each in said] == [
        ("1", None, None, "a note"),
        ("2", Verdict.rejected, polygon, "second"),
    ]
    assert store.withdraw(identity, "2")
    assert not store.withdraw(identity, "2")


@pytest.mark.parametrize("version", range(VERSION))
def test_a_store_of_any_earlier_version_is_brought_up_to_date_with_its_jobs(place: str | Path, version: int) -> None:
    database = open_database(place)
    migrate(database, version)
    if version:
        with database.transaction() as run:
            run(
                "INSERT INTO jobs (id, owner, state, title, source, options, size, created, updated) VALUES "
                "('old', 'local', 'accepted', 'a.tif', '{\"files\": [\"a.tif\"]}', '{}', 1, {now}, {now})"
            )
    database.close()
    store = Store.open(place)
    try:
        if version:
            job = store.claim("w", LEASE)
            assert job is not None
            assert job.id == "old"
        assert store.add(new_job())[1]
    finally:
        store.close()


def test_several_processes_may_bring_a_store_up_to_date_at_once(place: str | Path) -> None:
    open_database(place).close()
    stores: list[Store] = []
    threads = [threading.Thread(target=lambda: stores.append(Store.open(place))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 4
    for store in stores:
        store.close()


def test_a_store_of_a_later_version_is_refused(place: str | Path) -> None:
    Store.open(place).close()
    database = open_database(place)
    with database.transaction() as run:
        run("UPDATE schema_version SET version = 999")
    database.close()
    with pytest.raises(StoreError, match="install a later geoships"):
        Store.open(place)


def test_places_that_are_no_store_are_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database")
    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(tmp_path / "file")
    with pytest.raises(StoreError, match="no database that geoships knows"):
        Store.open("mysql://host/x")
    with pytest.raises(StoreError, match="does not answer") as raised:
        Store.open("postgresql://me:hidden@127.0.0.1:1/x")
    assert "hidden" not in str(raised.value)

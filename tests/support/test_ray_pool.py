"""Jobs in actors, on a Ray that is played: who gets which job, and what becomes of jobs whose actor dies or is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from geoships.errors import BundleError, DeviceError
from geoships.support import ray_pool
from geoships.support.ray_actor import ActorFacts
from geoships.support.ray_pool import RayTerms, run_on_ray
from geoships.support.workers import Ended, Lost, Raised, Told, death_reason


class RayError(Exception):
    pass


@dataclass(eq=False)
class Task:
    """What a task becomes: a value, an error, or nothing as long as its actor does not answer."""

    value: Any = None
    error: Exception | None = None
    silent: bool = False


@dataclass(eq=False)
class Actor:
    ray: PlayedRay
    number: int
    killed: bool = False

    def __getattr__(self, method: str) -> Any:
        return SimpleNamespace(options=lambda **options: SimpleNamespace(remote=partial(self._begin, method, options)))

    def _begin(self, method: str, options: dict[str, Any], *arguments: Any) -> Task:
        self.ray.begun.append((self.number, method, options.get("name"), *arguments))
        return self.ray.play(self.number, method, *arguments)


@dataclass
class PlayedRay:
    """Ray as far as `run_on_ray` uses it. play: what becomes of (number of the actor, method, job)."""

    play: Callable[..., Task]
    resources: list[dict[str, float]] = field(default_factory=lambda: [{"CPU": 2.0}])
    actors: list[Actor] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)
    begun: list[tuple[Any, ...]] = field(default_factory=list)
    exceptions = SimpleNamespace(RayError=RayError)

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": each} for each in self.resources]

    def remote(self, **_: Any) -> Any:
        def create(*_: Any) -> Actor:
            self.actors.append(Actor(self, len(self.actors)))
            return self.actors[-1]

        def with_options(**options: Any) -> Any:
            self.options.append(options)
            return SimpleNamespace(remote=create)

        return lambda _: SimpleNamespace(options=with_options)

    def wait(
        self, tasks: list[Task], *, num_returns: int = 1, timeout: float, **_: Any
    ) -> tuple[list[Task], list[Task]]:
        done = [task for task in tasks if not task.silent][:num_returns]
        assert done or timeout is not None
        return done, [task for task in tasks if task not in done]

    def get(self, task: Task) -> Any:
        assert not task.silent
        if task.error:
            raise task.error
        return task.value

    def kill(self, actor: Actor) -> None:
        actor.killed = True


def work(job: str, device: str, tell: object) -> str:
    raise NotImplementedError  # the played actors answer for it


def prepare(device: str) -> None:
    raise NotImplementedError


READY = Task(("ended", ActorFacts("node", 1000)))


def answer(job: str) -> Task:
    return Task(("ended", f"{job} is done", []))


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch):
    """Runs jobs on a played Ray; returns it and the events."""
    monkeypatch.setattr(ray_pool, "UNREACHABLE", -1.0)

    def play(jobs: str, what: Callable[..., Task], terms: RayTerms[str], **more: Any) -> tuple[PlayedRay, list[Any]]:
        ray = PlayedRay(what, **more)
        monkeypatch.setattr(ray_pool, "import_ray", lambda: ray)
        events = list(run_on_ray(jobs, work, prepare, terms))
        assert all(actor.killed for actor in ray.actors)
        return ray, events

    return play


def test_each_job_ends_once_and_bears_its_name(play) -> None:
    def what(_: int, method: str, job: str = "") -> Task:
        if method == "ready":
            return READY
        return Task(("raised", ValueError(job), ["beware"])) if job == "c" else answer(job)

    ray, events = play("abcd", what, RayTerms(2, name=lambda job: f"scene {job}"))
    assert sorted(event.index for event in events if isinstance(event, Ended)) == [0, 1, 3]
    assert [event.index for event in events if isinstance(event, Raised)] == [2]
    assert [event.message for event in events if isinstance(event, Told)] == ["beware"]
    assert [name for _, method, name, *_ in ray.begun if method == "run"] == [f"scene {job}" for job in "abcd"]
    assert [(each["num_cpus"], each["max_restarts"], each["max_task_retries"]) for each in ray.options] == [
        (1, -1, 2)
    ] * 2


def test_an_actor_holds_two_jobs_while_many_wait_and_one_at_the_end(play) -> None:
    held: dict[int, int] = {}
    seen: list[tuple[int, int]] = []

    def what(number: int, method: str, job: str = "") -> Task:
        if method == "ready":
            return READY
        held[number] = held.get(number, 0) + 1
        seen.append((number, held[number]))
        return SlowTask(("ended", job, []), held, number)

    class SlowTask(Task):
        def __init__(self, value: Any, held: dict[int, int], number: int) -> None:
            super().__init__(value)
            self.held, self.number = held, number

    ray_get = PlayedRay.get

    def get(self: PlayedRay, task: Task) -> Any:
        if isinstance(task, SlowTask):
            task.held[task.number] -= 1
        return ray_get(self, task)

    PlayedRay.get = get  # type: ignore[method-assign]
    try:
        _, events = play("abcdefgh", what, RayTerms(2))
    finally:
        PlayedRay.get = ray_get  # type: ignore[method-assign]
    assert len(events) == 8
    assert max(count for _, count in seen) == 2
    assert [count for _, count in seen[-2:]] == [1, 1]


def test_the_job_that_ends_its_actor_is_given_up_and_not_the_one_behind_it(play) -> None:
    def what(_: int, method: str, job: str = "") -> Task:
        if method == "ready":
            return READY
        died = job == "x" or (job == "b" and len([each for each in begun() if each == "b"]) == 1)
        return Task(error=RayError("the actor died")) if died else answer(job)

    def begun() -> list[str]:
        return [job for _, method, _, *jobs in ray_pool.import_ray().begun if method == "run" for job in jobs]

    _, events = play("xbcd", what, RayTerms(1, tries=2))
    assert [event for event in events if isinstance(event, Lost)] == [Lost(0, death_reason("auto", 6))]
    assert sorted(event.index for event in events if isinstance(event, Ended)) == [1, 2, 3]


def test_jobs_of_an_actor_that_does_not_answer_are_given_to_another(play) -> None:
    notes: list[str] = []

    def what(number: int, method: str, job: str = "") -> Task:
        if method == "ready":
            return READY
        return Task(silent=True) if number == 0 else answer(job)

    ray, events = play("abcdef", what, RayTerms(2, note=notes.append))
    assert sorted(event.index for event in events) == list(range(6))
    assert len(events) == 6
    assert "an actor of Ray does not answer: another computes its scenes" in notes
    twice = [job for number, method, _, *jobs in ray.begun if method == "run" and number == 0 for job in jobs]
    assert {job for number, method, _, *jobs in ray.begun if method == "run" and number == 1 for job in jobs} >= set(
        twice
    )


def test_jobs_of_one_node_wait_for_its_memory(play) -> None:
    running: set[str] = set()
    peaks: list[int] = []

    def what(_: int, method: str, job: str = "") -> Task:
        if method == "ready":
            return READY
        running.add(job)
        peaks.append(len(running))
        return answer(job)

    ray_get = PlayedRay.get

    def get(self: PlayedRay, task: Task) -> Any:
        value = ray_get(self, task)
        if task is not READY:
            running.discard(value[1].split()[0])
        return value

    PlayedRay.get = get  # type: ignore[method-assign]
    try:
        _, events = play("abc", what, RayTerms(2, memory=lambda _: 500))
    finally:
        PlayedRay.get = ray_get  # type: ignore[method-assign]
    assert len(events) == 3
    assert max(peaks) == 1  # of 1000 bytes 800 may be taken


@pytest.mark.parametrize(
    ("resources", "terms", "expected"),
    [
        ([{"CPU": 8.0}, {"CPU": 8.0}], RayTerms(), [{"num_cpus": 8}] * 2),
        ([{"CPU": 8.0}, {"CPU": 8.0}], RayTerms(4), [{"num_cpus": 4}] * 4),
        ([{"CPU": 8.0, "GPU": 2.0}], RayTerms(), [{"num_cpus": 4, "num_gpus": 1}] * 2),
        ([{"CPU": 8.0, "GPU": 2.0}], RayTerms(4), [{"num_cpus": 2, "num_gpus": 0.5}] * 4),
        ([{"CPU": 8.0, "GPU": 2.0}], RayTerms(device="cpu"), [{"num_cpus": 8}]),
        ([{"CPU": 4.0}], RayTerms(device="cuda:all"), [{"num_cpus": 4, "num_gpus": 1}]),  # waits for a node with one
    ],
)
def test_actors_have_a_gpu_or_a_share_of_the_cores(
    play, resources: list[dict[str, float]], terms: RayTerms[str], expected: list[dict[str, float]]
) -> None:
    ray, _ = play(
        "abcdefgh", lambda _, method, job="": READY if method == "ready" else answer(job), terms, resources=resources
    )
    got = [{key: each[key] for key in ("num_cpus", "num_gpus") if key in each} for each in ray.options]
    assert got == expected


def test_what_keeps_actors_from_starting_is_raised(play) -> None:
    with pytest.raises(BundleError, match="no such model"):
        play("ab", lambda *_: Task(("raised", BundleError("no such model"))), RayTerms(1))
    with pytest.raises(DeviceError, match="an actor of Ray cannot be started: The actor died"):
        play("ab", lambda *_: Task(error=RayError("The actor died\nat once")), RayTerms(1))

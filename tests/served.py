"""A service in the process of a test, and jobs for its store."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from scenes import ship_scene
from service_jobs import detect_with_fake_model

from geoships.config import PredictConfig
from geoships.service.folders import DataFolder, new_identity
from geoships.service.intake.inspect import Inspector
from geoships.service.jobs import LOCAL, Job, Key, NewJob, Scope, new_key
from geoships.service.settings import Limits, ServiceSettings
from geoships.service.store.store import Store
from geoships.service.web.app import create_app
from geoships.service.work.assignment import Assignment

CPU = PredictConfig(device="cpu", engine="torch", precision="fp32")
HERE = "http://localhost:8000"


def new_job(owner: str = LOCAL, **more: Any) -> NewJob:
    values = {"id": new_identity(), "owner": owner, "title": "a.tif", "source": {"files": ["a.tif"]}, "options": {}}
    return NewJob(**{**values, "size": 1, **more})


class _Kept(Inspector):
    """Looks at headers for all tests: its processes take seconds to start."""

    def close(self) -> None:
        pass


_INSPECTOR = _Kept()
atexit.register(lambda: Inspector.close(_INSPECTOR))


class Served:
    """A service in this process, whose jobs are done when the test says so."""

    def __init__(self, folder: Path, stack: ExitStack, **settings: Any) -> None:
        self.settings = ServiceSettings(
            data_dir=folder / "data", predict=CPU, **{"limits": Limits(free=0, patience=60), **settings}
        )
        self.store = Store.open(self.settings.store)
        self.folder = DataFolder(self.settings.data_dir)
        self.app = create_app(self.settings, self.store)
        self.app.state.service.inspector = _INSPECTOR
        client = TestClient(self.app, base_url=HERE, client=("127.0.0.1", 50000), raise_server_exceptions=False)
        self.client = stack.enter_context(client)
        self.scenes = folder

    def key(self, *scopes: Scope, name: str = "ann") -> dict[str, str]:
        """Headers with a new key."""
        identity, text, digest = new_key()
        self.store.add_key(Key(identity, name, digest, frozenset(scopes or Scope), None, 0))
        return {"Authorization": f"Bearer {text}"}

    def scene(self, name: str = "scene.tif", **options: Any) -> bytes:
        """A small scene with ships, as the bytes of its file."""
        path = self.scenes / name
        ship_scene(path, **options)
        return path.read_bytes()

    def send(self, name: str = "scene.tif", headers: dict[str, str] | None = None, **options: str) -> Any:
        """Upload a scene."""
        files = {"file": (name, self.scene(name))}
        return self.client.post("/jobs", files=files, data=options, headers=headers)

    def do(self, work: Callable[..., dict[str, Any]] = detect_with_fake_model) -> Job:
        """Do the next job here, as a worker does it."""
        job = self.store.claim("test", 60)
        assert job is not None
        output = self.folder.attempt(job.id, job.token)
        given = Assignment(self.settings, self.folder.input(job.id), output, job.source, job.options)
        result = work(given, "cpu", lambda _: None)
        assert self.store.succeed(job, {**result, "attempt": job.token}, result.pop("size"))
        done = self.store.job(job.id)
        assert done is not None
        return done

    def left(self) -> list[str]:
        """Names of what is in the folders of uploads and jobs."""
        return [path.name for folder in (self.folder.uploads, self.folder.jobs) for path in folder.iterdir()]

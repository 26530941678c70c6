"""Settings of a service: where its data are, and what it lets in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from geoships.config import PredictConfig

GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """What a service lets in, and how long it keeps it.

    Attributes:
        upload: Bytes of one upload.
        unpacked: Bytes of all that a zip holds.
        pixels: Pixels of a scene, rows times columns.
        files: Files of one job.
        quota: Bytes that the jobs of one key may take, unless the key has a limit of its own.
        free: Bytes of the disk that stay free.
        keep_days: Days that a job is kept after it ended; 0: for ever.
        keep: Bytes that all jobs together may take, before the oldest that have ended are removed; 0: any number.
        requests: Requests a minute of one key, or of one address without a key; 0: any number.
        uploads: The same for requests that make jobs or uploads.
        waiting: Jobs of one key that wait or run; 0: any number.
        stall: Seconds that an upload may pause.
        slowest: Bytes a second below which an upload is ended after `patience`.
        patience: Seconds that a slow upload is given.
    """

    upload: int = 20 * GIB
    unpacked: int = 60 * GIB
    pixels: int = 4_000_000_000
    files: int = 32
    quota: int = 200 * GIB
    free: int = 1 * GIB
    keep_days: float = 30.0
    keep: int = 0
    requests: int = 3000
    uploads: int = 300
    waiting: int = 1000
    stall: float = 30.0
    slowest: float = 1000.0
    patience: float = 60.0


@dataclass(frozen=True)
class ServiceSettings:
    """Settings of a service.

    Attributes:
        data_dir: Folder of its data: uploads, jobs, and the store unless `database` names another.
        database: Address of PostgreSQL; None: SQLite in the folder.
        limits: What is let in.
        allowed: Beginnings of addresses that scenes may come from, such as ``https://data.example.org/scenes/``;
            empty: scenes are uploaded.
        private_addresses: Whether allowed hosts may have private addresses, as those of an office have.
        origins: Origins of web pages that may use the API from a browser (CORS); empty: none but its own.
        keys_only: Whether a key is required from this machine, too.
        base: Address that clients use, such as ``https://ships.example.org``, where a proxy stands between; None: that
            of the request.
        base_map: Address of tiles with ``{z}``, ``{x}`` and ``{y}`` for a base map of the page; None: none.
        lease: Seconds after which a worker that is not heard of has lost its job.
        job_timeout: Seconds that a job may take; None: any time.
        predict: Settings of all predictions, which a job's own options override.
    """

    data_dir: Path
    database: str | None = None
    limits: Limits = field(default_factory=Limits)
    allowed: tuple[str, ...] = ()
    private_addresses: bool = False
    origins: tuple[str, ...] = ()
    keys_only: bool = False
    base: str | None = None
    base_map: str | None = None
    lease: float = 15.0
    job_timeout: float | None = None
    predict: PredictConfig = field(default_factory=PredictConfig)

    @property
    def store(self) -> str | Path:
        """Where the store is."""
        return self.database or self.data_dir / "service.sqlite"

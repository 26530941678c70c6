"""`geoships serve` and `geoships worker`: geoships over HTTP, its workers, and its keys."""

from __future__ import annotations

import logging
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geoships.errors import GeoshipsError, GeoshipsWarning
from geoships_cli import options
from geoships_cli.option_groups import grouped

if TYPE_CHECKING:
    from geoships.service.settings import Limits, ServiceSettings
    from geoships.service.store.store import Store

serve = typer.Typer(name="serve", help="Run geoships as a service: a map page, an API and workers.")
keys = typer.Typer(name="keys", help="Make, list and remove the keys of a service.", no_args_is_help=True)
serve.add_typer(keys)

STORE, ACCESS, LIMITS, LISTEN = "Store", "Access", "Limits", "Listen"
PACKAGES = ("fastapi", "limits", "prometheus_client", "python_multipart", "titiler.core", "uvicorn")
NEEDS = "this needs the optional packages of the service: pip install 'geoships[serve]'"

DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir", "-d", help="Folder of uploads, jobs and the store", envvar="GEOSHIPS_DATA_DIR",
        rich_help_panel=STORE,
    ),
]  # fmt: skip
Database = Annotated[
    str | None,
    typer.Option(
        help="postgresql://... for several machines", show_default="SQLite in the folder",
        envvar="GEOSHIPS_DATABASE", rich_help_panel=STORE,
    ),
]  # fmt: skip


@dataclass(frozen=True)
class LogOptions(options.RunOptions):
    """What a service logs."""

    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Log as JSON lines, as it does where stderr is no terminal", rich_help_panel=options.RUN
        ),
    ] = False

    @property
    def level(self) -> int:
        """The least level of what is logged, as Python's logging counts it."""
        if self.log_level:
            return self.log_level.number
        return logging.ERROR if self.quiet else logging.DEBUG if self.verbose else logging.INFO

    def around(self, command: str) -> AbstractContextManager[None]:
        """Return what is entered around a command: its log, which goes on as long as it runs."""
        from geoships.service.logs import log_to_stderr

        del command
        log_to_stderr(self.level, as_json=self.as_json or None, file=self.log_file)
        return nullcontext()


@dataclass(frozen=True)
class WorkOptions:
    """Where the data of a service are, and how its jobs run."""

    data_dir: DataDir = Path("geoships-data")
    database: Database = None
    config: options.ConfigFile = None
    model: options.Model = None
    device: options.Device = None
    job_timeout: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds that a job may take", show_default="any", rich_help_panel=LIMITS),
    ] = None
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS", help="Beginning of addresses that scenes may come from; repeatable",
            envvar="GEOSHIPS_ALLOW", rich_help_panel=ACCESS,
        ),
    ] = None  # fmt: skip
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Such hosts may have private addresses", rich_help_panel=ACCESS)
    ] = False
    max_upload: Annotated[
        str, typer.Option(metavar="SIZE", help="Largest upload, e.g. 20GiB", rich_help_panel=LIMITS)
    ] = "20GiB"
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Most pixels of a scene, rows times columns", rich_help_panel=LIMITS)
    ] = 4_000_000_000

    def settings(self, **more: Any) -> ServiceSettings:
        """Return the settings of the service; `limits` has those that are not among these options."""
        from dataclasses import replace

        from geoships.config.predict import predict_config

        settings_type, limits_type = _settings_types()
        predict = predict_config(self.config, model=self.model, device=self.device)
        limits = replace(more.pop("limits", limits_type()), upload=_size("--max-upload", self.max_upload))
        _check_addresses(self.allow or ())
        return settings_type(
            data_dir=self.data_dir.absolute(),
            database=self.database,
            limits=replace(limits, pixels=self.max_pixels),
            allowed=tuple(self.allow or ()),
            private_addresses=self.allow_private,
            job_timeout=self.job_timeout,
            predict=predict,
            **more,
        )


def _settings_types() -> tuple[type[ServiceSettings], type[Limits]]:
    from geoships.service.settings import Limits, ServiceSettings

    return ServiceSettings, Limits


def _size(option: str, text: str) -> int:
    """Bytes of an option; ``0`` is 0, which stands for any."""
    from geoships.support.sizes import parse_size

    try:
        return 0 if text.strip() == "0" else parse_size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _check_addresses(addresses: tuple[str, ...] | list[str]) -> None:
    for address in addresses:
        if not address.startswith(("https://", "http://")) or not address.partition("://")[2]:
            raise typer.BadParameter(f"{address} does not begin with https://HOST or http://HOST", param_hint="--allow")


@dataclass(frozen=True)
class AccessOptions:
    """Who may use a service, and how."""

    require_key: Annotated[
        bool, typer.Option("--require-key", help="Ask this machine for a key, too", rich_help_panel=ACCESS)
    ] = False
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(help="Origin of another web page that may use the API; repeatable", rich_help_panel=ACCESS),
    ] = None
    base_url: Annotated[
        str | None,
        typer.Option(
            help="Address of the service for its clients, behind a proxy", envvar="GEOSHIPS_BASE_URL",
            rich_help_panel=ACCESS,
        ),
    ] = None  # fmt: skip
    proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="IP", help="Address of a proxy whose X-Forwarded- headers count; repeatable",
                     rich_help_panel=ACCESS),
    ] = None  # fmt: skip
    base_map: Annotated[
        str | None,
        typer.Option(help="Tiles of a base map, with {z}, {x} and {y}", show_default="none", rich_help_panel=ACCESS),
    ] = None


@dataclass(frozen=True)
class LimitOptions:
    """What a service keeps, and how much of it."""

    quota: Annotated[
        str, typer.Option(metavar="SIZE", help="Bytes that the jobs of one key may take", rich_help_panel=LIMITS)
    ] = "200GiB"
    keep_days: Annotated[
        float, typer.Option(min=0, help="Days until a job is deleted; 0: never", rich_help_panel=LIMITS)
    ] = 30.0
    keep_size: Annotated[
        str,
        typer.Option(metavar="SIZE", help="Size of all jobs, beyond which the oldest are deleted; 0: any",
                     rich_help_panel=LIMITS),
    ] = "0"  # fmt: skip
    requests: Annotated[
        int, typer.Option(min=0, help="Requests a minute of one key; 0: any", rich_help_panel=LIMITS)
    ] = 3000


@serve.callback(invoke_without_command=True)
@grouped
def serve_here(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="Address to listen at; another than this machine's needs keys", rich_help_panel=LISTEN)
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="Port; 0: any free one", envvar="GEOSHIPS_PORT", rich_help_panel=LISTEN),
    ] = 8000,
    workers: Annotated[int, typer.Option(min=0, max=256, help="Workers on this machine", rich_help_panel=LISTEN)] = 1,
    *,
    work: WorkOptions,
    access: AccessOptions,
    limits: LimitOptions,
    run: LogOptions,
) -> None:
    """Run geoships as a service: a map page, an API and workers."""
    if context.invoked_subcommand is not None:
        return
    _require_packages()
    from geoships.service.server import Listening, is_loopback
    from geoships.service.server import serve as run_service

    settings = work.settings(
        limits=_limits(limits),
        origins=tuple(access.cors_origin or ()),
        keys_only=access.require_key,
        base=access.base_url,
        base_map=access.base_map,
    )
    if not is_loopback(host) or access.require_key:
        _warn_without_keys(settings)
    listening = Listening(host, port, workers, tuple(access.proxy or ()), run.level)
    run_service(settings, listening, say=_say)


def _limits(given: LimitOptions) -> Limits:
    _, limits_type = _settings_types()
    return limits_type(
        quota=_size("--quota", given.quota) or 1 << 62,
        keep_days=given.keep_days,
        keep=_size("--keep-size", given.keep_size),
        requests=given.requests,
    )


def _say(address: str) -> None:
    typer.echo(f"geoships is at {address}; stop it with Ctrl-C")


def _require_packages() -> None:
    """Look for the packages without loading them, which takes seconds for some."""
    from importlib.util import find_spec

    try:
        missing = [name for name in PACKAGES if find_spec(name) is None]
    except ModuleNotFoundError as error:  # of a package that one of them lies in
        raise GeoshipsError(NEEDS) from error
    if missing:
        raise GeoshipsError(NEEDS)


def _warn_without_keys(settings: ServiceSettings) -> None:
    from geoships.service.folders import DataFolder
    from geoships.service.store.store import Store

    DataFolder(settings.data_dir)
    store = Store.open(settings.store)
    if not store.all_keys():
        warnings.warn("nobody has a key yet; make one: geoships serve keys add NAME", GeoshipsWarning, stacklevel=1)
    store.close()


@grouped
def worker(work: WorkOptions, run: LogOptions) -> None:
    """Do the jobs of a service whose folder and store this machine shares."""
    from geoships.service.work.pool import run_worker

    del run  # its log is around the command already
    run_worker(work.settings())


def _store(data_dir: Path, database: str | None) -> Store:
    from geoships.service.folders import DataFolder
    from geoships.service.store.store import Store

    if database:
        return Store.open(database)
    return Store.open(DataFolder(data_dir).root / "service.sqlite")


@keys.command("add")
@grouped
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is")],
    data_dir: DataDir = Path("geoships-data"),
    database: Database = None,
    scope: Annotated[list[str] | None, typer.Option(help="read or write; repeatable", show_default="both")] = None,
    quota: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Bytes that its jobs may take", show_default="the service's")
    ] = None,
    *,
    run: options.RunOptions,
) -> None:
    """Make a key and print it: it is shown this once, since the store has its hash alone."""
    from geoships.service.jobs import Key, Scope, new_key

    try:
        scopes = frozenset(map(Scope, scope or Scope))
    except ValueError:
        raise typer.BadParameter("a scope is read or write", param_hint="--scope") from None
    identity, text, digest = new_key()
    store = _store(data_dir, database)
    try:
        added = store.add_key(Key(identity, name, digest, scopes, _size("--quota", quota) if quota else None, 0))
    finally:
        store.close()
    if not added:
        raise GeoshipsError(f"there is a key {name} already; remove it first, or take another name")
    run.report({"name": name, "id": identity, "scopes": sorted(scopes), "key": text}, text)


@keys.command("list")
@grouped
def show(data_dir: DataDir = Path("geoships-data"), database: Database = None, *, run: options.RunOptions) -> None:
    """List the keys: names, ids and scopes."""
    store = _store(data_dir, database)
    found = store.all_keys()
    store.close()
    facts = [
        {"name": key.name, "id": key.id, "scopes": sorted(key.scopes), "quota": key.quota, "created": key.created}
        for key in found
    ]
    lines = [f"{key.name}  {key.id}  {', '.join(sorted(key.scopes))}" for key in found]
    run.report({"keys": facts}, "\n".join(lines) or "there are no keys")


@keys.command("remove")
@grouped
def remove(
    name: Annotated[str, typer.Argument(help="Whose key it is")],
    data_dir: DataDir = Path("geoships-data"),
    database: Database = None,
    *,
    run: options.RunOptions,
) -> None:
    """Remove a key, from now on."""
    store = _store(data_dir, database)
    removed = store.remove_key(name)
    store.close()
    if not removed:
        raise GeoshipsError(f"there is no key {name}; see geoships serve keys list")
    run.report({"removed": name}, f"{name}: removed")

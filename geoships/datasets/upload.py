"""Data sets registered where a team keeps them: ClearML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoships.errors import GeoshipsError


@dataclass(frozen=True)
class Uploaded:
    """A registered data set. id: as ClearML calls it. files, size: number of files, and their bytes.

    offline: it waits in ClearML's own folder to be imported, as ClearML was set to be offline.
    """

    id: str
    files: int
    size: int
    offline: bool


def upload_clearml(
    folder: Path, *, name: str, project: str, version: str | None = None, storage: str | None = None
) -> Uploaded:
    """Register a folder as a data set of ClearML, with all its files, and finish it.

    version: None: the one after the last. storage: where files go (a folder, ``s3://``, ...); None: ClearML's server.
    Raises GeoshipsError where the folder is empty, or ClearML is not installed, not set up or refuses.
    """
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    if not files:
        raise GeoshipsError(f"there are no files in {folder}; name the folder of the data set")
    try:
        from clearml import Dataset, Task
    except ModuleNotFoundError as error:
        raise GeoshipsError("clearml is not installed: install geoships with its extra, geoships[clearml]") from error
    try:
        # A data set's own task has no script while ClearML is offline, and then takes no files.
        task: Any = Task.init(
            project, name, Task.TaskTypes.data_processing, reuse_last_task_id=False, auto_connect_arg_parser=False,
            auto_connect_frameworks=False, auto_connect_streams=False, auto_resource_monitoring=False,
        )  # fmt: skip
        made = Dataset.create(
            dataset_name=name,
            dataset_project=project,
            dataset_version=version,
            output_uri=storage,
            use_current_task=True,
        )
        made.add_files(str(folder), verbose=False)
        made.upload(show_progress=False, verbose=False)
        offline = bool(Dataset.is_offline())
        if not offline:
            made.finalize(verbose=False)
        task.close()
    except Exception as error:  # ClearML has no common error of its own
        raise GeoshipsError(
            f"ClearML does not take the data set {name}: {error}; check its settings, which clearml-init makes"
        ) from error
    return Uploaded(str(made.id), len(files), sum(path.stat().st_size for path in files), offline)

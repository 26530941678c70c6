"""Registers data sets with ClearML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoships.errors import GeoshipsError


@dataclass(frozen=True)
class Uploaded:
    """A registered data set.

    Attributes:
        id: ClearML's id of the data set.
        files: Number of files.
        size: Bytes of all files.
        offline: ClearML is in offline mode, and the data set is in ClearML's folder, to be imported later.
    """

    id: str
    files: int
    size: int
    offline: bool


def upload_clearml(
    folder: Path, *, name: str, project: str, version: str | None = None, storage: str | None = None
) -> Uploaded:
    """Register a folder with all its files as a ClearML data set, and finalise it.

    Args:
        folder: Folder of the files.
        name: Name of the data set.
        project: ClearML project.
        version: Version; None: the one after the last.
        storage: Where the files go (a folder, ``s3://``, ...); None: ClearML's server.

    Returns:
        The registered data set.

    Raises:
        GeoshipsError: The folder is empty, or ClearML is not installed, not configured or raises an error.
    """
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    if not files:
        raise GeoshipsError(f"{folder}: expected a folder with files, got none; name the folder of the data set")
    try:
        from clearml import Dataset, Task
    except ModuleNotFoundError as error:
        raise GeoshipsError("clearml is not installed: install geoships with its extra, geoships[clearml]") from error
    try:
        # The task that Dataset.create makes itself has no script in offline mode, and then accepts no files.
        task: Any = Task.init(
            project, name, Task.TaskTypes.data_processing, reuse_last_task_id=False, auto_connect_arg_parser=False,
            auto_connect_frameworks=False, auto_connect_streams=False, auto_resource_monitoring=False,
        )  # fmt: skip
        dataset = Dataset.create(
            dataset_name=name,
            dataset_project=project,
            dataset_version=version,
            output_uri=storage,
            use_current_task=True,
        )
        dataset.add_files(str(folder), verbose=False)
        dataset.upload(show_progress=False, verbose=False)
        offline = bool(Dataset.is_offline())
        if not offline:
            dataset.finalize(verbose=False)
        task.close()
    except Exception as error:  # ClearML's errors have no common base class
        raise GeoshipsError(
            f"ClearML cannot register the data set {name}: {error}; check its settings with clearml-init"
        ) from error
    return Uploaded(str(dataset.id), len(files), sum(path.stat().st_size for path in files), offline)

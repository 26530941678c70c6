from pathlib import Path

import h5py
import numpy as np
import pytest

from geoships.errors import SceneError
from geoships.scene.opening.hdf5 import check_hdf5
from geoships.scene.opening.raster import resolve


def external_link(file: h5py.File, other: Path) -> None:
    file.create_group("deep")["link"] = h5py.ExternalLink(str(other), "/values")


def raw_storage(file: h5py.File, other: Path) -> None:
    file.create_dataset("values", (4, 4), "u1", external=[(str(other), 0, 16)])


def virtual(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((4, 4), "u1")
    layout[:] = h5py.VirtualSource(str(other), "values", (4, 4))
    file.create_virtual_dataset("values", layout)


@pytest.mark.parametrize("trick", [external_link, raw_storage, virtual])
def test_references_to_other_files_are_refused(trick, tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(range(16)))
    with h5py.File(tmp_path / "scene.h5", "w") as file:
        trick(file, tmp_path / "secret.bin")
    for name in (tmp_path / "scene.h5", f'HDF5:"{tmp_path}/scene.h5"://values'):
        with pytest.raises(SceneError, match="refused"):
            resolve(name)


def test_links_within_the_file_pass(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scene.h5", "w") as file:
        file["group/values"] = np.zeros((4, 4), np.uint8)
        file["soft"] = h5py.SoftLink("/group/values")
        file["again"] = file["group"]
        file["group/circle"] = file["group"]
    check_hdf5(tmp_path / "scene.h5")


def test_a_damaged_file_is_a_clear_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scene.h5", "w") as file:
        file["values"] = np.zeros((400, 400), np.uint8)
    data = (tmp_path / "scene.h5").read_bytes()
    (tmp_path / "scene.h5").write_bytes(data[:900])
    with pytest.raises(SceneError, match="damaged"):
        check_hdf5(tmp_path / "scene.h5")


def test_other_formats_are_not_checked(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    check_hdf5(tmp_path / "a.txt")


@pytest.mark.parametrize("block", [0, 512, 1024, 4096])
def test_a_user_block_hides_nothing(block: int, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=block) as file:
        file["far"] = h5py.ExternalLink("/etc/passwd", "x")
    with pytest.raises(SceneError, match="refers to the file"):
        check_hdf5(tmp_path / "a.h5")

"""The folder of a large scene's finished blocks, which lie there until the scene is done."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from geoships.support.files import output_errors, remove_temporaries
from geoships.support.remote.address import RemotePath
from geoships.support.remote.upload import owner_of

ROOT = Path(".geoships", "blocks")
DIGITS = 16  # of a mark, in the name of a folder


class BlockFolder:
    """Files of the finished blocks of one scene: ``OUT_DIR/.geoships/blocks/PLACE.blocks/MARK/N.zip``.

    Whoever has claimed the scene (see `Manifest.claim`) owns the folder. Processes of a run that was killed may still
    write into it, and do no harm: a file appears whole, and under the mark of what it was made from. Blocks of a run
    whose outputs go to a store lie in the temporary folder of this machine.

    Args:
        out_dir: Folder of the outputs.
        place: Of the scene.
    """

    def __init__(self, out_dir: Path, place: str) -> None:
        self._root = out_dir / ROOT
        if isinstance(out_dir, RemotePath):
            self._root = Path(tempfile.gettempdir()) / f"geoships-blocks-{owner_of(out_dir)}"
        self._path = self._root / f"{place}.blocks"

    def open(self, mark: str) -> Path:
        """Make the folder for blocks with a mark, and remove those with any other.

        Raises:
            OutputError: It cannot be made.
        """
        folder = self._path / mark[:DIGITS]
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        for other in self._path.iterdir():
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        remove_temporaries(folder)
        return folder

    def remove(self) -> None:
        """Remove all blocks of the scene, and the folders that are empty then."""
        shutil.rmtree(self._path, ignore_errors=True)
        with suppress(OSError):  # the folders of other scenes are not empty
            for parent in self._path.parents:
                if not parent.is_relative_to(self._root):
                    break
                parent.rmdir()

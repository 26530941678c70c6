"""The places of outputs: which folders and which stem name the outputs of each scene."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from itertools import takewhile

from geoships.errors import OutputError
from geoships.scene.listing.listed import ListedScene
from geoships.scene.opening.names import is_remote

# Signs that no file may have on Windows; addresses and ids of items hold them, and files on other systems may.
FORBIDDEN = str.maketrans(dict.fromkeys('<>:"|?*\\', "_"))


def places(scenes: Sequence[ListedScene]) -> list[str]:
    """Give each scene a place of its own below the folder of outputs.

    A scene keeps the folders below the folder or pattern in which it was found. Where two scenes would share a place,
    they also keep the folders above, up to the one that both lie in; where these are the same, too, the endings of
    their file names. Upper and lower case do not tell places apart, as they do not on many file systems.

    Args:
        scenes: The scenes, each once.

    Returns:
        Relative paths without an ending, such as ``2023/harbour``, in the order of `scenes`.

    Raises:
        OutputError: Two scenes differ in nothing that could name their outputs.

    >>> def scene(path, kept=1):
    ...     *folders, name = path.split("/")
    ...     stem, _, suffix = name.partition(".")
    ...     return ListedScene(path, (*folders, stem), kept, f".{suffix}")
    >>> places([scene("in/x/a.tif"), scene("in/x/b.tif"), scene("in/y/a.tif")])
    ['x/a', 'b', 'y/a']
    >>> places([scene("in/x/a.tif"), scene("in/x/a.jp2"), scene("in/x/b.tif", kept=2)])
    ['a_tif', 'a_jp2', 'x/b']
    """
    kept = [one.kept for one in scenes]
    with_suffix: set[int] = set()
    while shared := _shared(scenes, kept, with_suffix):
        for group in shared:
            if not _lengthen(group, [one.parts for one in scenes], kept):
                if set(group) <= with_suffix:
                    names = ", ".join(str(scenes[number].scene) for number in group)
                    raise OutputError(f"the outputs of {names} would have the same names; use one folder for each")
                with_suffix |= set(group)
    return [_place(one, kept[number], number in with_suffix) for number, one in enumerate(scenes)]


def _shared(scenes: Sequence[ListedScene], kept: Sequence[int], with_suffix: set[int]) -> list[list[int]]:
    """Groups of scenes that share a place."""
    groups: dict[str, list[int]] = defaultdict(list)
    for number, (one, length) in enumerate(zip(scenes, kept, strict=True)):
        groups[_place(one, length, number in with_suffix).casefold()].append(number)
    return [group for group in groups.values() if len(group) > 1]


def _lengthen(group: Sequence[int], paths: Sequence[tuple[str, ...]], kept: list[int]) -> bool:
    """Keep more parts of paths that share a place: those below the folder that all lie in, or else all of them.

    Returns:
        Whether any is kept longer; never of paths that are the same.
    """
    folded = {number: tuple(part.casefold() for part in paths[number]) for number in group}
    alike = [len(set(level)) == 1 for level in zip(*(path[:-1] for path in folded.values()), strict=False)]
    common = len(list(takewhile(bool, alike)))
    for shorter_by in (common, 0) if len(set(folded.values())) > 1 else (common,):
        grown = [number for number in group if kept[number] < len(paths[number]) - shorter_by]
        for number in grown:
            kept[number] = len(paths[number]) - shorter_by
        if grown:
            return True
    return False


def _place(listed: ListedScene, kept: int, with_suffix: bool) -> str:
    *folders, stem = listed.parts[-kept:]
    name = f"{stem}_{listed.suffix.lstrip('.')}" if with_suffix and listed.suffix else stem
    own = isinstance(listed.scene, str) and not is_remote(listed.scene) and os.name != "nt"  # a name of this system
    return "/".join((part if own else part.translate(FORBIDDEN)).strip() or "_" for part in (*folders, name))

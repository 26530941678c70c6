"""Places of outputs: each scene has its own, and keeps the folders in which it was found."""

from hypothesis import given
from hypothesis import strategies as st

from geoships.scene.listing.listed import ListedScene, listed_address
from geoships.scene.listing.places import places

NAMES = st.sampled_from(["a", "b", "A", "x"])
PATHS = st.tuples(st.lists(NAMES, max_size=3), st.sampled_from(["a", "b", "c_tif"]), st.sampled_from([".tif", ".jp2"]))


def scene(folders: list[str], stem: str, suffix: str = ".tif", kept: int = 1) -> ListedScene:
    return ListedScene("/".join([*folders, stem + suffix]), (*folders, stem), kept, suffix)


@given(st.dictionaries(PATHS.map(lambda path: ("/".join(path[0]).lower(), path[1], path[2])), st.integers(1, 4)))
def test_no_two_scenes_share_a_place(paths: dict[tuple[str, str, str], int]) -> None:
    scenes = []
    for (folders, stem, suffix), kept in paths.items():
        parts = [part for part in folders.split("/") if part]
        scenes.append(scene(parts, stem, suffix, min(kept, len(parts) + 1)))
    found = places(scenes)
    assert len({place.casefold() for place in found}) == len(scenes)
    for listed, place in zip(scenes, found, strict=True):
        *_, stem = listed.parts
        assert place.split("/")[-1] in (stem, f"{stem}_{listed.suffix[1:]}")


def test_a_scene_keeps_the_folders_below_that_of_the_search() -> None:
    found = places([scene(["in", "x"], "a", kept=2), scene(["in"], "b", kept=1)])
    assert found == ["x/a", "b"]


def test_scenes_of_one_name_keep_as_many_folders_as_tell_them_apart() -> None:
    assert places([scene(["in", "jan", "x"], "a"), scene(["in", "feb", "x"], "a")]) == ["jan/x/a", "feb/x/a"]
    assert places([scene(["in"], "a"), scene(["in", "x"], "a")]) == ["a", "x/a"]


def test_signs_of_addresses_that_no_file_may_have_are_replaced() -> None:
    one, other = listed_address("https://host:80/x/a.tif?key=1"), listed_address("https://host:80/y/a.tif")
    assert places([one, other]) == ["x/a", "y/a"]
    assert places([one, listed_address("s3://bucket/x/a.tif")]) == ["host_80/x/a", "bucket/x/a"]

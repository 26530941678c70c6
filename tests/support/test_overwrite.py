import os
from pathlib import Path

import pytest

from geoships.errors import OutputError
from geoships.support.overwrite import refuse_overwrites, set_aside


def test_what_exists_is_refused_and_all_of_it_counted(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).touch()
    refuse_overwrites([tmp_path / "new"], overwrite=False)
    with pytest.raises(OutputError, match=r"a exists already; name another, or use --overwrite"):
        refuse_overwrites([tmp_path / "new", tmp_path / "a"], overwrite=False)
    with pytest.raises(OutputError, match=r"a \(and 1 more of the outputs\) exists"):
        refuse_overwrites([tmp_path / "a", tmp_path / "b"], overwrite=False)
    refuse_overwrites([tmp_path / "a", tmp_path / "b"], overwrite=True)


def test_a_link_to_nothing_exists_too(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="exists already"):
        refuse_overwrites([tmp_path / "link"], overwrite=False)


@pytest.mark.parametrize("name", ["same", "./x/../same", "symbolic", "hard", "folder/same", "same.ovr", "out.tif"])
def test_an_input_is_never_replaced_under_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x").mkdir()
    Path("same").touch()
    Path("symbolic").symlink_to("same")
    os.link("same", "hard")
    Path("folder").symlink_to(".")
    Path("same.ovr").touch()
    Path("out.tif.msk").touch()  # writing out.tif deletes the mask beside it
    with pytest.raises(OutputError, match="is the input"):
        inputs = [Path("same").absolute(), Path("same.ovr"), Path("out.tif.msk")]
        refuse_overwrites([Path(name)], inputs, overwrite=True)


def test_nothing_is_written_into_a_folder_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.SAFE" / "deep").mkdir(parents=True)
    (tmp_path / "other").symlink_to(tmp_path / "a.SAFE" / "deep")
    for place in ("a.SAFE/new.tif", "a.SAFE/deep/new.tif", "other/new.tif"):
        with pytest.raises(OutputError, match="a part of it"):
            refuse_overwrites([tmp_path / place], [tmp_path / "a.SAFE"], overwrite=True)
    refuse_overwrites([tmp_path / "new.tif"], [tmp_path / "a.SAFE"], overwrite=True)


def fill(folder: Path, text: str) -> None:
    (folder / "parts").mkdir(exist_ok=True)
    (folder / "parts" / "one").write_text(text)
    (folder / "index").write_text(text)


@pytest.mark.parametrize("error", [None, OSError, KeyboardInterrupt])
def test_what_is_set_aside_is_back_after_an_error_and_gone_otherwise(
    tmp_path: Path, error: type[BaseException] | None
) -> None:
    fill(tmp_path, "old")
    (tmp_path / "parts" / "two").touch()
    (tmp_path / "kept").touch()
    names = [tmp_path / name for name in ("parts", "index", "not there")]
    try:
        with set_aside(names):
            assert not (tmp_path / "parts").exists()
            fill(tmp_path, "new")
            (tmp_path / "not there").touch()
            if error:
                raise error
    except (OSError, KeyboardInterrupt):
        assert error
    expected = {"parts", "index", "kept"} if error else {"parts", "index", "kept", "not there"}
    assert {path.name for path in tmp_path.iterdir()} == expected
    assert (tmp_path / "index").read_text() == (tmp_path / "parts" / "one").read_text() == ("old" if error else "new")
    assert (tmp_path / "parts" / "two").exists() == bool(error)


def test_where_one_cannot_be_moved_nothing_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "old")
    move = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == "index" and ".geoships" in str(target):
            raise PermissionError(13, "no")
        return move(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match="cannot write"), set_aside([tmp_path / "parts", tmp_path / "index"]):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"parts", "index"}
    assert (tmp_path / "parts" / "one").read_text() == "old"

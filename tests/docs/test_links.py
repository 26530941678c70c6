"""Links and images of the documentation lead somewhere."""

from __future__ import annotations

import tomllib
from pathlib import Path

from doc_pages import BUILT, PAGES, REPOSITORY, anchors, links


def is_built(path: str) -> bool:
    """Whether scripts/build_docs.py writes the page; a page of the gallery needs its example."""
    example = REPOSITORY / "examples" / f"{Path(path).stem}.py"
    return path.startswith(BUILT) and (not path.startswith("docs/gallery/") or example.exists())


def test_internal_links_anchors_and_images_resolve() -> None:
    broken = []
    for page, target in links():
        name, _, anchor = target.partition("#")
        path = (REPOSITORY / page).parent.joinpath(name).resolve() if name else REPOSITORY / page
        place = path.relative_to(REPOSITORY).as_posix()
        if is_built(place):
            continue
        if not path.exists() or (anchor and anchor not in anchors(place)):
            broken.append(f"{page}: {target}")
    assert not broken


def test_the_site_has_every_page_and_no_other() -> None:
    def pages(entry: object) -> list[str]:
        if isinstance(entry, str):
            return [f"docs/{entry}"]
        inner = entry.values() if isinstance(entry, dict) else entry
        return [page for part in inner for page in pages(part)]  # type: ignore[union-attr]

    listed = pages(tomllib.loads((REPOSITORY / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"])
    assert {page for page in listed if not is_built(page)} == {page for page in PAGES if page.startswith("docs/")}
    examples = {f"docs/gallery/{path.stem}.md" for path in REPOSITORY.glob("examples/*.py")}
    assert {page for page in listed if page.startswith("docs/gallery/")} == examples


def test_the_readme_fits_on_one_screen_or_two() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 90

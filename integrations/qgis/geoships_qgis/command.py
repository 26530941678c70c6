"""The command line of one run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

VECTOR, MASK, SCORES = "--out", "--mask", "--scores"

# Further options that name outputs which the plugin would not bring to their places, or files that tell of them
_NOT_HERE = frozenset({"-o", VECTOR, MASK, SCORES, "--out-dir", "--project", "--stac"})


@dataclass(frozen=True)
class Request:
    """What the user asks for; None and empty texts leave the choice to geoships.

    scene: path, subdataset or address, as `geoships predict` takes it.
    model: name of an installed model, or path of a bundle.
    threshold: score from which on a pixel is ship. min_area: smallest ship in square metres.
    area: vector file of the area of interest.
    bands: comma-separated band numbers or descriptions in the model's order.
    trust_vrt: open a virtual raster whatever files it refers to.
    more: further options, as typed on a command line.
    """

    scene: str
    model: str = ""
    threshold: float | None = None
    min_area: float | None = None
    area: Path | None = None
    bands: str = ""
    trust_vrt: bool = False
    more: str = ""

    def arguments(self, outputs: dict[str, Path]) -> list[str]:
        """Arguments of the `geoships` command. outputs: files to write, by option (VECTOR, MASK, SCORES).

        Raises ValueError where quotes of `more` are not closed, or it names outputs.

        >>> Request("a.tif", threshold=0.4, more="--views 4").arguments({VECTOR: Path("s.gpkg")})[:-4]
        ['predict', '--out=s.gpkg', '--threshold=0.4', '--views', '4']
        """
        options = {
            **outputs,
            "--model": self.model,
            "--threshold": self.threshold,
            "--min-area": self.min_area,
            "--area": self.area,
            "--bands": self.bands.strip(),
        }
        given = [f"{option}={value}" for option, value in options.items() if value is not None and value != ""]
        trust = ["--trust-vrt"] if self.trust_vrt else []
        more = split_options(self.more)
        wrong = sorted(_NOT_HERE.intersection(word.split("=", 1)[0] for word in more))
        if wrong:
            raise ValueError(f"{wrong[0]} cannot be among the further options: outputs have fields of their own")
        return ["predict", *given, *trust, *more, "--json", "--progress=json", "--", self.scene]


def scene_name(source: str) -> str:
    """A raster layer's source, as QGIS keeps it, in the words of `geoships predict`.

    >>> scene_name("/vsicurl/https://a.b/c.tif"), scene_name("/data/a.tif|option:NUM_THREADS=2")
    ('https://a.b/c.tif', '/data/a.tif')
    """
    name = source.split("|", 1)[0]
    for prefix, scheme in (("/vsicurl/", ""), ("/vsis3/", "s3://")):
        if name.startswith(prefix):
            return scheme + name[len(prefix) :]
    return name


def split_options(text: str) -> list[str]:
    r"""Options as a shell would part them, but with backslashes as they are: folders of Windows have them.

    Raises ValueError where quotes are not closed.

    >>> split_options(r"--views 4 --config 'C:\my files\a.yaml'")
    ['--views', '4', '--config', 'C:\\my files\\a.yaml']
    """
    words = shlex.shlex(text, posix=True)
    words.whitespace_split, words.commenters, words.escape = True, "", ""
    return list(words)


def printable(arguments: Sequence[str]) -> str:
    """One line for the log, to be pasted into a shell."""
    return " ".join(shlex.quote(argument) for argument in arguments)

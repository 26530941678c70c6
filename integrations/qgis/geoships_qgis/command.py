"""Builds the command line of a run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

VECTOR, MASK, SCORES = "--out", "--mask", "--scores"

# Options that the further options must not contain: output files that the plugin would not move to their final path
_OUTPUT_OPTIONS = frozenset({"-o", VECTOR, MASK, SCORES, "--out-dir", "--project", "--stac"})


@dataclass(frozen=True)
class Request:
    """The user's settings of a run; for None and empty strings, geoships uses its defaults.

    Attributes:
        scene: Path, subdataset or URL, as for `geoships predict`.
        model: Name of an installed model, or path of a bundle.
        threshold: Minimum score of a ship pixel.
        min_area: Minimum area of a ship in square metres.
        area: Vector file of the area of interest.
        bands: Comma-separated band numbers or descriptions in the model's order.
        trust_vrt: Open VRT files, which can refer to any other file.
        extra: Further options, as typed on a command line.
        server: Address of the server that computes the scene; empty: this computer does.
    """

    scene: str
    model: str = ""
    threshold: float | None = None
    min_area: float | None = None
    area: Path | None = None
    bands: str = ""
    trust_vrt: bool = False
    extra: str = ""
    server: str = ""

    def arguments(self, outputs: dict[str, Path]) -> list[str]:
        """Return the arguments of the `geoships` command.

        >>> Request("a.tif", threshold=0.4, extra="--views 4").arguments({VECTOR: Path("s.gpkg")})[:-4]
        ['predict', '--out=s.gpkg', '--threshold=0.4', '--views', '4']
        >>> Request("a.tif", server="https://ships.example.org").arguments({VECTOR: Path("s.gpkg")})[:4]
        ['remote', 'predict', '--out=s.gpkg', '--server=https://ships.example.org']

        Args:
            outputs: Files to write, by option (VECTOR, MASK, SCORES).

        Returns:
            Arguments after the name of the command.

        Raises:
            ValueError: `extra` has unclosed quotes or names an output.
        """
        options = {
            **outputs,
            "--model": self.model,
            "--threshold": self.threshold,
            "--min-area": self.min_area,
            "--area": self.area,
            "--bands": self.bands.strip(),
            "--server": self.server,
        }
        given = [f"{option}={value}" for option, value in options.items() if value is not None and value != ""]
        trust = ["--trust-vrt"] if self.trust_vrt else []
        extra = split_options(self.extra)
        forbidden = sorted(_OUTPUT_OPTIONS.intersection(word.split("=", 1)[0] for word in extra))
        if forbidden:
            raise ValueError(f"{forbidden[0]} is not allowed in the further options: set outputs in their own fields")
        command = ["remote", "predict"] if self.server else ["predict"]
        return [*command, *given, *trust, *extra, "--json", "--progress=json", "--", self.scene]


def scene_name(source: str) -> str:
    """Convert the source of a QGIS raster layer to a scene of `geoships predict`.

    >>> scene_name("/vsicurl/https://a.b/c.tif"), scene_name("/data/a.tif|option:NUM_THREADS=2")
    ('https://a.b/c.tif', '/data/a.tif')

    Args:
        source: Source string of the layer.

    Returns:
        Path, subdataset or URL.
    """
    name = source.split("|", 1)[0]
    for prefix, scheme in (("/vsicurl/", ""), ("/vsis3/", "s3://")):
        if name.startswith(prefix):
            return scheme + name[len(prefix) :]
    return name


def split_options(text: str) -> list[str]:
    r"""Split options like a shell, but keep backslashes, which separate folders on Windows.

    >>> split_options(r"--views 4 --config 'C:\my files\a.yaml'")
    ['--views', '4', '--config', 'C:\\my files\\a.yaml']

    Args:
        text: Options as typed on a command line.

    Returns:
        The arguments.

    Raises:
        ValueError: Quotes are not closed.
    """
    words = shlex.shlex(text, posix=True)
    words.whitespace_split, words.commenters, words.escape = True, "", ""
    return list(words)


def printable(arguments: Sequence[str]) -> str:
    """Return the arguments as one line for the log, quoted for a shell."""
    return " ".join(shlex.quote(argument) for argument in arguments)

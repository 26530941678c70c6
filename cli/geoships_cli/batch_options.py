"""Options of a run over many scenes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from geoships_cli.options import OUTPUTS, RUN, SPEED, OutputOptions, ProgressRunOptions

if TYPE_CHECKING:
    from geoships.cluster.run import RunOptions
    from geoships.cluster.selection import Shard


@dataclass(frozen=True)
class BatchOptions(ProgressRunOptions):
    """What is printed of a run, and how many scenes are run."""

    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="With --out-dir: try again what failed before", rich_help_panel=OUTPUTS),
    ] = False
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, help="With --out-dir: processes, or actors of --ray", show_default="1",
            rich_help_panel=SPEED,
        ),
    ] = None  # fmt: skip
    ray: Annotated[
        str | None,
        typer.Option(
            help="With --out-dir: run on a cluster of Ray: local, auto or an address", metavar="ADDRESS",
            rich_help_panel=SPEED,
        ),
    ] = None  # fmt: skip
    shard: Annotated[
        str | None,
        typer.Option(
            help="With --out-dir: part I of N, e.g. 2/8, or auto in an array", metavar="I/N", rich_help_panel=SPEED
        ),
    ] = None
    scene_timeout: Annotated[
        float | None,
        typer.Option(min=0.001, help="With --out-dir: seconds that a scene may take", rich_help_panel=SPEED),
    ] = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--no-resume", help="With --out-dir: keep the finished parts of a large scene that is stopped",
            rich_help_panel=OUTPUTS,
        ),
    ] = True  # fmt: skip
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would run, and what not and why", rich_help_panel=RUN),
    ] = False

    def check(self, outputs: OutputOptions) -> None:
        """Refuse options for many scenes where there is one.

        Raises:
            typer.BadParameter: Says which option belongs to --out-dir.
        """
        given = {
            "--retry-failed": self.retry_failed,
            "--jobs": self.jobs is not None,
            "--ray": self.ray is not None,
            "--shard": self.shard is not None,
            "--scene-timeout": self.scene_timeout is not None,
            "--no-resume": not self.resume,
        }
        for name, is_given in given.items():
            if is_given and outputs.out_dir is None:
                raise typer.BadParameter(f"{name} belongs to --out-dir", param_hint=name)

    def part(self) -> Shard | None:
        """The part of the scenes that is run; None: all.

        Raises:
            typer.BadParameter: There is no such part.
        """
        from geoships.cluster.selection import parse_shard
        from geoships.errors import GeoshipsError

        try:
            return parse_shard(self.shard) if self.shard is not None else None
        except GeoshipsError as error:
            raise typer.BadParameter(str(error), param_hint="--shard") from error

    def run_options(self) -> RunOptions:
        """The options as the library takes them."""
        from geoships.cluster.blocks import Blocks
        from geoships.cluster.run import RunOptions

        return RunOptions(
            self.jobs, self.scene_timeout, self.retry_failed, blocks=Blocks(resume=self.resume), ray=self.ray
        )

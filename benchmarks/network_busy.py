"""Share of a run's time in which the network computes; in the rest, scenes are read and ships joined beside nothing.

    uv run python benchmarks/network_busy.py SCENE

OpenVINO on a CPU. The clock starts when the first tile goes to the network and ends with its last one, so that loading
and the writing of the last rows do not count; the share of the whole run is printed as well. The screen does not count.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from geoships import predict
from geoships.model.engines import sessions
from geoships.support.memory import use_one_arena


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path)
    options = parser.parse_args()
    use_one_arena()
    spans: dict[int, list[tuple[float, float]]] = {}
    compute = sessions.OpenvinoSession.__call__

    def timed(session: sessions.OpenvinoSession, image: sessions.Image) -> sessions.Image:
        started = time.perf_counter()
        scores = compute(session, image)
        spans.setdefault(image.size, []).append((started, time.perf_counter()))
        return scores

    sessions.OpenvinoSession.__call__ = timed  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        started = time.perf_counter()
        result = predict(options.scene, out=out / "s.gpkg", mask=out / "m.tif", scores=out / "p.tif")
        whole = time.perf_counter() - started
    tiles = spans[max(spans)]  # what the screen computes is smaller
    busy = sum(stop - start for start, stop in tiles)
    between = tiles[-1][1] - tiles[0][0]
    print(
        f"{len(result.ships)} ships, {len(tiles)} tiles; the network computes for {busy:.1f} s, {busy / whole:.1%} of "
        f"{whole:.1f} s, and {busy / between:.1%} of the {between:.1f} s from its first to its last tile"
    )


if __name__ == "__main__":
    main()

"""Pixels that the network computes per pixel of a scene: the tile plan compared with tiles of one size.

    uv run python benchmarks/tile_plans.py

Only arithmetic, for the installed five-band model and a plan within 1.5 GiB, as with 18 GiB of memory or more.
"""

from __future__ import annotations

from geoships import load_bundle
from geoships.model.engines.choose import PIXEL_BYTES
from geoships.model.engines.device import MAX_CPU_BYTES, MAX_CPU_PIXELS
from geoships.scene.tiling.plan import Limits, bytes_per_row, plan_scene, tile_context
from geoships.scene.tiling.resample import ratio
from geoships.scene.tiling.windows import TilePlan, Window

SCENES = ((1_038, 1_980), (2_048, 2_048), (10_980, 10_980), (30_000, 30_000))
BLOCK = 512  # columns of a block of the file
SCENE_BYTES = 11  # per pixel: five bands of uint16, and the validity mask
FIXED = 1_024, 512  # maximum tile size and overlap of the plan that is compared


def most(pixel_bytes: int) -> int:
    """Pixels of the largest tile."""
    return min(MAX_CPU_PIXELS, MAX_CPU_BYTES // pixel_bytes)


def computed(plan: TilePlan, scene: Window) -> float:
    height, width = plan.tile_shape
    return len(plan) * height * width / (scene.height * scene.width)


def main() -> None:
    card = load_bundle().card
    size = ratio(10.0, card.gsd, card.gsd_range, card.step)
    same = size, size
    print("| scene | tiles of at most 1,024, overlap 512 | this plan, bf16 | float32 |\n| --- | --- | --- | --- |")
    for height, width in SCENES:
        scene = Window(0, 0, height, width)
        held = bytes_per_row(width, BLOCK, SCENE_BYTES)
        small, large = (PIXEL_BYTES["openvino", precision] for precision in ("bf16", "fp32"))
        fixed = plan_scene(scene, same, tile_context(card.halo, FIXED[1]), Limits(most(large)), FIXED[0])
        plans = [
            plan_scene(scene, same, tile_context(card.halo), Limits(most(each), held, each), views=card.views)
            for each in (small, large)
        ]
        plans.insert(0, fixed)
        shares = " | ".join(f"{computed(plan, scene):.2f}" for plan in plans)
        print(f"| {height:,} x {width:,} | {shares} |")


if __name__ == "__main__":
    main()

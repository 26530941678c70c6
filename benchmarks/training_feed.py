"""Share of a training step that is the network's: steps on one ready batch against steps on crops made beside them.

    uv run python benchmarks/training_feed.py SEN2SHIPS [--config CONFIG] [--steps 40] [--workers 1]

Prints crops per second of the network alone, of crops alone on one core, and of both together, and the share of the
network's time in that of both. Nothing else may use the CPU meanwhile.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory

from geoships.support.threads import yield_while_waiting

yield_while_waiting()  # as `geoships train` does

import torch  # noqa: E402
from lightning.fabric import Fabric  # noqa: E402

from geoships.config import TrainConfig, train_config  # noqa: E402
from geoships.training.run import hardware, quiet_lightning  # noqa: E402
from geoships.training.segmentation.crop_maker import Batch, CropMaker  # noqa: E402
from geoships.training.segmentation.data import open_data  # noqa: E402
from geoships.training.segmentation.depthwise import Float32Depthwise  # noqa: E402
from geoships.training.segmentation.feed import Feed  # noqa: E402
from geoships.training.segmentation.fit import starting_network  # noqa: E402
from geoships.training.segmentation.losses import WeightedLoss  # noqa: E402

WARM_UP = 4  # steps that are not measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--config", type=Path, default=Path("configs/sentinel2-5band.yaml"))
    parser.add_argument("--ignore", type=Path, default=Path("data/annotations"))
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    changes = [f"data.root={options.data}", f"data.ignore={options.ignore.resolve()}"]
    if options.workers:
        changes.append(f"run.workers={options.workers}")
    config = train_config(options.config, tuple(changes))
    with quiet_lightning(), TemporaryDirectory() as folder:
        fabric = Fabric(**hardware(config.run))
        data = open_data(config, Path(folder))
        measure(config, CropMaker(data.atlas.to(fabric.device), data.recipe, config), fabric, options.steps)


def measure(config: TrainConfig, maker: CropMaker, fabric: Fabric, steps: int) -> None:
    size = config.run.batch_size

    def make(number: int) -> Batch:
        return maker.make(range(number * size, (number + 1) * size))

    ready = make(0)
    started = time.thread_time()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for number in range(steps):
        make(number)
    crops = (time.thread_time() - started) / steps
    torch.set_num_threads(threads)
    alone = seconds(config, fabric, repeat(ready), steps)
    with Feed(make, config.run.workers) as feed:
        both = seconds(config, fabric, iter(feed), steps)
    print(
        f"{threads} threads, {config.run.workers} of them for crops, "
        f"batches of {size} crops of {config.crops.size} pixels"
    )
    print(f"network alone {size / alone:7.1f} crops/s")
    print(f"crops alone   {size / crops:7.1f} crops/s on one core")
    print(f"both          {size / both:7.1f} crops/s")
    print(f"the network's share of a step: {alone / both:.1%}")


def seconds(config: TrainConfig, fabric: Fabric, batches: Iterator[Batch], steps: int) -> float:
    """Seconds of a step: forward, backward and the optimiser."""
    torch.manual_seed(0)
    network = starting_network(config).train()
    module, optimiser = fabric.setup(network, torch.optim.AdamW(network.parameters(), 1e-4))
    loss = WeightedLoss({str(name): weight for name, weight in config.loss.items()}, config.pixels.ship)
    for number in range(steps + WARM_UP):
        if number == WARM_UP:
            started = time.perf_counter()
        batch = next(batches)
        with Float32Depthwise():
            logits = module(batch["image"])
        fabric.backward(loss(logits.float(), batch["mask"], batch["weight"]))
        optimiser.step()
        optimiser.zero_grad()
    if fabric.device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / steps


if __name__ == "__main__":
    main()

"""Two small labelled scenes, and the settings of a training that takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest
from labelled_scenes import write_scene


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two scenes, `east` and `west`, and their ships."""
    folder = tmp_path_factory.mktemp("labelled")
    write_scene(folder, "east", seed=1)
    write_scene(folder, "west", seed=2)
    return folder


@pytest.fixture
def settings(labelled: Path, tmp_path: Path) -> Path:
    """A YAML file of a tiny network on these scenes."""
    path = tmp_path / "tiny.yaml"
    path.write_text(f"""
name: tiny
data:
  root: {labelled}
  scenes: ["*.tif"]
  labels: .
  bands: [green, nir]
  validation: {{groups: [west], block: 64}}
network:
  options: {{encoder_depth: 3, decoder_channels: [24, 16, 8]}}
crops: {{size: 64}}
optimiser: {{rate: 3e-3}}
run:
  {{crops: 48, batch_size: 4, validate_every: 16, log_every: 4, precision: fp32, device: cpu, ema: 0.5, keep: last,
  pictures: 2}}
bundle: {{halo: 16}}
""")
    return path

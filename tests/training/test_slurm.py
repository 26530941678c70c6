"""Trainings on machines of a SLURM cluster."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
from lightning.fabric import Fabric

from geoships.training.run import quiet_lightning


def test_one_process_beside_slurm_gets_no_advice_to_use_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    srun = tmp_path / "srun"
    srun.write_text("#!/bin/sh\n")
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.warns(UserWarning, match="`srun` command is available"):
        Fabric(accelerator="cpu", devices=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with quiet_lightning():
            assert Fabric(accelerator="cpu", devices=1).world_size == 1

"""What an installation for inference leaves out, see requirements/lean.txt."""

from __future__ import annotations

# modules, and the packages that hold them: for training, other engines and other formats
LEFT_OUT = {
    "h5py": "h5py",
    "kaggle": "kaggle",
    "matplotlib": "matplotlib",
    "pyarrow": "pyarrow",
    "pyogrio": "pyogrio",
    "segmentation_models_pytorch": "segmentation-models-pytorch",
    "sklearn": "scikit-learn",
    "timm": "timm",
    "torch": "torch",
    "torchgeo": "torchgeo",
    "torchvision": "torchvision",
}

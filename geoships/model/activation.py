"""From a network's logits to the scores of its classes."""

from __future__ import annotations

import torch

from geoships.model.card import Activation


def class_scores(logits: torch.Tensor, activation: Activation) -> torch.Tensor:
    """Scores of the classes, 0 to 1.

    With ``softmax`` the background, which is no output of the network, has the logit 0: the scores of a pixel and that
    of its background sum to 1. For one class that is the sigmoid.

    Args:
        logits: (n, classes, ...).
        activation: ``sigmoid``: each class by itself. ``softmax``: a pixel belongs to one class at most.

    Returns:
        The same shape.

    >>> class_scores(torch.tensor([[0.0, 0.0]]), "softmax").tolist()[0]
    [0.3333333432674408, 0.3333333432674408]
    """
    if activation == "sigmoid":
        return logits.sigmoid()
    return with_background(logits).softmax(1)[:, 1:]


def with_background(logits: torch.Tensor) -> torch.Tensor:
    """Logits (n, 1 + classes, ...) of a softmax over the background, whose logit is 0, and the classes."""
    return torch.cat((torch.zeros_like(logits[:, :1]), logits), 1)

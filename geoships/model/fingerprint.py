"""The hash of a model, by which converted files are known again."""

from __future__ import annotations

import hashlib

from geoships.model.bundle import Bundle
from geoships.model.weights import raw_tensor

_KNOWN, _WHOLE = "_fingerprint", "_digest"  # are kept with a bundle: hashing its weights takes 50 ms


def fingerprint(bundle: Bundle) -> str:
    """Hash of all that decides a bundle's scores: architecture, weights, normalisation and temperature."""
    known: str | None = bundle.__dict__.get(_KNOWN)
    if known is None:
        known = bundle.__dict__[_KNOWN] = _hash(bundle)
    return known


def bundle_digest(bundle: Bundle) -> str:
    """Hash of all of a bundle: its card, its weights and those of its verifier, screen and int8 variant."""
    known: str | None = bundle.__dict__.get(_WHOLE)
    if known is None:
        known = bundle.__dict__[_WHOLE] = _hash_all(bundle)
    return known


def _hash_all(bundle: Bundle) -> str:
    digest = hashlib.sha256()
    for part in (bundle, bundle.verifier):
        if part is not None:
            digest.update(part.card.to_json().encode())
            digest.update(fingerprint(part).encode())
    for content in bundle.int8 or ():
        digest.update(hashlib.sha256(content).digest())
    head = bundle.screen.weights if bundle.screen else {}
    for name in sorted(head):
        digest.update(name.encode() + raw_tensor(head, name).data)
    return digest.hexdigest()


def _hash(bundle: Bundle) -> str:
    card = bundle.card
    digest = hashlib.sha256(type(bundle).__qualname__.encode())
    for text in (card.network.model_dump_json(), card.input.model_dump_json(), f"{card.temperature} {card.tasks}"):
        digest.update(text.encode())
    if card.several:
        digest.update(f"{card.activation} over {len(card.classes)} classes".encode())
    for name in sorted(bundle.weights):
        value = raw_tensor(bundle.weights, name)
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(value.data)
    return digest.hexdigest()

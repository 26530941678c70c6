"""Training of verifiers: labelled scenes and what was found in them in, a classifier of found ships out."""

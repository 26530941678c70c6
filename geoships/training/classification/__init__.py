"""Training of classifiers of chips: labelled chips in, weights out."""

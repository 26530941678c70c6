"""Models: networks, bundles and the engines that run them."""

"""Runs that Weights & Biases has kept on disk, offline or not, read without its library."""

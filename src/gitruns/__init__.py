"""Experiment tracking that lives in git: every run is a commit, a child of the exact code it ran."""

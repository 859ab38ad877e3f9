"""Doors of other libraries: each integration is found by that library, and imports it when it is used."""

"""A curve in one line of text."""

from __future__ import annotations

from gitruns.entities.showing import BLOCKS as BLOCKS
from gitruns.entities.showing import sparkline as sparkline

ASCII_BLOCKS = "_.,-~=+*"

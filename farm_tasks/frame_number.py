"""The number in the name of a sequence, as renderers write it."""

from __future__ import annotations

import re

FRAME_NUMBER = re.compile(r"#+|@+|%0?[0-9]*d|\$F[0-9]*")
"""``####``, ``@@@@``, ``%04d`` and ``$F4``."""

"""Rendered frames become a movie for review.

:func:`find_frames` finds a sequence and looks at every frame, :func:`make_movie` encodes it. A
frame goes from :mod:`~farm_tasks.media.picture` (its pixels) through
:mod:`~farm_tasks.media.colour` and :mod:`~farm_tasks.media.drawing` to
:mod:`~farm_tasks.media.planes` (Y', Cb and Cr) and :mod:`~farm_tasks.media.encoder`. The colours'
:mod:`~farm_tasks.media.configuration` may come with a message, and has its
:mod:`~farm_tasks.media.trial` first.

Needs the extra ``media``. Imported by the worker's publishing alone; may import
:mod:`farm_tasks.errors`, :mod:`farm_tasks.confinement`, :mod:`farm_tasks.frame_rate` and
:mod:`farm_tasks.transfer`; knows neither Celery nor Kitsu.
"""

from __future__ import annotations

from farm_tasks.errors import NotConfigured

try:
    import av as _av  # noqa: F401
    import fileseq as _fileseq  # noqa: F401
    import numpy as _numpy  # noqa: F401
    import OpenImageIO as _OpenImageIO  # noqa: F401
    import PIL as _PIL  # noqa: F401
    import PyOpenColorIO as _PyOpenColorIO  # noqa: F401
except ImportError as error:
    raise NotConfigured(
        f"Movies of frames need more packages ({error.name or error} is missing here): "
        "pip install 'farm-tasks[media]'"
    ) from error

from farm_tasks.media.encoding import Encoding
from farm_tasks.media.movie import Movie, make_movie
from farm_tasks.media.sequence import Frame, FrameSequence, find_frames

__all__ = ["Encoding", "Frame", "FrameSequence", "Movie", "find_frames", "make_movie"]

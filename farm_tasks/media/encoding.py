"""What a movie shall be like."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

from farm_tasks.errors import InvalidArgument
from farm_tasks.frame_rate import frame_rate

BURN_INS = ("shot", "artist", "date", "frame")
"""What can be drawn into every frame: ``frame`` is its number, the others come from the labels."""

PRESETS = "ultrafast superfast veryfast faster fast medium slow slower veryslow".split()


@dataclass(frozen=True)
class Encoding:
    """The settings of one movie, checked.

    Args:
        fps: Frames per second, see :func:`farm_tasks.frame_rate.frame_rate`.
        color_config: An OpenColorIO configuration: a file's path, the name of a built-in one
            (``studio-config-v2.2.0_aces-v1.3_ocio-v2.4``), or ``ocio://...``. None: what ``$OCIO``
            names, else ``ocio://default``.
        color_space: What the frames are in. None: by the kind of file, see
            :mod:`farm_tasks.media.colour`.
        display: Of the configuration. None: its default.
        view: Of the display. None: its default.
        burn_in: Of :data:`BURN_INS`.
        slate: One more frame, before the first, with the labels.
        logo: Path of a PNG or JPEG for the upper right corner.
        silent_audio: A silent AAC track as long as the picture, for viewers that want one.
        crf: x264's constant rate factor, 1 (best) to 51.
        preset: x264's preset.
        font: Path of a TrueType or OpenType file, for other letters than ASCII's. It is a setting
            of this machine: no confinement applies to it.
        threads: Of the encoder, and as many for reading and colour at the same time. The bytes of
            the movie depend on it, so it is a fixed number and not the machine's.

    Raises:
        InvalidArgument: one of them is not usable.
    """

    fps: str = "24"
    color_config: str | None = None
    color_space: str | None = None
    display: str | None = None
    view: str | None = None
    burn_in: tuple[str, ...] = ()
    slate: bool = False
    logo: str | None = None
    silent_audio: bool = False
    crf: int = 18
    preset: str = "slow"
    font: str | None = None
    threads: int = 2
    rate: Fraction = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", frame_rate(self.fps))
        object.__setattr__(self, "burn_in", tuple(self.burn_in))
        unknown = [str(one)[:40] for one in self.burn_in if one not in BURN_INS]
        if unknown:
            raise InvalidArgument(
                f"burn_in: {', '.join(unknown)} is not one of {', '.join(BURN_INS)}."
            )
        if not 1 <= self.crf <= 51:
            raise InvalidArgument(f"crf: {self.crf} is not from 1 (best) to 51.")
        if self.preset not in PRESETS:
            raise InvalidArgument(f"preset: {self.preset!r} is not one of {', '.join(PRESETS)}.")
        if not 1 <= self.threads <= 64:
            raise InvalidArgument(f"threads: {self.threads} is not from 1 to 64.")

    @property
    def group_of_pictures(self) -> int:
        """Frames from one key frame to the next: a second, so that seeking is quick."""
        return math.ceil(self.rate)

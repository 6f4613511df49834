"""From the frames' colour space to that of a display, by OpenColorIO.

Frames go through a display and view of the configuration from the space that is given, else:

- EXR, and any file of floats: as the file rules of a studio's configuration say, else from its
  role ``scene_linear``. The built-in configurations take every EXR for ACES2065-1, which is for
  exchange, and renderers write the working space: their rules are left out.
- DPX of whole numbers: from what those rules say, else as PNG.
- PNG, JPEG, and TIFF of whole numbers are made for a display already, and left as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import PyOpenColorIO as ocio  # noqa: N813 - as its own documentation does

from farm_tasks.confinement import current
from farm_tasks.errors import InvalidArgument
from farm_tasks.media.configuration import Configuration, is_of_message, near_to
from farm_tasks.media.encoding import Encoding
from farm_tasks.media.picture import Header
from farm_tasks.media.trial import digests_of

_LINEAR = "scene_linear"
_NOT_AS_TAGGED = re.compile(r"p3|2020|2100|2084|pq|hlg|hdr|dcdm|xyz|2\.6", re.IGNORECASE)


class DisplayTransform:
    """What is done to the colour of every frame.

    Args:
        encoding: Its configuration, colour space, display and view.
        path: Of the first frame, for the configuration's file rules.
        header: Of that frame.
        is_trial: This process is there to see whether it can be done.

    Attributes:
        name: From what to what, for people.
        warnings: What was assumed and may be wrong.
        digests: SHA-256 in hex of each file of a configuration that a message named, by its path.

    Raises:
        InvalidArgument: the configuration cannot be used, or does not have what was asked for.
        FileMissing: the configuration, or one of its look-up tables, is not there.
        OutsideRoots, FileUnreadable: of a configuration that was given, something is not to be
            read here.
    """

    def __init__(
        self, encoding: Encoding, path: str, header: Header, is_trial: bool = False
    ) -> None:
        self.warnings: list[str] = []
        self.digests: dict[str, str] = {}
        self.name = "as the frames are, for an sRGB display"
        self._processor: ocio.CPUProcessor | None = None
        if encoding.color_space is None and _is_for_display(header):
            self._leave(encoding, header)
            return
        confined, tried = current(), None
        if is_of_message(encoding.color_config) and confined is not None and not is_trial:
            tried = digests_of(confined, encoding, path, header)
        configuration = Configuration(encoding.color_config, tried)
        config = configuration.config
        space = encoding.color_space or _assumed(config, configuration.built_in, path, header)
        if space is None:
            self._leave(encoding, header)
            return
        if config.getColorSpace(space) is None:
            raise _unknown("color_space", space, config, _spaces(config))
        display = encoding.display or config.getDefaultDisplay()
        if display not in config.getDisplays():
            raise _unknown("display", display, config, config.getDisplays())
        view = encoding.view or config.getDefaultView(display, space)
        if view not in config.getViews(display):
            raise _unknown("view", view, config, config.getViews(display))
        self.name = f"{config.getColorSpace(space).getName()} to {display}, {view}"
        if _NOT_AS_TAGGED.search(display):
            self.warnings.append(
                f"The movie is tagged as Rec. 709 with the sRGB curve, and {display!r} is another "
                "kind of display: its colours are shown wrong elsewhere."
            )
        transform = ocio.DisplayViewTransform(space, display, view)
        self._processor = configuration.processor(transform, self.name)
        self.digests = configuration.digests

    def apply(self, pixels: npt.NDArray[np.float32]) -> None:
        """Change ``pixels`` (height x width x RGB, contiguous) in place. Threads may do so at once.

        What is not a number becomes 0; the infinite becomes the largest that a half float holds.
        """
        if not np.isfinite(pixels).all():
            np.nan_to_num(pixels, copy=False, nan=0.0, posinf=65504.0, neginf=-65504.0)
        if self._processor is not None:
            self._processor.applyRGB(pixels)

    def _leave(self, encoding: Encoding, header: Header) -> None:
        if encoding.display or encoding.view:
            self.warnings.append(
                "The display and the view were not applied: frames of this kind are for a display "
                "already. Give color_space if these are not."
            )
        if "log" in header.transfer.lower():
            self.warnings.append(
                f"The DPX files say that they are {header.transfer}, and no color_space was given: "
                "they are shown as they are."
            )


def _is_for_display(header: Header) -> bool:
    return header.kind in {"png", "jpeg"} or (header.kind == "tiff" and not header.floating)


def _assumed(config: ocio.Config, built_in: bool, path: str, header: Header) -> str | None:
    """The colour space of frames that nothing was said of; None if they are for a display."""
    if not built_in and not config.filepathOnlyMatchesDefaultRule(path):
        space: str = config.getColorSpaceFromFilepath(path)[0]
        return space
    if header.kind != "openexr" and not header.floating:
        return None
    if not config.hasRole(_LINEAR):
        raise InvalidArgument(
            f"The configuration {config.getName()} has no role {_LINEAR}: give color_space."
        )
    return _LINEAR


def _spaces(config: ocio.Config) -> list[str]:
    return [*config.getColorSpaceNames(), *(role[0] for role in config.getRoles())]


def _unknown(
    argument: str, value: str, config: ocio.Config, known: Iterable[str]
) -> InvalidArgument:
    return InvalidArgument(
        f"{argument}: {value[:80]!r} is not in the configuration {config.getName()!r}."
        f"{near_to(value, list(known))}"
    )

"""From the frames' colour space to that of a display, by OpenColorIO.

Frames go through a display and view of the configuration from the space that is given, else:

- EXR, and any file of floats: as the file rules of a studio's configuration say, else from its
  role ``scene_linear``. The built-in configurations take every EXR for ACES2065-1, which is for
  exchange, and renderers write the working space: their rules are left out.
- DPX of whole numbers: from what those rules say, else as PNG.
- PNG, JPEG, and TIFF of whole numbers are made for a display already, and left as they are.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PyOpenColorIO as ocio  # noqa: N813 - as its own documentation does

from farm_tasks.confinement import current
from farm_tasks.errors import FileMissing, InvalidArgument
from farm_tasks.media.encoding import Encoding
from farm_tasks.media.picture import Header

_BUILT_IN = "ocio://"
_LINEAR = "scene_linear"
_NOT_AS_TAGGED = re.compile(r"p3|2020|2100|2084|pq|hlg|hdr|dcdm|xyz|2\.6", re.IGNORECASE)


class DisplayTransform:
    """What is done to the colour of every frame.

    Args:
        encoding: Its configuration, colour space, display and view.
        path: Of the first frame, for the configuration's file rules.
        header: Of that frame.

    Attributes:
        name: From what to what, for people.
        warnings: What was assumed and may be wrong.

    Raises:
        InvalidArgument: the configuration cannot be used, or does not have what was asked for.
        FileMissing: the configuration is not there.
        OutsideRoots: a configuration that was given is not to be read here.
    """

    def __init__(self, encoding: Encoding, path: str, header: Header) -> None:
        self.warnings: list[str] = []
        self.name = "as the frames are, for an sRGB display"
        self._processor: ocio.CPUProcessor | None = None
        if encoding.color_space is None and _is_for_display(header):
            self._leave(encoding, header)
            return
        config, built_in = _config(encoding.color_config)
        space = encoding.color_space or _assumed(config, built_in, path, header)
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
        try:
            transform = ocio.DisplayViewTransform(space, display, view)
            self._processor = config.getProcessor(transform).getDefaultCPUProcessor()
        except ocio.Exception as error:
            raise InvalidArgument(
                f"{self.name}: OpenColorIO cannot do that{_reason(encoding.color_config, error)}. "
                "See what ociocheck says of the configuration."
            ) from error

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


def _config(given: str | None) -> tuple[ocio.Config, bool]:
    """The configuration, and whether it is one of OpenColorIO's own."""
    name = given or os.environ.get("OCIO") or "ocio://default"
    registry = ocio.BuiltinConfigRegistry()
    if name in {one[0] for one in registry.getBuiltinConfigs()}:
        name = _BUILT_IN + name
    built_in = name.startswith(_BUILT_IN)
    setting = "color_config" if given else "OCIO"
    if not built_in:
        confined = current()
        if given and confined is not None:
            name = str(confined.source(name))
        if not Path(name).is_file():
            raise FileMissing(f"{setting}: {name} does not exist on this machine.")
    try:
        return ocio.Config.CreateFromFile(name), built_in
    except ocio.Exception as error:
        names = [one[0] for one in registry.getBuiltinConfigs()] if built_in else []
        raise InvalidArgument(
            f"{setting}: {name} is no OpenColorIO configuration{_reason(given, error)}."
            f"{_near(name.removeprefix(_BUILT_IN), names)}"
        ) from error


def _reason(given: str | None, error: ocio.Exception) -> str:
    """What OpenColorIO says, unless it may quote a file that only this worker may read."""
    return "" if given and current() is not None else f" ({str(error)[:200]})"


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
        f"{_near(value, list(known))}"
    )


def _near(value: str, known: list[str]) -> str:
    folded = {one.lower(): one for one in known}
    near = difflib.get_close_matches(value[:80].lower(), folded, 5, 0.4)
    near += [one for one in folded if value.lower() in one and one not in near][:5]
    shown = [folded[one] for one in near] or known[:10]
    return f" Near that: {', '.join(map(repr, shown))}." if shown else ""

"""What is drawn: texts and a logo over frames, slates, and frames that stand for missing ones.

Everything scales with the height of the picture. Texts are white on a dark veil, so that they can
be read on any picture. The font is the one that Pillow brings, which has ASCII's letters alone,
unless another one is given.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from unicodedata import combining

import numpy as np
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from farm_tasks.errors import InvalidArgument
from farm_tasks.media.encoding import Encoding
from farm_tasks.media.frame_file import file_bytes
from farm_tasks.media.planes import RGB
from farm_tasks.plain_text import plain

_LONGEST_TEXT = 200
_VEIL = 0.6  # how much of the picture it takes away
_TEXT_SHARE, _SMALLEST_TEXT = 1 / 32, 9  # of the height; pixels
_LOGO_SHARE = 1 / 8  # of the height, and at most twice that of the width
_LARGEST_LOGO = 64 * 1024**2  # bytes, and pixels
_CORNERS = {"shot": (0.0, 0.0), "artist": (0.0, 1.0), "date": (0.5, 1.0), "frame": (1.0, 1.0)}


@dataclass(frozen=True)
class Overlay:
    """Something to lay over a picture.

    Attributes:
        left: Its first column in the picture.
        top: Its first row.
        colour: Rows x columns x RGB, multiplied by how opaque it is.
        kept: Rows x columns x 1: how much of the picture is seen through it.
    """

    left: int
    top: int
    colour: RGB
    kept: RGB

    def blend(self, rgb: RGB, first_row: int) -> None:
        """Lay it over ``rgb``, rows of the picture from ``first_row`` on, in place."""
        top = max(self.top, first_row)
        bottom = min(self.top + len(self.colour), first_row + len(rgb))
        if top >= bottom:
            return
        part = rgb[top - first_row : bottom - first_row, self.left : self.left + self.kept.shape[1]]
        own = slice(top - self.top, bottom - self.top)
        np.clip(part, 0.0, 1.0, out=part)
        part *= self.kept[own]
        part += self.colour[own]


class Drawing:
    """Draws for pictures of one size.

    Args:
        width: In pixels.
        height: In pixels.
        encoding: What to burn in.
        labels: Texts by name; those of :data:`~farm_tasks.media.encoding.BURN_INS` are drawn where
            they were asked for.

    Attributes:
        warnings: What a person should know of it.

    Raises:
        InvalidArgument: the logo is no PNG or JPEG, or far too large; or the font is none.
    """

    def __init__(
        self, width: int, height: int, encoding: Encoding, labels: Mapping[str, str]
    ) -> None:
        self.warnings: list[str] = []
        self._width, self._height = width, height
        self._font_path = encoding.font
        self._text_size = max(round(height * _TEXT_SHARE), _SMALLEST_TEXT)
        self._margin = max(self._text_size // 2, 2)
        self._with_frame = "frame" in encoding.burn_in
        self._fixed = [
            self._text(labels[name], _CORNERS[name])
            for name in encoding.burn_in
            if name != "frame" and labels.get(name)
        ]
        if encoding.logo is not None:
            self._fixed.append(self._logo(encoding.logo))

    def overlays(self, frame: str) -> list[Overlay]:
        """What is laid over the frame of that number."""
        if not self._with_frame:
            return self._fixed
        return [*self._fixed, self._text(frame, _CORNERS["frame"])]

    def slate(self, labels: Mapping[str, str]) -> RGB:
        """A picture with the labels, one in a line."""
        lines = [f"{name.replace('_', ' ').capitalize()}: {text}" for name, text in labels.items()]
        return self._card(lines, 0.08)

    def notice(self, text: str) -> RGB:
        """A black picture that says ``text``."""
        return self._card([text], 0.0)

    def _card(self, lines: Sequence[str], grey: float) -> RGB:
        card: RGB = np.full((self._height, self._width, 3), grey, np.float32)
        size = round(min(self._text_size * 1.5, self._height * 0.8 / max(len(lines), 1) / 1.6))
        step = max(round(size * 1.6), 1)
        top = (self._height - step * len(lines)) // 2
        for place, line in enumerate(lines):
            text = self._drawn(line, max(size, 4), self._width - 4 * self._margin)
            left = max((self._width - text.width) // 2, 0) if len(lines) == 1 else 2 * self._margin
            self._lay(text, left, top + place * step).blend(card, 0)
        return card

    def _text(self, text: str, corner: tuple[float, float]) -> Overlay:
        room = self._width - 2 * self._margin
        drawn = self._drawn(text, self._text_size, room // 3 if corner[1] else room * 2 // 3)
        veiled = Image.new("RGBA", (drawn.width + self._margin * 2, drawn.height), (0, 0, 0, 0))
        veiled.paste((0, 0, 0, round(_VEIL * 255)), (0, 0, *veiled.size))
        veiled.alpha_composite(drawn, (self._margin, 0))
        return self._lay(veiled, *self._place(veiled, corner))

    def _place(self, image: Image.Image, corner: tuple[float, float]) -> tuple[int, int]:
        room = (
            self._width - image.width - 2 * self._margin,
            self._height - image.height - 2 * self._margin,
        )
        left, top = (
            self._margin + round(max(size, 0) * share)
            for size, share in zip(room, corner, strict=True)
        )
        return left, top

    def _drawn(self, text: str, size: int, room: int) -> Image.Image:
        """White on nothing, cut to ``room`` pixels."""
        font = self._font(size)
        shown = cut = self._writable(plain(text)[:_LONGEST_TEXT])
        while cut and font.getlength(shown) > room:
            cut = cut[:-1]
            shown = cut.rstrip() + "..."
        image = Image.new("RGBA", (max(round(font.getlength(shown)), 1), round(size * 1.4)))
        ImageDraw.Draw(image).text((0, size * 0.1), shown, font=font, fill="white")
        return image

    def _font(self, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        if self._font_path is None:
            return ImageFont.load_default(size)
        try:
            return ImageFont.truetype(self._font_path, size)
        except (OSError, ValueError) as error:
            raise InvalidArgument(f"font: {self._font_path} cannot be used ({error}).") from error

    def _writable(self, text: str) -> str:
        """``text`` in letters that the font has."""
        if self._font_path is not None or text.isascii():
            return text
        # An accent parted from its letter goes, the letter stays.
        bare = "".join(one for one in unicodedata.normalize("NFKD", text) if not combining(one))
        written = bare.encode("ascii", "replace").decode()
        if "?" in written.replace("?", "", text.count("?")):
            said = f"{text!r} is drawn as {written!r}: for other letters set FARM_TASKS_FONT."
            self.warnings += [said] if said not in self.warnings else []
        return written

    def _logo(self, path: str) -> Overlay:
        try:
            data = file_bytes(path, _LARGEST_LOGO)
            with Image.open(io.BytesIO(data), formats=["PNG", "JPEG"]) as image:
                if image.width * image.height > _LARGEST_LOGO:
                    raise InvalidArgument(f"logo: {path} has {image.width}x{image.height} pixels.")
                logo = image.convert("RGBA")
        except (
            UnidentifiedImageError,
            OSError,
            ValueError,
            SyntaxError,
            Image.DecompressionBombError,
        ) as error:
            raise InvalidArgument(
                f"logo: {path} is no PNG or JPEG ({str(error)[:100]})."
            ) from error
        most = (
            max(round(self._height * _LOGO_SHARE * 2), 1),
            max(round(self._height * _LOGO_SHARE), 1),
        )
        scale = min(most[0] / logo.width, most[1] / logo.height)
        size = (max(round(logo.width * scale), 1), max(round(logo.height * scale), 1))
        logo = logo.resize(size, Image.Resampling.LANCZOS)
        return self._lay(logo, *self._place(logo, (1.0, 0.0)))

    def _lay(self, image: Image.Image, left: int, top: int) -> Overlay:
        """``image`` as an overlay, what is beyond the picture cut off."""
        left, top = max(left, 0), max(top, 0)
        pixels = np.asarray(image, np.float32) / np.float32(255)
        pixels = pixels[: max(self._height - top, 0), : max(self._width - left, 0)]
        opaque: RGB = pixels[..., 3:]
        return Overlay(left, top, pixels[..., :3] * opaque, 1 - opaque)

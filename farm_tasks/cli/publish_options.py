"""What ``publish`` and ``batch publish`` both ask for: there of one publish, here of every row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Option = Callable[[Any], Any]


def _number_or_word(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Any:
    return int(value) if value is not None and re.fullmatch("[0-9]{1,9}", value) else value


_OF_THE_COMMENT: list[_Option] = [
    click.option("--status", "task_status", metavar="S",
                 help="The status to set, such as wfa. By default the present one stays."),
    click.option("--comment", metavar="TEXT", help="The comment's text."),
    click.option("--person", metavar="P", help="In whose name: email, full name, login or id."),
    click.option("--revision", metavar="R", callback=_number_or_word,
                 help="auto (the next one), a number, or from-name: 3 of comp_v003.mov."),
    click.option("--thumbnail", metavar="F", callback=_number_or_word,
                 help="The frame that stands for the shot: first, middle, last or its number, "
                 "from 1."),
    click.option("--playlist", metavar="P", help="Add the preview to it, by name or id."),
    click.option("--ready/--no-ready", "wait_until_ready", default=None,
                 help="Whether a publish ends when Kitsu has processed the previews, as by "
                 "default, or when Kitsu has their bytes."),
    click.option("--normalize/--no-normalize", "normalize_movie", default=None,
                 help="Let Kitsu transcode movies. By default those given, and not one made of "
                 "frames."),
]  # fmt: skip

_OF_FRAMES: list[_Option] = [
    click.option("--range", "frame_range", metavar="R",
                 help="Of frames: 1001-1100. By default what is there."),
    click.option("--fps", metavar="RATE", help="Of frames: 24, 24000/1001, 23.976."),
    click.option("--missing-frames", type=click.Choice(["fail", "hold", "warn"]),
                 help="Of missing or broken frames: fail, hold the last good one, or warn in the "
                 "picture."),
    click.option("--color-config", metavar="FILE",
                 help="OCIO config: a file, or the name of one that OCIO brings. By default the "
                 "worker's."),
    click.option("--color-space", metavar="NAME", help="What the frames are in."),
    click.option("--display", metavar="NAME", help="OCIO display to make the movie for."),
    click.option("--view", metavar="NAME", help="OCIO view of that display."),
    click.option("--burn-in", multiple=True,
                 type=click.Choice(["shot", "frame", "artist", "date"]),
                 help="Write it into the picture. May be given more than once."),
    click.option("--slate", is_flag=True, default=None,
                 help="A frame in front that says what it is."),
    click.option("--logo", metavar="FILE", type=click.Path(),
                 help="A picture for the corner of each frame."),
    click.option("--silent-audio", is_flag=True, default=None, help="Add a silent audio track."),
]  # fmt: skip

_OF_THE_SUBMISSION: list[_Option] = [
    click.option("--priority", type=click.Choice(["high", "normal", "low"])),
    click.option("--farm-job", metavar="J", help="The farm job that this belongs to."),
]


def _adding(options: Iterable[_Option]) -> Callable[[_Command], _Command]:
    wanted = list(options)

    def add(command: _Command) -> _Command:
        for option in reversed(wanted):
            command = option(command)
        return command

    return add


comment_options = _adding(_OF_THE_COMMENT)
"""What is said on the task, and what becomes of the previews there."""

frame_options = _adding(_OF_FRAMES)
"""How frames become a movie."""

submission_options = _adding(_OF_THE_SUBMISSION)

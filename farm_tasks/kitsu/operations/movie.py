"""The movie that ``publish`` publishes where it is given frames: made by somebody else, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from farm_tasks.confinement import SourcePath
from farm_tasks.kitsu.ledger import Ledger, Part
from farm_tasks.kitsu.operations.content import kept_content
from farm_tasks.kitsu.operations.filling import forget_preview
from farm_tasks.kitsu.operations.target import Target, posted_before
from farm_tasks.transfer.progress import ProgressCallback

_MOVIE = "movie"


class MovieMaker(Protocol):
    """Makes the movie that is to be the first preview."""

    name: str
    """What it is made of, the same wherever it is made."""

    about: dict[str, Any]
    """JSON-safe: all that makes it this movie and no other, but for the labels."""

    def __call__(
        self, labels: Mapping[str, str], progress: ProgressCallback | None
    ) -> dict[str, Any]:
        """Make it, or find it where an earlier try on this machine has made it.

        Args:
            labels: What can be written into the picture: ``project``, ``shot``, ``task``,
                ``artist``, ``date``.
            progress: Hears of its frames, and of the stages that it goes through.

        Returns:
            JSON-safe facts; ``path`` is where it is, ``frames`` how many it has, ``fps`` its rate
            as ``24000/1001``, ``sha256`` its digest.
        """


def path_of(made: Mapping[str, Any], movie: MovieMaker) -> SourcePath:
    """Where the movie is. In the ledger it has a name that is the same on every machine."""
    return SourcePath(made["path"], given=_name(movie))


def make_once(
    ledger: Ledger,
    movie: MovieMaker,
    target: Target,
    comment: str,
    progress: ProgressCallback,
) -> dict[str, Any]:
    """The facts of the movie, made unless what it is for is in Kitsu already.

    Args:
        ledger: Of the whole publish.
        movie: Makes it.
        target: Where it goes: what can be written into the picture.
        comment: The text of the comment that it goes with.
        progress: Hears that it is made.
    """
    names = target["task"]["path"].split("/")
    labels = {
        "project": names[0],
        "shot": "/".join(names[1:-1]),
        "task": names[-1],
        "artist": target["artist"],
        "date": target["date"],
    }
    about = {**movie.about, "labels": labels}
    part = Part(ledger, "preview0")
    noted = ledger.read(_MOVIE)
    if noted is not None and noted["about"] != about:
        noted = None
        forget_preview(part)  # it has the same name
    posted = posted_before(ledger, target, comment)
    if noted and posted and kept_content(part, posted["id"], _name(movie)):
        return dict(noted["facts"])  # the file itself need not be there any more
    facts = movie(labels, progress)
    ledger.write(_MOVIE, {"about": about, "facts": facts})
    return facts


def _name(movie: MovieMaker) -> str:
    return f"movie of {movie.name}"

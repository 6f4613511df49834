"""The files of one task run: where they are on this machine, and what the submitter calls them."""

from __future__ import annotations

import os
from typing import Any

from celery.utils.log import get_task_logger

from farm_tasks import path_map
from farm_tasks.confinement import SourcePath
from farm_tasks.errors import InvalidArgument

logger = get_task_logger(__name__)


class TaskFiles:
    """What a task says of its paths, before anything is opened.

    Attributes:
        request: Celery's; of this run it has the confinement, and what was said so far: ``files``,
            ``sources`` (of those what is uploaded) and ``known`` (the submitter's name of each).
    """

    request: Any

    def source(self, path: str, sent: bool = True) -> str:
        """The resolved path of a file to read, as this machine has it.

        Args:
            path: As the message has it.
            sent: Whether it is uploaded.

        Raises:
            OutsideRoots, NotConfigured, InvalidArgument: see :func:`farm_tasks.paths.inside`.
            NotConfigured: the path map cannot be used.
        """
        local = self.local(path)
        found = self.request.confinement.source(local)
        # The message's own name for it: in the ledger it is the same on every machine.
        resolved = SourcePath(found, path)
        self.request.known[resolved] = resolved if local == path else path
        if sent:
            self.request.files.append(resolved)
            self.request.sources.append(resolved)
        return resolved

    def source_pattern(self, pattern: str) -> str:
        """The path of numbered files to read, its folder resolved.

        Raises:
            OutsideRoots, NotConfigured, InvalidArgument: see :func:`farm_tasks.paths.inside`.
        """
        folder, name = os.path.split(self.local(pattern))
        return os.path.join(self.request.confinement.source(folder), name)

    def sources(self, paths: list[str] | str | None) -> list[str]:
        """As :meth:`source`, for any number of files."""
        given = [paths] if isinstance(paths, str) else paths or []
        if not isinstance(given, list):
            raise InvalidArgument(f"{given!r} is not a list of paths.")
        return [self.source(path) for path in given]

    def target(self, path: str) -> str:
        """The resolved path of a file to write, as this machine has it.

        Raises:
            OutsideRoots, NotConfigured, InvalidArgument: see :func:`farm_tasks.paths.inside`.
            NotConfigured: the path map cannot be used.
        """
        local = self.local(path)
        resolved: str = self.request.confinement.target(local)
        self.request.known[resolved] = resolved if local == path else path
        self.request.files.append(resolved)
        return resolved

    def local(self, path: str) -> str:
        """The path on this machine, by the map of its own admin. The roots are not looked at.

        A message may hold anything; what is no text is for the confinement to refuse.

        Raises:
            NotConfigured: the path map cannot be used.
        """
        mapping = path_map.current()
        if mapping is None or not isinstance(path, str):
            return path
        mapped = mapping.to_local(path)
        if mapped.path != path:
            logger.info("%r is %r here: %s", path, mapped.path, mapped.why)
        return mapped.path

    def known(self, path: str) -> str:
        """A path that :meth:`source` or :meth:`target` has given, as the submitter knows it."""
        return str(self.request.known.get(path, path))

"""Everything here depends on Flower's internals, and nothing elsewhere does.

Proved with Flower 2.2. ``tests/monitor/flower/test_seam.py`` fails with a sentence when a newer one
has moved something.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flower import app as flower_app
from flower import urls
from tornado.template import Loader, Template
from tornado.web import StaticFileHandler, url

FOLDER = Path(__file__).parent

STATIC_URL = "/farm-tasks/static/"
"""Where our scripts and styles are, after Flower's ``url_prefix``."""


class Templates(Loader):
    """Finds templates in our folder first, then in Flower's; ``flower:x.html`` is Flower's own x.

    So ours can have the name of the one that it extends.
    """

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        """Names are flat in both folders."""
        return name

    def _create_template(self, name: str) -> Template:
        own, _, flowers = name.partition("flower:")
        path = FOLDER / "templates" / own
        if flowers or not path.is_file():
            path = Path(urls.settings["template_path"]) / (flowers or own)
        return Template(path.read_bytes(), name=name, loader=self)


def add_templates() -> None:
    """Have Flower look for templates in our folder first."""
    urls.settings["template_loader"] = Templates(urls.settings["template_path"])


def add_static_files() -> None:
    """Serve our scripts and styles at :data:`STATIC_URL`."""
    # A url, not a tuple: with url_prefix, Flower keeps the arguments of those alone.
    files = {"path": str(FOLDER / "static")}
    _add(url(f"{STATIC_URL}(.*)", StaticFileHandler, files, name="farm-tasks-static"))


def add_handlers(handlers: Iterable[tuple[str, type[Any]]]) -> None:
    """Serve more pages. Handlers that extend ``flower.views.BaseHandler`` can use ``render``."""
    for pattern, handler in handlers:
        _add(url(pattern, handler))


def _add(handler: url) -> None:
    # Before the last one, which answers 404 to everything.
    flower_app.default_handlers.insert(len(flower_app.default_handlers) - 1, handler)

"""The tasks, one for each operation, written out: their names and arguments are gazu's.

Importing this package registers them. Each checks its paths, then runs the operation of the same
name; what they share is in :mod:`farm_tasks.worker.task`.
"""

from farm_tasks.worker.tasks import comments, downloads, previews, tables, uploads

__all__ = ["comments", "downloads", "previews", "tables", "uploads"]

"""The tasks, one for each operation, written out.

Their names and arguments are gazu's; ``publish`` is ours. Importing this package registers them.
Each checks its paths, then runs the operation of the same name; what they share is in
:mod:`farm_tasks.worker.task`.
"""

from farm_tasks.worker.tasks import comments, downloads, previews, publishing, tables, uploads

__all__ = ["comments", "downloads", "previews", "publishing", "tables", "uploads"]

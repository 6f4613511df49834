"""Many transfers as one: lists of publishes, what Kitsu has to download, and reports.

To publish: tables (a JSON or CSV list as it is) or folder_pattern (files by their names), columns
and rows (what they say, as arguments of :func:`farm_tasks.submit.publish`), items and files (each
checked, with a key). To download: kinds, project and project_files (what Kitsu has), naming (what
it is called), presence (what need not be fetched again). Both: sending (into the queue) and report.

May import gazu, :mod:`farm_tasks.kitsu` and :mod:`farm_tasks.submit`; imported by
:mod:`farm_tasks.cli`, and by programs that make batches of their own.
"""

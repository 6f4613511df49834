"""Celery: the app, the base of all tasks, and the tasks.

May import Celery, :mod:`farm_tasks.kitsu` and what lies below; is imported by the worker process
alone. A submitter knows the tasks by name (:mod:`farm_tasks.submit`).
"""

"""Kitsu by way of gazu: ids and paths in, JSON-safe values out, progress on the way.

May import gazu, :mod:`farm_tasks.transfer`, :mod:`farm_tasks.settings` and
:mod:`farm_tasks.errors`; knows nothing of Celery, and works without it. Imported by
:mod:`farm_tasks.worker`.
"""

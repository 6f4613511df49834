"""Bytes over HTTP: streamed multipart uploads, resuming downloads, and the figures about both.

May import requests, urllib3 and :mod:`farm_tasks.errors`; knows neither Celery nor Kitsu. Imported
by :mod:`farm_tasks.kitsu`, and for :class:`~farm_tasks.transfer.progress.Progress` by everyone.
"""

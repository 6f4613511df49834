"""What people and machines see of the farm: Flower's pages, and figures for Prometheus.

It reads what :mod:`farm_tasks.submit` and the modules that all share know, and imports neither the
worker nor Kitsu: a monitor needs Redis, not a Kitsu credential.
"""

"""docker-compose.yml, built and brought up by a real engine: ``python -m tests.containers``."""

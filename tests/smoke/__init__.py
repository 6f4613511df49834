"""Our worker's image in pytest-celery's clusters: with Redis as broker, and with RabbitMQ."""

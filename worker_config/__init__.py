"""Configuration of the workers: edit these files, or put your own copies first on PYTHONPATH."""

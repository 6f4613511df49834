"""Speed, CPU and memory beside gazu's and curl's: ``make bench``. See docs/performance.md."""

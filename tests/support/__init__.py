"""What tests share: real processes, started and ended by them."""

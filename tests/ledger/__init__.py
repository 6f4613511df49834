"""The ledger against arbitrary orders of events."""

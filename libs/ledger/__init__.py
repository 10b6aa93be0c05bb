"""The ledger: MongoDB, and every query to it in one place."""

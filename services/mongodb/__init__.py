"""Settings of the local Mongo-wire server, and the users of the ledger on any server."""

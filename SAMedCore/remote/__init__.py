"""The worker on another machine, reached through OpenSSH: what the two ends of the connection do. Imports no torch."""

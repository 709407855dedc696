"""Many scans, one after another or on many devices at a time: each exactly once, with a report of all."""

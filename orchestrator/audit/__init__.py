"""The audit trail: an id for every number of a report, and what lies behind it."""

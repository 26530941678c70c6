"""The store of a service: jobs, keys and corrections in SQLite or PostgreSQL."""

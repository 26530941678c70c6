"""What workers do: claim a job, compute it in a process of its own, and keep its lease."""

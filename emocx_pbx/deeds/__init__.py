"""What people and programs can do: each deed once, with its author and its entry in the audit log."""

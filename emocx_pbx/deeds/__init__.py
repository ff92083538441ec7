"""What people and programs may do: each deed once, with who does it and its line of the audit log."""

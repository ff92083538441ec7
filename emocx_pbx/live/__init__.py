"""What is going on now: calls that wait and talk, as supervisors watch them."""

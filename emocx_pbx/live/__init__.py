"""What is going on now: waiting and active calls, as supervisors watch them."""

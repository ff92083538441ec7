"""Policy, topics and ranking: from emotion to queue, priority and agents."""

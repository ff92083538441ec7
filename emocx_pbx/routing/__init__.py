"""Policy, topics, ranking: from emotion to queue, priority and agents."""

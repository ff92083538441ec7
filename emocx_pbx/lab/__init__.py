"""A private Asterisk, telephones, a receiver and a service, for the demo, tests and benchmarks."""

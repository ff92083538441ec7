"""The edge towards Asterisk: AMI, FastAGI, AudioSocket, call tracking and taps."""

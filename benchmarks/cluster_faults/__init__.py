"""Load on a cluster of many hosts while each part of it fails: see __main__."""

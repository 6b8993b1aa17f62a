"""Admission control of the listeners that strangers can reach: limits by address and by network,
eviction of unauthenticated connections, and the delay of failed authentication. Knows no protocol
above TLS."""

"""Limits of a request, for the server, which reads it, and for the application, which refuses it."""

LARGEST_BODY = 8 << 20  # bytes; a container that publishes 12,000 ports makes about 3 MB
LARGEST_HEAD = 32 << 10  # bytes; the engine's is about 250
MOST_FIELDS = 64  # header fields; the engine sends six

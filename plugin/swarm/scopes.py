"""The values of PYNET_SCOPE."""

LOCAL, SWARM = "local", "swarm"

"""UDP ports of WireGuard. Nothing else is here: settings are read before the socket is bound."""

PORT = 51830  # and the next one while keys are changed; 51820 is everybody's first link

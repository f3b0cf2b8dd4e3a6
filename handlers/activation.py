"""The first call of an engine, whose answer needs neither Flask nor any state."""

ACTIVATE = "Plugin.Activate"
IMPLEMENTS = {"Implements": ["NetworkDriver", "IpamDriver"]}
MEDIA_TYPE = "application/vnd.docker.plugins.v1.2+json"

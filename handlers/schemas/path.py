"""Messages of the verb Path."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from marshmallow import Schema, fields

from handlers.schemas.fields import Text
from handlers.schemas.objects import Message
from plugin.protocol.path_messages import Answer, PathQuestion, question


class PathRequest(Message):
    """The two ends, the service, and the IP version or none; ``About`` is "policy" to ask for the policies alone."""

    source = Text(data_key="From", required=True, nullable=False)
    target = Text(data_key="To", required=True, nullable=False)
    service = Text(data_key="Service", required=True, nullable=False)
    version = Text(data_key="Version")
    about = Text(data_key="About")

    def build(self, data: Mapping[str, Any]) -> PathQuestion:
        asked = question(data["source"], data["target"], data["service"], data.get("version", ""))
        return replace(asked, policy=data.get("about", "") == "policy")


class StepReply(Schema):
    """A step of the packet."""

    by = fields.String(data_key="By")
    text = fields.String(data_key="Text")
    fate = fields.String(data_key="Fate")
    decides = fields.Boolean(data_key="Decides")


def _steps(answer: Answer) -> Any:
    deciding = answer.deciding
    rows = [{"by": s.by, "text": s.text, "fate": s.fate.value, "decides": s is deciding} for s in answer.steps]
    return StepReply(many=True).dump(rows)


class PathReply(Schema):
    fate = fields.String(data_key="Fate")
    steps = fields.Function(_steps, data_key="Steps")

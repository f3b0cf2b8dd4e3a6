"""Objects and lists on the wire, and the frozen values that are built from them."""

import marshal
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, cast

from marshmallow import EXCLUDE, Schema, ValidationError, fields, missing

from handlers.schemas.fields import AddressWithPrefix, Judged, Text, Wire, describe, is_plain, present

LONG_LISTS, KNOWN_LISTS = range(16, 4096), 4  # ports in a list worth remembering; lists


class AnyObject(Wire):
    """An object that pynet does not look into."""

    rule: ClassVar[str] = "an object"

    def fits(self, value: Any) -> bool:
        return isinstance(value, dict)


class TextMap(Wire):
    """An object of texts, as option maps are on the wire (``-o flag`` gives an empty text)."""

    rule: ClassVar[str] = "an object of texts"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, dict):
            raise self.refused(value)
        bad = {
            key: [f"is {describe(text)}; it has to be {Text.rule}"] for key, text in value.items() if not is_plain(text)
        }
        bad |= {key: [f"has a name that is not {Text.rule}"] for key in value if not is_plain(key)}
        if bad:
            raise ValidationError(bad)
        return value


class AuxiliaryAddresses(Wire):
    """The ``--aux-address`` map: a name to an address with the prefix length of its subnet."""

    rule: ClassVar[str] = "an object of addresses"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, dict):
            raise self.refused(value)
        item = AddressWithPrefix(required=True, nullable=False)
        read, bad = {}, {}
        for name, text in value.items():
            try:
                Text().deserialize(name)
                read[name] = item.deserialize(text)
            except ValidationError as error:
                bad[name] = error.messages
        if bad:
            raise ValidationError(bad)
        return read

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - marshmallow's
        return None if value is None else {name: str(address) for name, address in value.items()}


class Message(Schema):
    """An object on the wire; keys that a newer engine added are ignored (28.0 added several).

    ``load`` checks all fields and returns a dict of those that are present. ``build`` makes a ``message`` of the fields
    that the message has.
    """

    message: ClassVar[type[Any]]

    class Meta:
        unknown = EXCLUDE

    def build(self, data: Mapping[str, Any]) -> Any:
        """Turn the result of ``load`` into a frozen value of ``plugin.protocol.messages``."""
        wire: dict[str, Any] = self.fields
        known = self.message.__dataclass_fields__
        return self.message(**{name: wire[name].build(part) for name, part in present(data).items() if name in known})


class Object(Judged, fields.Nested):
    """An object with a schema of its own."""

    def __init__(self, schema: type[Message], *, data_key: str | None = None, nullable: bool = True) -> None:
        super().__init__(schema, data_key=data_key, allow_none=nullable, error_messages={"null": _no_object(None)})

    def _deserialize(self, value: Any, attr: str | None, data: Any, partial: Any = None, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise ValidationError(_no_object(value))
        return super()._deserialize(value, attr, data, partial, **kwargs)

    def build(self, value: Mapping[str, Any]) -> Any:
        return cast("Message", self.schema).build(value)


class ListOf(Judged, fields.List[Any]):
    """A list of objects or texts; elements are never null."""

    def __init__(self, inner: Wire | Object, *, data_key: str | None = None) -> None:
        super().__init__(inner, data_key=data_key, allow_none=True)

    def build(self, value: Sequence[Any]) -> tuple[Any, ...]:
        inner: Any = self.inner
        return tuple(map(inner.build, value))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, list):
            raise ValidationError(f"is {describe(value)}; it has to be a list")
        return super()._deserialize(value, attr, data, **kwargs)


class PortList(Wire):
    """A list of objects of ``keys``, each read by its field.

    A nested schema takes 30 µs for an object, and a container with 500 ports sends 1,000 of them in each of three
    requests. The engine sends the same long list each time, so the last few lists are recognised by their bytes.
    """

    rule: ClassVar[str] = "a list"

    def __init__(self, keys: Mapping[str, tuple[str, Wire]], *, data_key: str, message: type[Any] = dict) -> None:
        super().__init__(data_key=data_key)
        self._keys = dict(keys)
        self._names = names = tuple(name for name, _ in keys.values())
        self._value = lru_cache(maxsize=1024)(lambda *values: message(**present(dict(zip(names, values, strict=True)))))
        self._read_again = lru_cache(maxsize=KNOWN_LISTS)(lambda data: self._read_all(marshal.loads(data)))  # noqa: S302

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, list):
            raise self.refused(value)
        if len(value) not in LONG_LISTS:
            return self._read_all(value)
        try:
            # Version 2 writes true, 1 and 1.0 differently and has no references: equal bytes mean equal lists.
            data = marshal.dumps(value, 2)
        except ValueError:  # nested too deeply: not a list of ports
            return self._read_all(value)
        return self._read_again(data)

    def build(self, value: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
        """Turn the loaded data into values; equal ports share one value."""
        return tuple([self._value(*map(item.get, self._names)) for item in value])

    def _read_all(self, value: list[Any]) -> list[dict[str, Any]]:
        found, bad = [], {}
        for index, item in enumerate(value):
            try:
                found.append(self._read(item))
            except ValidationError as error:
                bad[index] = error.messages
        if bad:
            raise ValidationError(bad)
        return found

    def _read(self, item: Any) -> dict[str, Any]:
        if not isinstance(item, dict):
            raise ValidationError(_no_object(item))
        found, bad = {}, {}
        for key, (name, field) in self._keys.items():
            text = item.get(key, missing)
            try:
                if text is missing or text is None:
                    text = field.deserialize(text)
                    if text is missing:
                        continue
                else:
                    text = field._deserialize(text, key, item)  # noqa: SLF001 - past what only other fields need
                found[name] = text
            except ValidationError as error:
                bad[key] = error.messages
        if bad:
            raise ValidationError(bad)
        return found

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - marshmallow's
        return value and [{key: item[name] for key, (name, _) in self._keys.items() if name in item} for item in value]


def _no_object(value: object) -> str:
    return f"is {describe(value)}; it has to be an object"

"""Fields of a JSON document, each checked as it is taken: what is wrong is named with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NoReturn, cast, final

from blobio.errors import BlobError
from blobio.url import BlobUrl

__all__ = ["Fields", "ManifestError"]

_REQUIRED: Final = object()


@final
class ManifestError(BlobError, ValueError):
    """A manifest, or another document of a dataset, that cannot be believed or understood.

    Attributes:
        field: Where, such as `shards[7].size`; `""` for the document as a whole.
    """

    def __init__(
        self,
        message: str = "",
        *,
        url: object = None,
        operation: str | None = None,
        field: str = "",
    ) -> None:
        super().__init__(message, url=url, operation=operation)
        self.field: str = field


@final
class Fields:
    """The fields of one JSON object.

    Args:
        values: What was parsed.
        url: The document, for messages.
        where: How the object is called in it, `""` for the document itself.
        kind: What the document is.
    """

    def __init__(
        self, values: Mapping[str, object], url: BlobUrl, where: str = "", kind: str = "manifest"
    ) -> None:
        self._values = values
        self._url = url
        self._where = where
        self._kind = kind

    def refuse(self, name: str, what: str) -> NoReturn:
        """Raise `ManifestError` over a field."""
        field = f"{self._where}{name}"
        message = f"{self._kind} {self._url}: {field} {what}"
        raise ManifestError(message, url=self._url, operation="get", field=field)

    def whole(self, name: str) -> int:
        """Return a number that is whole and not negative."""
        value = self._get(name)
        if type(value) is not int or value < 0:  # not isinstance: True is no number
            self.refuse(name, f"is {value!r}, not a whole number from 0 on")
        return value

    def is_none(self, name: str) -> bool:
        """Tell whether a field is there and None."""
        return self._get(name) is None

    def text(self, name: str) -> str:
        """Return a string."""
        value = self._get(name)
        if not isinstance(value, str):
            self.refuse(name, f"is {_short(value)}, not a string")
        return value

    def maybe_text(self, name: str, default: object = _REQUIRED) -> str | None:
        """Return a string or None; a missing field is `default` if that is given."""
        if default is not _REQUIRED and name not in self._values:
            return cast("str | None", default)
        return None if self._get(name) is None else self.text(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings."""
        values = self.sequence(name)
        if not all(isinstance(value, str) for value in values):
            self.refuse(name, "holds what is no string")
        return tuple(cast("Sequence[str]", values))

    def sequence(self, name: str) -> Sequence[object]:
        """Return a list."""
        value = self._get(name)
        if not isinstance(value, list):
            self.refuse(name, f"is {_short(value)}, not a list")
        return cast("list[object]", value)

    def mapping(self, name: str) -> Mapping[str, object]:
        """Return an object."""
        value = self._get(name)
        if not isinstance(value, dict):
            self.refuse(name, f"is {_short(value)}, not an object")
        return cast("dict[str, object]", value)

    def parts(self, name: str) -> Iterator[Fields]:
        """Yield the objects of a list."""
        for number, value in enumerate(self.sequence(name)):
            where = f"{self._where}{name}[{number}]"
            if not isinstance(value, dict):
                self.refuse(f"{name}[{number}]", f"is {_short(value)}, not an object")
            yield Fields(value, self._url, f"{where}.", self._kind)

    def _get(self, name: str) -> object:
        if name not in self._values:
            self.refuse(name, "is missing")
        return self._values[name]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:50]}..."  # noqa: PLR2004

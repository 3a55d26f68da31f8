"""What was told of the same thing at different times, put together: nothing that is known is taken back."""

from __future__ import annotations

from typing import Any, TypeVar

from visionft_api.base import ApiModel

Model = TypeVar("Model", bound=ApiModel)


def over(old: Model | None, new: Model | None) -> Model | None:
    """Return `old` with the fields that `new` has a value for."""
    if old is None or new is None:
        return new or old
    return old.model_copy(update=_told(new))


def deeply_over(old: Model | None, new: Model | None) -> Model | None:
    """As `over`, and within a field too: a metric that `new` has no room for keeps what `old` says of it."""
    if old is None or new is None:
        return new or old
    return old.model_copy(update={name: _joined(getattr(old, name), value) for name, value in _told(new).items()})


def _told(model: ApiModel) -> dict[str, Any]:
    return {name: value for name in type(model).model_fields if (value := getattr(model, name)) is not None}


def _joined(old: Any, new: Any) -> Any:
    if isinstance(old, ApiModel) and isinstance(new, ApiModel):
        return deeply_over(old, new)
    if isinstance(old, dict) and isinstance(new, dict):
        return old | new
    return new

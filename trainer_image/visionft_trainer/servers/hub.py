"""The Hugging Face hub's library, which waits for a silent hub without end unless it is told otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visionft_trainer.servers.patience import Patience

if TYPE_CHECKING:
    import httpx2


def wait_as(patience: Patience) -> None:
    """From here on the library's requests end after so much silence, where they have no bound of their own."""
    import httpx2
    from huggingface_hub import get_session, set_client_factory

    hooks = [hook for hook in get_session().event_hooks["request"] if not isinstance(hook, _Bound)]
    bound = _Bound(patience.timeout())
    set_client_factory(
        lambda: httpx2.Client(
            event_hooks={"request": [*hooks, bound]}, follow_redirects=True, timeout=patience.timeout()
        )
    )


class _Bound:
    """Gives a request its timeouts: much of the library asks for none at all, which is stronger than the client's."""

    def __init__(self, timeout: httpx2.Timeout) -> None:
        self._timeout = timeout.as_dict()

    def __call__(self, request: httpx2.Request) -> None:
        own = request.extensions.get("timeout") or {}
        request.extensions["timeout"] = self._timeout | {kind: most for kind, most in own.items() if most is not None}

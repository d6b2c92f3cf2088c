"""The settings of the Hugging Face Hub, a branch of `blobio.config.Config`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, final

from blobio.checking import is_web_url, require

__all__ = ["HubConfig"]

_YES: Final = frozenset({"1", "on", "yes", "true"})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """How to reach the Hugging Face Hub.

    The token is the first of these: an exchange for the identity of a job (`oidc`), `token`, the
    content of `token_file`. With none of them, requests are anonymous: most datasets are public.

    Attributes:
        endpoint_url: `http(s)://host[:port]` of the Hub or a mirror of it; None for
            `https://huggingface.co`. A token is sent to no other host, and over plain http to
            this machine only.
        viewer_url: The same of the dataset viewer; None for the endpoint's with `datasets-server.`
            before its host. It is never sent a token.
        token: An access token; False sends none and looks for none; None looks for one.
        token_file: Where `hf auth login` has put one, read again when the Hub does not know it any
            more; None for `~/.cache/huggingface/token`. It need not exist.
        oidc: Let `huggingface_hub` exchange the identity of this CI job for a token, as
            `HF_OIDC_RESOURCE` says. Needs that package, 1.19 or later.
        offline: Send no request: every operation on `hf://` raises at once.
    """

    endpoint_url: str | None = None
    viewer_url: str | None = None
    token: str | Literal[False] | None = field(default=None, repr=False)
    token_file: str | None = None
    oidc: bool = False
    offline: bool = False

    def __post_init__(self) -> None:
        for name, url in (("endpoint_url", self.endpoint_url), ("viewer_url", self.viewer_url)):
            require(
                url is None or is_web_url(url),
                f"HubConfig.{name} must be http(s)://host[:port]",
            )
            require(
                url is None or not {"@", "?", "#"} & {*url},
                f"HubConfig.{name} takes no user, password or query: use HubConfig.token",
            )
        require(self.token != "", "HubConfig.token is empty: use False for none")

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> HubConfig:
        """Read the variables of `huggingface_hub`, in its order.

        `HF_ENDPOINT`; `HF_TOKEN`, then `HUGGING_FACE_HUB_TOKEN`; `HF_TOKEN_PATH`, then `HF_HOME`
        and `XDG_CACHE_HOME`, in which the file of the token lies; `HF_HUB_DISABLE_IMPLICIT_TOKEN`,
        which leaves all of these out; `HF_OIDC_RESOURCE`. Offline is decided by the first that is
        set of `BLOBIO_OFFLINE`, `HF_DATASETS_OFFLINE`, and `HF_HUB_OFFLINE` or
        `TRANSFORMERS_OFFLINE`; `1`, `ON`, `YES` and `TRUE` mean yes, in any case.
        """
        home = env.get("HF_HOME")
        if not home and env.get("XDG_CACHE_HOME"):
            home = f"{env['XDG_CACHE_HOME']}/huggingface"
        quiet = _is_yes(env.get("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
        token = env.get("HF_TOKEN", "").strip() or env.get("HUGGING_FACE_HUB_TOKEN", "").strip()
        return cls(
            endpoint_url=env.get("HF_ENDPOINT", "").rstrip("/") or None,
            token=False if quiet else token or None,
            token_file=env.get("HF_TOKEN_PATH") or (f"{home}/token" if home else None),
            oidc=bool(env.get("HF_OIDC_RESOURCE")) and not quiet,
            offline=_is_offline(env),
        )


def _is_yes(text: str | None) -> bool:
    return (text or "").strip().lower() in _YES


def _is_offline(env: Mapping[str, str]) -> bool:
    # Each of the first two decides if it is set at all, as the second does in `datasets`.
    for name in ("BLOBIO_OFFLINE", "HF_DATASETS_OFFLINE"):
        if env.get(name):
            return _is_yes(env[name])
    return any(_is_yes(env.get(name)) for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))

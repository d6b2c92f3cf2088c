"""How to reach Google Cloud Storage: a branch of `blobio.config`, which gives it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from blobio.checking import is_web_url, require

__all__ = ["GcsConfig"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GcsConfig:
    """How to reach Google Cloud Storage.

    Without any of `anonymous`, `access_token` and `credentials_file`, credentials are those that
    google-auth finds: the file that `GOOGLE_APPLICATION_CREDENTIALS` names, `gcloud auth
    application-default login`, then the metadata server (which `NO_GCE_CHECK=true` leaves out).

    Attributes:
        endpoint_url: `http(s)://host[:port]` of an emulator or a private endpoint; None for `https://storage.googleapis.com`.
        anonymous: Send no credentials at all, and look for none.
        credentials_file: JSON file of a service account, an authorized user, an impersonation or a
            workload identity federation.
        access_token: A token that somebody else refreshes, instead of credentials.
        impersonate: Email address of a service account to act as, with the right of the credentials
            to do so (`roles/iam.serviceAccountTokenCreator`).
        project: Project whose buckets `blobio ls gs://` lists; None for that of the credentials.
        user_project: Project that pays for requests to requester-pays buckets.
        storage_class: Storage class of new objects; None for the bucket's default.
        kms_key_name: Cloud KMS key of new objects; None for the bucket's default.
        parallel_uploads: Write what does not fit into one part as components, side by side, which
            are then composed and deleted. It needs the right to delete objects: where that is not
            given, or a retention policy forbids it, use False, which sends the parts one after the
            other in one resumable upload.
        component_prefix: Under which prefix of the bucket components are put. Listings leave them
            out unless they are asked for this prefix.
        buckets: Settings of single buckets, replacing these as a whole.
    """

    endpoint_url: str | None = None
    anonymous: bool = False
    credentials_file: str | None = None
    access_token: str | None = field(default=None, repr=False)
    impersonate: str | None = None
    project: str | None = None
    user_project: str | None = None
    storage_class: str | None = None
    kms_key_name: str | None = None
    parallel_uploads: bool = True
    component_prefix: str = ".blobio-components/"
    buckets: Mapping[str, GcsConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sources = (self.anonymous, bool(self.credentials_file), bool(self.access_token))
        require(
            sum(sources) <= 1,
            "GcsConfig takes one of anonymous, credentials_file and access_token",
        )
        require(
            not (self.impersonate and (self.anonymous or self.access_token)),
            "GcsConfig.impersonate needs credentials, not anonymous or access_token",
        )
        require(
            self.endpoint_url is None or is_web_url(self.endpoint_url),
            f"GcsConfig.endpoint_url must be http(s)://host[:port]: {self.endpoint_url!r}",
        )
        require(
            self.endpoint_url is None or "@" not in self.endpoint_url.split("/")[2],
            "GcsConfig.endpoint_url takes no user and password",
        )
        require(
            self.component_prefix.endswith("/") and not self.component_prefix.startswith("/"),
            f"GcsConfig.component_prefix must be a directory's name: {self.component_prefix!r}",
        )

    def for_bucket(self, bucket: str) -> GcsConfig:
        """Return the settings that apply to `bucket`."""
        return self.buckets.get(bucket, self)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> GcsConfig:
        """Read what other Google clients read for an emulator, and what blobfile reads."""
        emulator = env.get("STORAGE_EMULATOR_HOST", "").rstrip("/")
        if emulator and "://" not in emulator:
            emulator = f"http://{emulator}"
        return cls(
            endpoint_url=emulator or None,
            anonymous=bool(emulator) or env.get("BLOBFILE_FORCE_GOOGLE_ANONYMOUS_AUTH") == "1",
            project=env.get("GOOGLE_CLOUD_PROJECT") or None,
        )

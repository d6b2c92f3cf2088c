"""The settings of Azure Blob Storage, a branch of `blobio.config.Config`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, final

from blobio.checking import is_web_url, require

__all__ = ["AzureConfig", "BearerToken", "TokenCredential", "account_of", "connection_fields"]


class TokenCredential(Protocol):
    """What gives bearer tokens: any credential of `azure-identity` is one."""

    def get_token(self, *scopes: str) -> BearerToken:
        """Return a token for `scopes`. May block: it is called in a thread."""
        ...


class BearerToken(Protocol):
    """A token as `azure-core` describes it."""

    @property
    def token(self) -> str:
        """The token itself."""
        ...

    @property
    def expires_on(self) -> int:
        """Unix time at which it expires."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AzureConfig:
    """How to reach Azure Blob Storage.

    Credentials are looked at when they are needed, so that a variable of the environment that is no
    use does not stop a program that never goes to Azure.

    Of the credentials that apply to an account the first of this list is used: `anonymous`,
    `sas_token`, `credential`, `use_identity`, `account_key`, `connection_string`,
    `application_credentials`, `client_secret`, the token cache of the az command line, and last
    what azure-identity finds (workload identity, managed identity, az). Nothing found is an error:
    nobody becomes anonymous unasked.

    Attributes:
        endpoint_url: Base URL of an account's blob service, `{account}` standing for its name:
            `https://{account}.blob.core.usgovcloudapi.net`, `http://127.0.0.1:10000/{account}`;
            None for public Azure, or what `connection_string` says.
        account: The account that `account_key` belongs to; None for any.
        account_key: Base64 key of the account.
        sas_token: Query of a shared access signature, with or without `?`.
        connection_string: As the portal shows it; used for the account it names.
        anonymous: Send no credentials at all, and look for none.
        credential: An object with `get_token`, such as a credential of azure-identity.
        use_identity: Ask `azure.identity.DefaultAzureCredential` before anything below it.
        application_credentials: Path of a JSON file with `appId`, `password` and `tenant`, as
            `az ad sp create-for-rbac` prints them.
        tenant_id: Tenant of `client_id`; also where other identities are looked for.
        client_id: Application that `client_secret` belongs to.
        client_secret: Its secret.
        authority_host: Where tokens come from in a sovereign cloud
            (`login.microsoftonline.us`); None for the public one.
        access_tier: Tier of new blobs (`"Hot"`, `"Cool"`, `"Cold"`, `"Archive"`).
        save_access_token_to_disk: Keep tokens in `~/.blobio/azure_tokens.json`, readable by the
            user alone, for other processes to use.
        accounts: Settings of single accounts (`"account"`) and containers
            (`"account/container"`), replacing these as a whole.
    """

    endpoint_url: str | None = None
    account: str | None = None
    account_key: str | None = field(default=None, repr=False)
    sas_token: str | None = field(default=None, repr=False)
    connection_string: str | None = field(default=None, repr=False)
    anonymous: bool = False
    credential: TokenCredential | None = field(default=None, repr=False)
    use_identity: bool = False
    application_credentials: str | None = None
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    authority_host: str | None = None
    access_tier: str | None = None
    save_access_token_to_disk: bool = False
    accounts: Mapping[str, AzureConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(
            self.endpoint_url is None or is_web_url(self.endpoint_url.replace("{account}", "a")),
            "AzureConfig.endpoint_url must be http(s)://host[:port][/path]",
        )
        require(
            self.endpoint_url is None or "@" not in self.endpoint_url.split("/")[2],
            "AzureConfig.endpoint_url takes no user and password",
        )

    def for_container(self, account: str, container: str) -> AzureConfig:
        """Return the settings that apply to a container."""
        own = self.accounts.get(f"{account}/{container}")
        return own or self.accounts.get(account, self)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> AzureConfig:
        """Read blobfile's variables.

        `AZURE_USE_IDENTITY`, `AZURE_STORAGE_ACCOUNT`, `AZURE_STORAGE_KEY`, then
        `AZURE_STORAGE_ACCOUNT_KEY`; `AZURE_STORAGE_SAS_TOKEN`, `AZURE_STORAGE_CONNECTION_STRING`,
        `AZURE_APPLICATION_CREDENTIALS`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`,
        `AZURE_TENANT_ID` and `AZURE_AUTHORITY_HOST`.
        """
        return cls(
            account=env.get("AZURE_STORAGE_ACCOUNT") or None,
            account_key=(
                env.get("AZURE_STORAGE_KEY") or env.get("AZURE_STORAGE_ACCOUNT_KEY") or None
            ),
            sas_token=env.get("AZURE_STORAGE_SAS_TOKEN") or None,
            connection_string=env.get("AZURE_STORAGE_CONNECTION_STRING") or None,
            use_identity=env.get("AZURE_USE_IDENTITY", "0") == "1",
            application_credentials=env.get("AZURE_APPLICATION_CREDENTIALS") or None,
            tenant_id=env.get("AZURE_TENANT_ID") or None,
            client_id=env.get("AZURE_CLIENT_ID") or None,
            client_secret=env.get("AZURE_CLIENT_SECRET") or None,
            authority_host=env.get("AZURE_AUTHORITY_HOST") or None,
        )


def connection_fields(connection_string: str) -> dict[str, str]:
    """Return the fields of a connection string; of what is none, whatever looks like them."""
    pairs = [part.partition("=") for part in connection_string.split(";") if part.strip()]
    return {name.strip(): value.strip() for name, _, value in pairs}


def account_of(connection_string: str) -> str | None:
    """Return the account that a connection string is for, or None where it tells of none.

    One with a SAS may name it in the endpoint alone: as the path, or else as the host's first part.
    """
    fields = connection_fields(connection_string)
    if "AccountName" in fields:
        return fields["AccountName"]
    place = fields.get("BlobEndpoint", "").partition("://")[2].rstrip("/")
    host, _, path = place.partition("/")
    return path.rpartition("/")[2] or host.partition(".")[0] or None

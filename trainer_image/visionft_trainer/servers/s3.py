"""An S3 server: AWS, or any that speaks its protocol. Its client, and what its refusals mean to the user."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from visionft_api.spec.dataset import S3Source
from visionft_api.spec.output import S3Output

from visionft_trainer.errors import BadConfigError, RunError
from visionft_trainer.servers.patience import CONNECT_SECONDS, PASSING, PassingError, Patience
from visionft_trainer.settings import Settings

if TYPE_CHECKING:
    from obstore.store import S3Store

LONGEST_REQUEST = timedelta(hours=6)  # silence is what ends one; the library's own bound cuts large objects
# What the library's errors hold of the server's answer.
STATUS, CODE = re.compile(r"status code: (\d{3})"), re.compile(r"<Code>(\w+)</Code>")
REDIRECT = "redirect without LOCATION"  # obstore's words for AWS's answer, of which it keeps neither code nor status
SILENT = "kind: Timeout"
OTHER_REGION = ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraint")
OTHER_TIME = ("RequestTimeTooSkewed", "RequestExpired")
UNKNOWN_KEYS = ("InvalidAccessKeyId", "XAdminUserNotFound", "ExpiredToken", "InvalidToken")
FULL = ("QuotaExceeded", "QuotaExceededException", "EntityTooLarge", "XMinioStorageFull", "InsufficientCapacity")


@dataclass(frozen=True)
class Asked:
    """What is asked of a server, as errors name it."""

    field: str
    """Of the manifest; `bucket`, `endpoint` and `secretRef` are below it."""
    where: str
    """`s3://bucket/key at endpoint`."""
    rights: str
    """What the keys must be allowed to do."""
    refused: type[RunError]
    """The error for what a person must mend."""


def place_of(source: S3Source | S3Output, key: str = "") -> str:
    """`s3://bucket/key`, with the endpoint where it is not AWS's."""
    uri = f"s3://{source.bucket}" + (f"/{key}" if key else "")
    return uri + (f" at {source.endpoint}" if source.endpoint else "")


def meaning(error: Exception, asked: Asked) -> Exception:
    """The error for the user, or `PassingError` for one that another try may mend."""
    code, status = _answer_of(error)
    field, where = asked.field, asked.where
    short = _short(str(error))
    said = f"the server says {' '.join(str(part) for part in (status or '', code) if part) or short}"

    def refused(text: str) -> RunError:
        return asked.refused(text)

    if code == "NoSuchBucket":
        return refused(
            f"{field}.bucket: there is no such bucket: {where} ({said}). Make it, or mend the name or the endpoint."
        )
    if code in OTHER_REGION:
        return refused(
            f"{field}.bucket: {where} lies in another region ({said}). Set AWS_REGION in spec.podTemplate.env."
        )
    if code in OTHER_TIME:
        return refused(
            f"{field}: the clocks of {where} and of this machine are apart ({said}). Set the clock of the node, or of "
            "the server."
        )
    if code in FULL or status == 507:
        return refused(f"{field}: {where} has no room ({said}). Raise the bucket's quota or free space.")
    if code == "SignatureDoesNotMatch":
        return refused(
            f"{field}: access to {where} is denied ({said}). AWS_SECRET_ACCESS_KEY in the Secret of {field}.secretRef "
            "is not the one of its AWS_ACCESS_KEY_ID: write both anew, without a line break."
        )
    if status in (401, 403) or code in UNKNOWN_KEYS:
        return refused(
            f"{field}: access to {where} is denied ({said}). Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the "
            f"Secret of {field}.secretRef, and that they may {asked.rights}."
        )
    if "certificate" in str(error).lower():
        return refused(
            f"{field}.endpoint: the certificate of {where} is not trusted here ({short}). Mend it, or use an image "
            "whose trust store has its authority."
        )
    if 400 <= status < 500 and status not in PASSING:
        return refused(f"{field}: {where} is refused ({said}). Check endpoint, bucket and prefix.")
    return PassingError(said if status else short)


def _answer_of(error: Exception) -> tuple[str, int]:
    """The code and the HTTP status that a server has answered, as far as the library's error tells them."""
    said = str(error)
    if REDIRECT in said:
        return OTHER_REGION[0], 301
    code = found[1] if (found := CODE.search(said)) else ""
    return code, int(found[1]) if (found := STATUS.search(said)) else 0


def _short(said: str) -> str:
    """The first line of what the library says, which goes on for a page and tells the reason last."""
    if SILENT in said:
        return "it does not answer"
    return said.splitlines()[0].removesuffix(":") if said else "no answer"


def open_store(
    source: S3Source | S3Output, settings: Settings, secrets: str, field: str, patience: Patience, *, signed: bool
) -> S3Store:
    """The bucket; nothing is asked of the server yet. Raises `BadConfigError` for half a pair of keys.

    Without keys, requests are signed with what the environment has where they are to be `signed`, else not at all.
    """
    from obstore.store import S3Store

    key, secret = settings.secret(secrets, "AWS_ACCESS_KEY_ID"), settings.secret(secrets, "AWS_SECRET_ACCESS_KEY")
    if bool(key) != bool(secret):
        raise BadConfigError(
            f"{field}.secretRef: the Secret has only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; write both."
        )
    options: dict[str, Any] = {"virtual_hosted_style_request": source.endpoint is None}
    if key and secret:
        options |= {"access_key_id": key, "secret_access_key": secret}
        token = settings.secret(secrets, "AWS_SESSION_TOKEN")
        if token:
            options["session_token"] = token
    elif not signed:
        options["skip_signature"] = True  # a public bucket
    if source.endpoint is not None:
        options["endpoint"] = source.endpoint
    return S3Store(
        source.bucket,
        region=settings.region,
        client_options={
            "allow_http": True,
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "read_timeout": timedelta(seconds=patience.silence),
            "timeout": LONGEST_REQUEST,
        },
        # Tries are counted by who asks, where a download that goes on is told from one that does not.
        retry_config={"max_retries": 0, "retry_timeout": timedelta(0)},
        **options,
    )

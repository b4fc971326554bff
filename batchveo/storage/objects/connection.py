"""A bucket, opened as the environment says."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from batchveo.core.destination import BucketUrl, require_cloud
from batchveo.core.errors import UsageError
from batchveo.storage.objects.errors import FAMILIES, words

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

RETRIES = 6
RETRY_SECONDS = 60.0
REQUEST_SECONDS = 120.0
"""For a part on a slow line."""
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
"""The variables that name another store than the provider's own; the first that is set wins."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def open_bucket(url: BucketUrl) -> ObjectStore:
    """Raises ``UsageError`` where the extra is missing, or the environment does not say what is needed."""
    require_cloud()
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, GCSStore, S3Store

    retry: RetryConfig = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
    client: ClientConfig = {"timeout": timedelta(seconds=REQUEST_SECONDS)}
    if _may_be_plain(url.scheme):
        client["allow_http"] = True
    prefix = url.prefix or None
    try:
        match url.scheme:
            case "s3":
                return S3Store(url.bucket, prefix=prefix, client_options=client, retry_config=retry)
            case "gs":
                return GCSStore(url.bucket, prefix=prefix, client_options=client, retry_config=retry)
            case _:
                return AzureStore(url.bucket, prefix=prefix, client_options=client, retry_config=retry)
    except (BaseError, ValueError, OSError) as error:
        hint = "; set AZURE_STORAGE_ACCOUNT_NAME" if "Account must be specified" in str(error) else ""
        raise UsageError(f"{url} cannot be used: {words(str(error))}{hint}") from None


def _may_be_plain(scheme: str) -> bool:
    """Whether the environment names a store on this machine, or allows any to be spoken to without TLS."""
    if os.environ.get(f"{FAMILIES[scheme]}_ALLOW_HTTP", "").lower() in ("1", "true"):
        return True
    endpoint = next(filter(None, map(os.environ.get, _ENDPOINTS[scheme])), "")
    return urlsplit(endpoint).hostname in _LOOPBACK

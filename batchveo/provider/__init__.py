"""The service behind the API, and our client for it: the only code that makes HTTP calls."""

from batchveo.provider.api_key import ApiKey, NamedKey, find_key
from batchveo.provider.client import BASE_URL, ApiClient, ProviderError, check_base_url
from batchveo.provider.video_client import VideoClient

__all__ = [
    "BASE_URL",
    "ApiClient",
    "ApiKey",
    "NamedKey",
    "ProviderError",
    "VideoClient",
    "check_base_url",
    "find_key",
]

"""The service behind the API, and our client for it: the only code that makes HTTP calls."""

from batchveo.provider.api_key import ApiKey, NamedKey, find_key
from batchveo.provider.client import BASE_URL, Api, ServiceTrouble, check_base_url
from batchveo.provider.video_client import Videos

__all__ = ["BASE_URL", "Api", "ApiKey", "NamedKey", "ServiceTrouble", "Videos", "check_base_url", "find_key"]

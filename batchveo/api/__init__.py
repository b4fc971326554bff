"""The service: the only room that speaks HTTP."""

from batchveo.api.client import BASE_URL, Api, ServiceTrouble, check_base_url
from batchveo.api.key import ApiKey, NamedKey, find_key
from batchveo.api.videos import Videos

__all__ = ["BASE_URL", "Api", "ApiKey", "NamedKey", "ServiceTrouble", "Videos", "check_base_url", "find_key"]

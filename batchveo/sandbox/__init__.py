"""A sandbox of the service: the same calls, the same answers and, on request, the same faults."""

from __future__ import annotations

from batchveo.sandbox.account import Charge, LoggedRequest
from batchveo.sandbox.generations import Generation
from batchveo.sandbox.http_messages import Delivery, Ending, Request, Response
from batchveo.sandbox.mock_transport import transport
from batchveo.sandbox.server import app, running, serve
from batchveo.sandbox.service import Service, UnknownModel
from batchveo.sandbox.settings import FAULTS, Retirement, RetirementStatus, Settings

__all__ = [
    "FAULTS",
    "Charge",
    "Delivery",
    "Ending",
    "Generation",
    "LoggedRequest",
    "Request",
    "Response",
    "Retirement",
    "RetirementStatus",
    "Service",
    "Settings",
    "UnknownModel",
    "app",
    "running",
    "serve",
    "transport",
]

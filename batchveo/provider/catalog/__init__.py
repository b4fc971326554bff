"""The models of the service as data: parameters, rules, prices, and how documents become them. Makes no calls."""

from batchveo.provider.catalog.catalog import MODELS, Catalog, load_catalog
from batchveo.provider.catalog.model import Kind, Model, Rule

__all__ = ["MODELS", "Catalog", "Kind", "Model", "Rule", "load_catalog"]

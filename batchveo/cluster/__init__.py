"""The run on a Ray cluster: a coordinator and its workers, each in a process of its own, on any machine."""

from batchveo.cluster.driver import ClusterRun
from batchveo.cluster.settings import Cluster

__all__ = ["Cluster", "ClusterRun"]

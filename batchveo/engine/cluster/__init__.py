"""The run on a Ray cluster: a coordinator and its workers, each in a process of its own, on any machine."""

from batchveo.engine.cluster.driver import ClusterRun

__all__ = ["ClusterRun"]

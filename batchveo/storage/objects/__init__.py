"""The objects under a prefix of a bucket: the only room that speaks with object stores (obstore, ``cloud``).

Everything obstore raises becomes an ``OSError`` here, as a disk's troubles are: ``Refused`` where trying again
changes nothing, ``Faint`` where it may. Passing faults have been tried again for a while before that.

Threads wait for the store, not obstore's own futures: those come back to Python from threads that nobody joins,
and a process that ends in that moment is aborted (seen in one exit of three, Python 3.11, obstore 0.12).
"""

from batchveo.storage.objects.client import Head, Objects, Small, objects
from batchveo.storage.objects.errors import Faint, Refused
from batchveo.storage.objects.uploads import Upload

__all__ = ["Faint", "Head", "Objects", "Refused", "Small", "Upload", "objects"]

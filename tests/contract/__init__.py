"""The outer contract: what users, scripts and files of earlier versions rely on.

Names may be added, never taken away or given another meaning. The comparison is exact all the same, so that a
new name is added on purpose: ``UPDATE_SNAPSHOTS=1 pytest tests/contract`` rewrites ``snapshots/``, and in review a
line that is removed there is a broken promise. Prose is not pinned: helps, messages and descriptions may be
written anew at any time.

These tests use the command line, ``batchveo.__all__``, SQLite and files alone, so that modules can be moved and
renamed underneath. What they need of the inside stands in ``inside.py``.
"""

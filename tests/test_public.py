"""What `import batchveo` offers."""

from __future__ import annotations

import subprocess
import sys

import batchveo


def test_the_list_is_explicit_and_every_name_is_there() -> None:
    """A change of the public names is made on purpose."""
    assert batchveo.__all__ == sorted(batchveo.__all__, key=lambda n: (not n[0].isupper(), n))
    assert set(batchveo.__all__) == {*batchveo._MODULE_OF, "__version__"}
    for name in batchveo.__all__:
        assert getattr(batchveo, name) is not None


def test_no_public_name_is_hidden_by_a_module() -> None:
    """`import batchveo.operations.verify` must not turn `batchveo.verify` into a module."""
    import pkgutil

    rooms = {module.name for module in pkgutil.iter_modules(batchveo.__path__)}
    assert not rooms & set(batchveo.__all__)


def test_importing_it_is_light() -> None:
    """Nothing heavy comes before it is used."""
    heavy = "httpx anyio sqlite_utils starlette uvicorn yaml trio"
    code = f"import sys, batchveo; print([m for m in {heavy.split()!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_completion_offers_the_public_names_only() -> None:
    """In a process of its own: what was imported before does not show, and names that were not used yet do."""
    code = "import batchveo, batchveo.store; batchveo.Job; print(*dir(batchveo))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == sorted(batchveo.__all__)


def test_old_names_still_work() -> None:
    """Scripts may say `batchveo.Moved`; the class is the one of today."""
    assert batchveo.Moved is batchveo.JobStateChanged
    assert all(getattr(batchveo, old) is getattr(batchveo, new) for old, new in batchveo._OLD_NAMES.items())

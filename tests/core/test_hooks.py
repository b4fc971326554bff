"""Hooks, and the commands that they fill."""

from __future__ import annotations

from batchveo.core.hooks import HookKind, Hooks


def test_each_value_stays_in_its_argument() -> None:
    """Blanks split nothing, a value that looks like a placeholder is none, other braces stay."""
    hooks = Hooks(command=("/bin/up", "{file}", "--title={name} ({id})", "{meta}"))
    filled = hooks.fill_command({"file": "/v/a b.mp4", "id": "1", "name": "{id}; rm -rf $HOME"})
    assert filled == ["/bin/up", "/v/a b.mp4", "--title={id}; rm -rf $HOME (1)", "{meta}"]


def test_what_is_asked_for() -> None:
    """The address may be secret, so no text of the record shows it."""
    assert Hooks().kinds == ()
    both = Hooks(command=("x",), webhook="https://x.example/token")
    assert both.kinds == (HookKind.EXEC, HookKind.WEBHOOK)
    assert "token" not in repr(both)
    assert [kind.option for kind in both.kinds] == ["--exec", "--webhook"]

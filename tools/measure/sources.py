"""Python files as the measures see them: module names, functions, comments, docstrings, lines of code."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_DIRECTIVE = re.compile(r"#\s*(noqa|type:|pragma:|fmt:|nosec|!)")
"""Comments for tools, not for readers."""

_LAYOUT = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
    }
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True)
class Source:
    """A Python file. ``path`` is relative to the project, ``module`` the name it is imported by."""

    path: Path
    module: str
    text: str

    @classmethod
    def read(cls, project: Path, file: Path) -> Source:
        """Read ``file``, which lies in the folder ``project``."""
        path = file.relative_to(project)
        parts = path.with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        return cls(path=path, module=module, text=file.read_text(encoding="utf-8"))

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree. Raises ``SyntaxError``."""
        return ast.parse(self.text, str(self.path))

    @cached_property
    def tokens(self) -> list[tokenize.TokenInfo]:
        """The tokens, with comments."""
        return list(tokenize.generate_tokens(io.StringIO(self.text).readline))

    @property
    def lines(self) -> int:
        """All lines, as ``wc -l`` counts them."""
        return self.text.count("\n")

    @cached_property
    def functions(self) -> list[Function]:
        """Every function and method, nested ones too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    @cached_property
    def docstrings(self) -> list[ast.Constant]:
        """Every string that is a statement: docstrings, and descriptions below an attribute."""
        return [
            node.value
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        ]

    @property
    def code_lines(self) -> int:
        """The lines without blank ones, comments and docstrings."""
        lines = {
            line
            for token in self.tokens
            if token.type not in _LAYOUT
            for line in range(token.start[0], token.end[0] + 1)
        }
        return len(lines.difference(*map(lines_of, self.docstrings)))

    @property
    def function_lines(self) -> set[int]:
        """The numbers of the lines of all functions, from ``def`` to the last statement."""
        return set().union(*map(lines_of, self.functions))

    @property
    def comments(self) -> list[int]:
        """The numbers of the lines that have a comment for readers."""
        comments = (token for token in self.tokens if token.type == tokenize.COMMENT)
        return [token.start[0] for token in comments if not _DIRECTIVE.match(token.string)]


@dataclass(frozen=True, kw_only=True)
class Project:
    """A folder with the package in it, its tests in ``tests`` and its pages in ``docs``."""

    folder: Path
    package: str = "batchveo"

    @cached_property
    def sources(self) -> list[Source]:
        """Every Python file of the package, in order of path."""
        return [Source.read(self.folder, file) for file in sorted((self.folder / self.package).rglob("*.py"))]

    @property
    def named_sources(self) -> list[Source]:
        """Those that we chose a name for: all but ``__init__`` and ``__main__``."""
        return [source for source in self.sources if source.path.stem not in ("__init__", "__main__")]


def lines_of(node: ast.expr | ast.stmt) -> range:
    """The numbers of the lines of a node, without decorators."""
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)

"""As much of a terminal as the display needs, to see what a person would."""

from __future__ import annotations

import re

TOKEN = re.compile(r"\x1b\](.*?)(?:\x07|\x1b\\)|\x1b\[(\??)([0-9;]*)([A-Za-z])|(.)", re.DOTALL)


class Screen:
    """Rows of text without end; wraps at ``width`` while ``wraps``. An unknown escape sequence is an error."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows: list[str] = [""]
        self.row = self.column = 0
        self.modes: set[str] = set()
        self.wraps = True
        self.title = self._saved_title = "before"
        self.progress = ""
        self.links: list[str] = []

    def write(self, text: str) -> None:
        for command, private, numbers, final, plain in TOKEN.findall(text):
            if plain:
                self._put(plain)
            elif command:
                self._obey_command(command)
            else:
                self._obey(private, numbers, final)

    @property
    def text(self) -> str:
        return "\n".join(row.rstrip() for row in self.rows).rstrip("\n")

    def _put(self, char: str) -> None:
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.row, self.column = self.row + 1, 0
        else:
            assert char.isprintable(), f"{char!r} reaches the terminal"
            if self.column >= self.width:
                self.row, self.column = (self.row + 1, 0) if self.wraps else (self.row, self.width - 1)
            self._reach()
            row = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = row[: self.column] + char + row[self.column + 1 :]
            self.column += 1
        self._reach()

    def _reach(self) -> None:
        while len(self.rows) <= self.row:
            self.rows.append("")

    def _obey_command(self, command: str) -> None:
        number, _, text = command.partition(";")
        match number:
            case "2":
                self.title = text
            case "8" if address := text.partition(";")[2]:
                self.links.append(address)
            case "8":
                pass
            case "9":
                self.progress = text
            case unknown:
                raise AssertionError(f"unknown command {unknown!r}")

    def _obey(self, private: str, numbers: str, final: str) -> None:
        match private + final:
            case "A":
                self.row = max(0, self.row - int(numbers or 1))
            case "K":
                self.rows[self.row] = self.rows[self.row][: self.column]
            case "J":
                self.rows[self.row] = self.rows[self.row][: self.column]
                del self.rows[self.row + 1 :]
            case "m":
                pass
            case "t" if numbers == "22;2":
                self._saved_title = self.title
            case "t" if numbers == "23;2":
                self.title = self._saved_title
            case "?h" | "?l" if numbers == "7":
                self.wraps = final == "h"
            case "?h":
                self.modes.add(numbers)
            case "?l":
                assert numbers in self.modes, f"?{numbers}l without its h"
                self.modes.discard(numbers)
            case unknown:
                raise AssertionError(f"unknown sequence {unknown!r}")

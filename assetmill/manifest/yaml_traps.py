"""YAML that means something else than it says: each trap is recognised, named, and told how to be written.

YAML gives its own meaning to `#`, `:`, `,`, `{`, `no`, `010` and tabs. The parser's own words for these
accidents help nobody who came to describe a slime, so they are replaced here. Nothing here parses.
"""

from __future__ import annotations

import re

_FLAG_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_HEX_AFTER = re.compile(r"(?:[:\-,\[]\s*)(#[0-9a-fA-F]{3,8}\b)")
_INDENT_TAB = re.compile(r"^ *\t")
_SPECIAL_START = {
    "@": "text cannot begin with @",
    "`": "text cannot begin with a backtick",
    "%": "text cannot begin with %",
    "*": "text that begins with * is an alias",
    "&": "text that begins with & is an anchor",
    "!": "text that begins with ! is a tag",
    "{": "text that begins with { is a map",
    "[": "text that begins with [ is a list",
    "'": "text goes on after its closing quote",
    '"': "text goes on after its closing quote",
    "|": "text that begins with | is a block",
    ">": "text that begins with > is a block",
}
IN_QUOTES = "write the whole text in 'single quotes'"
_SYNTAX_WORDS = (
    ("escape", False, "a backslash in double quotes begins an escape: double the backslash, or use 'single quotes'"),
    ("quoted", True, "a quote is opened here and never closed: close it, or double a ' inside single quotes"),
    ("mapping values are not", False, f"a colon and a space inside unquoted text start a new key: {IN_QUOTES}"),
    ("simple key", True, "this line has no key and colon, or text goes on without being indented: write `key: value`"),
)
"""(part of the parser's words, whether of its context, our words)"""
_ALIGN = "the indentation does not fit the lines above: align keys and dashes of one level"
_INDENTATION = {
    "did not find expected key": _ALIGN,
    "did not find expected '-' indicator": _ALIGN,
    "block sequence entries are not allowed in this context": _ALIGN,
    "expected <block end>, but found '<block mapping start>'": _ALIGN,
}


def word_for_text(raw: str) -> str:
    """Why an unquoted scalar is not the text that it looks like."""
    if raw.lower() in _FLAG_WORDS:
        return f"unquoted `{raw}` means {_FLAG_WORDS[raw.lower()]} in YAML 1.1: write '{raw}' in quotes"
    if raw.lower() in ("true", "false"):
        return f"unquoted `{raw}` is a truth value in YAML: write '{raw}' in quotes"
    if raw.lower() in ("null", "~"):
        return f"unquoted `{raw}` means nothing at all in YAML: write '{raw}' in quotes"
    return f"unquoted `{raw}` is a number in YAML{_other_base(raw)}: write '{raw}' in quotes"


def word_for_number(raw: str) -> str:
    """Why an unquoted number is not the number that it looks like, or an empty string if it is."""
    other = _other_base(raw)
    return f"unquoted `{raw}` is{other[1:]}: write the plain number" if other else ""


def _other_base(raw: str) -> str:
    digits = raw.lstrip("+-")
    if ":" in digits:
        return " (base 60 in YAML 1.1)"
    if re.fullmatch(r"0[0-7_]+", digits):
        return f" (octal in YAML 1.1, {int(digits, 8)})"
    if digits.lower().startswith("0x"):
        return f" (hexadecimal, {int(digits.replace('_', ''), 16)})"
    if digits.lower().startswith("0b"):
        return f" (binary, {int(digits.replace('_', ''), 2)})"
    if digits.lower() in (".inf", ".nan"):
        return " (not a finite one)"
    return ""


def hex_comment(line: str) -> str:
    """The colour that a line lost because an unquoted # starts a comment, or an empty string."""
    found = _HEX_AFTER.search(line)
    return found[1] if found else ""


def hash_message(colour: str) -> str:
    """The words for a colour lost in a comment."""
    return f"unquoted # starts a comment in YAML, so {colour} is not read: write '{colour}' in quotes"


def syntax_message(problem: str, context: str, lines: list[str], line: int, start: int, flow: int) -> tuple[str, int]:
    """Words for a YAML syntax error.

    Args:
        problem: the parser's words.
        context: what it was parsing, in its words.
        lines: the file.
        line: 0-based line where the parser gave up.
        start: 0-based line where the thing being parsed began.
        flow: 0-based line where the outermost open bracket or brace stands, if one is open.

    Returns:
        The message and the 0-based line that it speaks of.
    """
    text = lines[line] if line < len(lines) else ""
    if "\t" in text and (_INDENT_TAB.match(text) or "tab" in problem):
        return "a tab indents this line, and YAML allows only spaces there: indent with spaces", line
    if "flow" in context or "flow" in problem:
        return _unclosed(lines, line, start, flow)
    for mark, at_start, words in _SYNTAX_WORDS:
        if mark in (context if at_start else problem):
            return words, start if at_start else line
    return _by_first_character(text) or _INDENTATION.get(problem) or f"YAML cannot be read here: {problem}", line


def _unclosed(lines: list[str], line: int, start: int, flow: int) -> tuple[str, int]:
    for number in range(flow, min(line + 1, len(lines))):
        if colour := hex_comment(lines[number]):
            return hash_message(colour), number
    return "a `[` or `{` is not closed, or a comma is missing: close it, or write text with [ or { in quotes", start


def _by_first_character(text: str) -> str:
    found = re.match(r"\s*(?:- )*\s*(?:[\w.-]+:\s+)?(.)(.*)", text)
    if not found or found[1] not in _SPECIAL_START:
        return ""
    return f"{_SPECIAL_START[found[1]]} in YAML: {IN_QUOTES}"

"""Mutants of a Python file: each is the file with one small, deliberate mistake."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake: what stood where, and what stands there now."""

    path: str
    line: int
    before: str
    after: str
    begin: int
    """Where `before` stands, in bytes of the file."""

    def apply(self, source: str) -> str:
        """Return the file with the mistake in it."""
        raw, end = source.encode(), self.begin + len(self.before.encode())
        return (raw[: self.begin] + self.after.encode() + raw[end:]).decode()

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.before!r} became {self.after!r}"


def build_mutants(path: str, source: str) -> list[Mutant]:
    """Return every mutant of a file, in the order of its lines."""
    tree = ast.parse(source)
    skipped = set(_unmutated_nodes(tree))
    raw = source.encode()
    starts = [0, *accumulate(map(len, raw.splitlines(keepends=True)))]
    mutants = []
    for node in ast.walk(tree):
        if isinstance(node, ast.expr | ast.stmt) and node not in skipped:
            begin = starts[node.lineno - 1] + node.col_offset
            end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
            before = raw[begin:end].decode()
            mutants += [Mutant(path, node.lineno, before, after, begin) for after in _mutate(node)]
    return sorted(mutants, key=lambda mutant: (mutant.begin, mutant.after))


def _unmutated_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what no test checks: annotations, assertions, logs, parts of texts."""
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.AnnAssign | ast.arg):
            parts = [node.annotation]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts = [node.returns, *node.decorator_list]
        elif isinstance(node, ast.ClassDef):
            parts = [*node.decorator_list]
        elif isinstance(node, ast.Assert | ast.JoinedStr) or (
            isinstance(node, ast.Expr) and "_log." in ast.unparse(node)
        ):
            parts = [node]
        for part in parts:
            if part is not None:
                yield from ast.walk(part)


def _mutate(node: ast.AST) -> Iterator[str]:
    """Yield the source of each mistake that can be made in a node."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        opposite = _COMPARISONS[type(node.ops[0])]()
        yield f"({ast.unparse(ast.Compare(node.left, [opposite], node.comparators))})"
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield f"({ast.unparse(ast.BoolOp(other, node.values))})"
        yield f"({ast.unparse(node.values[0])})"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"({ast.unparse(node.operand)})"
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        other_sign = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        if not _has_text(node):
            yield f"({ast.unparse(ast.BinOp(node.left, other_sign, node.right))})"
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield str(not node.value if isinstance(node.value, bool) else node.value + 1)
    elif isinstance(node, ast.stmt):
        yield from _mutate_statement(node)


def _mutate_statement(node: ast.stmt) -> Iterator[str]:
    """Yield what can stand instead of a statement: another result, or nothing at all."""
    if isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield "return None"
    elif isinstance(node, ast.Raise) or _is_call(node):
        yield "pass"
    elif isinstance(node, ast.Continue):
        yield "break"


def _has_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(part, ast.JoinedStr | ast.Tuple | ast.List)
        or (isinstance(part, ast.Constant) and isinstance(part.value, str | bytes))
        for part in ast.walk(node)
    )


def _is_call(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None

"""The mutation run: its targets exist, and it makes the mistakes that it says."""

from __future__ import annotations

import ast

import pytest
from tests.mutation.mutants import build_mutants
from tests.mutation.run import draw_mutants
from tests.mutation.targets import ROOT, find_targets


def test_every_target_exists_has_tests_and_can_be_mutated() -> None:
    targets = find_targets()
    assert len(targets) >= 35
    for name in targets:
        source = (ROOT / name).read_text("utf-8")
        mutants = build_mutants(name, source)
        assert mutants, name
        for mutant in mutants[:: len(mutants) // 3 + 1]:
            assert ast.dump(ast.parse(mutant.apply(source))) != ast.dump(ast.parse(source))


def test_the_same_seed_draws_the_same_mutants_from_many_files() -> None:
    files = list(find_targets())[:10]
    first, again = (draw_mutants(files, 10, seed=7) for _ in range(2))
    assert first == again != draw_mutants(files, 10, seed=8)
    assert {mutant.path for mutant in first} == set(files)


@pytest.mark.parametrize(
    ("source", "mistakes"),
    [
        ("x = a < b", ["(a <= b)"]),
        ("x = a and not b", ["(a or not b)", "(a)", "(b)"]),
        ("x = a + 1", ["2", "(a - 1)"]),
        ("x = 'a' + b", []),
        ("def f() -> bool:\n    return True", ["False", "return None"]),
        ("raise E(x)", ["pass"]),
        ("f()", ["pass"]),
        ("assert a == 1", []),
        ("_log.info('%s', a == b)", []),
        ("x: Literal[1]", []),
    ],
)
def test_the_mistakes_in_a_line(source: str, mistakes: list[str]) -> None:
    mutants = build_mutants("a.py", source)
    assert sorted(mutant.after for mutant in mutants) == sorted(mistakes)
    for mutant in mutants:
        ast.parse(mutant.apply(source))

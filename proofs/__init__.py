"""Proofs of what oversight and the guard guarantee, checked by Lean 4 and by Coq."""

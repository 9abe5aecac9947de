"""What users pay for, beside what they would use instead: see docs/benchmarks.md."""

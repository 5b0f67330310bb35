"""Audits every locked dependency of the repository against published advisories: python -m audit, which make audit calls."""

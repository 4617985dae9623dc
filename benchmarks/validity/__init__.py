"""The audit tested as a measuring instrument, one topic a file; ``audit_validity.py`` runs them."""

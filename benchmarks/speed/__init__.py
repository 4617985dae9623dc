"""Parts of ``audit_speed.py``."""

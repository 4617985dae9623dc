"""Plugins of one's own, one file each; an experiment names them by import path."""

"""Showing results: one self-contained HTML page, made without a plotting library."""

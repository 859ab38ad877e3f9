"""Comparisons as documents: Markdown, HTML, CSV and JSON.

A comparison is first laid out as an outline, sections of tables whose cells know what they mean; each renderer turns
an outline into its own medium and makes texts from outside harmless there.
"""

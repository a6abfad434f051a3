"""Pages without JavaScript: charts and their style sheet.

What a page reports belongs to `inspection`, `evaluation` or `bench`.
"""

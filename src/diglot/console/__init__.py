"""The console: pages on which people work with segments and contacts in a browser.

Pages are HTML that the server renders, and htmx replaces parts of them. Handlers call the use cases of
`service`, as dialects do. Nothing of this package but `mount` is imported before the first page is asked for.
"""

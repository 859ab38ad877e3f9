"""What user code calls: the fluent functions, and the explicit client beneath them.

A thin part: it reads the environment, knows which run is current, asks `capture` for the source and the machine, and
hands everything to `repo`. Importing it loads no ML framework, no git library and no web or command-line code.
"""

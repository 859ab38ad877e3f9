"""The server: MLflow's REST protocol and our own JSON API over HTTP, for one repository.

A call is a plain record (`calls.Call`): its path, the fields it takes, the role it needs, and a function that does it.
The modules in `routes` list such records; everything else here is the frame round them. Who may call, what a body may
look like, which headers an answer has and what an error says are each decided in one place, before and after the
function runs, so that no route can forget them. Source: docs/server.md.
"""

"""The two HTTP services: the desk's API with its web pages, and the key holder's service.

`desk.create_app` makes the desk's API from `routes`, which has one module for each resource. `state` holds
the desk that is served, `access` checks tokens and roles, `problems` turns errors into problem documents, and
`observe` adds headers and an access log. `keyholder` is a separate service; the desk must never run it.
"""

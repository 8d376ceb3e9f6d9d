"""The ways in over HTTP: the desk's API and pages, and the key holder's service.

Start at `desk.create_app`. `state` reads what the desk keeps, `tokens` and `access` say who may ask,
`problems` is the one shape of every error, `observe` gives each answer its identifier, headers and log line;
`routes` holds one module for each thing that can be asked for, `pages` what a browser is shown. `keyholder`
is a service of its own, for whoever holds the pseudonym key; the desk never does.
"""

"""The report server: trainers push their progress here over TLS.

A folder of its own that needs nothing else of the operator: it sees the cluster through the two small protocols of
`ports`, and hands what it accepts to a `store.ReportStore`. `server.build_app` puts the parts together.
"""

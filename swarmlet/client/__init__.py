"""The HTTP client of the API: what the command line, and any Python that wants to, speaks through.

It knows the API's conventions and no terminal: documents go in and come out as plain dicts, and what the server refuses
is raised from `swarmlet.errors` in the server's own words.

Invariants:
- A request that may have had an effect is never sent twice. Reads are, and so is what the server refused with 429 or
  503 and a Retry-After, which says that nothing was changed; both for at most `connection.ROUNDS_MAX` rounds.
- Where several servers are given, any of them answers: the next is asked when one cannot be reached or has no quorum.
- A watch never misses a change: it resumes where it stopped, and lists again where the server has forgotten that far.

    endpoint = endpoints.local(Path("/run/swarmlet/swarmlet.sock"))
    async with connection.Connection(endpoint, clock=SystemClock(), warn=print) as link:
        api = client.Client(link)
        catalogue = await api.discover()
        pods = await api.list(catalogue.find("pods"), namespace="default")
"""

"""The Engine API: what docker's own clients, Compose and the libraries of other languages send over a socket.

    service.py      a small process that listens, and forks one process for each connection
    serve_connection.py   such a process: requests in, answers out (connection.py: HTTP/1.1, by h11)
    call.py         one request: its parameters and its body, and the ways to answer it
    routing.py      which function answers which path; routes/ has these functions
    models/         JSON, both ways: what is asked as the engine's own objects, what there is in docker's form
    streams/        what is no JSON: hijacked connections, multiplexed output, progress

Everything is done by the engine's functions, as the command line calls them. The service is a convenience: it keeps
nothing, containers live in their monitors, and it ends by itself.

Source: Docker Engine API, https://docs.docker.com/reference/api/engine/ (1.24 to 1.47).
"""

"""What docker's users know as docker: containers, images, networks and volumes; all that is kept on disk.

Here are the things themselves (`create.py`, `images.py`, `volumes.py`, their records, what users do to them), and
in rooms of their own:

    making/       what a container is made of, from its options to its OCI bundle
    lifetime/     what stays beside a container while it lives: its monitor, and what a command says to that
    inside/       going into a container that runs: exec, and networks that it joins later
    files/        its files seen from outside: cp, diff, export, commit
    journal/      what is written down as it happens: the log of each container, and the events of all read back
    networking/   networks as a user knows them, and who is connected to which
    transfers/    images on their way from and to registries
    showing/      what a user asks to see: ps, inspect, stats, top, info, system df
"""

"""What docker's users know as docker: containers, images, networks and volumes; all that is kept on disk.

request/      what is asked of a new container, read and checked
container/    created, started, stopped, killed, paused, renamed, updated, removed; their records
spec/         a container's options as an OCI specification
monitor/      the process beside a running container: start, attach, health check, restart policy, idle program
exec/         one more process in a running container
files/        a container's files from outside: cp, diff, export, commit
logs/         the logs of containers, and their drivers
events/       what happens, written and read
networks/     networks, and which containers are connected to them
images/       images, pulled, pushed, built by recipes, removed; credentials
volumes/      volumes
inspect/      what ps, inspect, stats, top, info and system df show
"""

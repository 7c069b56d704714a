"""`--explain`: the steps and system calls of a command, written while they happen.

    trace_process.py   the process that receives the events of all others (recorder/trace_socket.py sends them)
    event_order.py     the order in which they are written: causes before their effects, the same in every run
    blocks.py          the stream of events as blocks: one process, one step, the calls in it
    styles.py          full and brief (block_style.py, block_text.py), json (jsonl.py), shell (script.py) and step
                       (stepping.py), which waits before each step for the user
    shell_commands.py  a call as a shell command that makes the same call; look_commands.py  how to see its effect
    texts/             why each step is there, in every language; book.py  the book's sections

Nothing here knows what a container is made of: steps and calls come from the observers (minidock/observe.py), that is,
from the code that runs. There is no second description that could differ from it.
"""

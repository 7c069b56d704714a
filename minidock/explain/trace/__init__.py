"""The runtime that shows its work: what happens in the kernel, told step by step while it happens.

    narrator.py   a process that receives what all others do: recorder/recorder.py sends it
    order.py      in which order that is told: causes before their effects, the same in every run
    story.py      the stream of events as blocks: one process, one step, the calls in it
    text.py       a block for people; jsonl.py  for programs; script.py  all of them as a shell script
    shell.py      a call as the command that makes the same call; see.py  how to look at what a call has changed
    stepping.py   waits before each step for whoever explains it to a class
    texts/        what is not in the code: why a step is there, in every language; book.py  the book's sections

Nothing here knows what a container is made of: steps and calls come from the observers (minidock/observe.py), that is,
from the code that runs. There is no second description which could be wrong.
"""

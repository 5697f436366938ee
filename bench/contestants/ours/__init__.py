"""The engine of this project, by its public names; counters and rows are read from the engine's own parts."""

from __future__ import annotations

from bench.contestants.ours.crowd import crowd
from bench.contestants.ours.idle import idle
from bench.contestants.ours.lines import lines, print_
from bench.contestants.ours.pictures import exports, picture
from bench.contestants.ours.remote import event_remote, remote, sleepers_remote
from bench.contestants.ours.resume import resume
from bench.contestants.ours.running import fan, start, step
from bench.contestants.ours.sizes import imports, installed
from bench.contestants.ours.views import view, view_remote
from bench.contestants.ours.waiting import event, sleepers

MEASUREMENTS = {
    "step": step,
    "fan": fan,
    "fan-sync": fan,
    "fan-single": fan,
    "start": start,
    "remote": remote,
    "resume": resume,
    "crowd": crowd,
    "sleepers": sleepers,
    "sleepers-remote": sleepers_remote,
    "event": event,
    "event-remote": event_remote,
    "idle": idle,
    "picture": picture,
    "exports": exports,
    "view": view,
    "view-remote": view_remote,
    "print": print_,
    "lines": lines,
    "imports": imports,
    "installed": installed,
}

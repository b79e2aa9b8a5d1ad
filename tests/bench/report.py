"""Writes docs/performance.md, docs/performance-details.md and the plots from the results of a bench run."""

import plots
import tables
from results import Results

GOAL_NOTE = ("`goal` is what the ratio may be: the goal that was set ÷ the best peer when it was set (of those that are here). "
             "`by its figure only`: the figure is within the goal, the ratio isn't.")


def introduction(meta):
    return [
        "# Performance", "",
        "Written by `tests/bench/run.sh`; nothing here is typed in by hand but the notes at the end. CPU is user + system time "
        "of the server processes per message delivered (or connection made), memory is resident bytes per connection. "
        f"Medians of {meta['rounds']} runs of {meta['seconds']:g} s (growth: half as many, the largest sizes one), the "
        "contenders of a case in turn, so that a slow moment of the machine hits all alike; what is measured has a core of its own "
        "(but fleets). Absolute figures differ between "
        "machines and drift: trust the ratios; those in brackets are the lowest and highest of the rounds. Throughput and latency "
        "percentiles of every case are in [performance-details.md](performance-details.md).", "",
        f"Machine: {meta['machine']}, loopback. Beside it: {'; '.join(meta['peers'])}. {meta['date']}; it took "
        f"{meta['minutes']:g} minutes.", ""]


def sections(results, notes):
    return [
        ("One broker, memory store", "CPU per delivered message (connection), bytes per idle client. " + GOAL_NOTE,
         tables.comparison(results, "broker: ", "flotilla")),
        ("The load balancer, plain", "CPU of the balancer alone, one worker, one broker behind it.",
         tables.comparison(results, "plain: ", "flotilla-lb")),
        ("The load balancer, TLS 1.3", "The same; P-256 certificate. `resumed`: every measured connection resumed a session.",
         tables.comparison(results, "tls: ", "flotilla-lb")),
        ("MQTT 5.0", "One broker, memory store; `properties`: expiry, content type and two user properties in each message; "
         "`aliases`: topic aliases from publishers and, where the broker uses them, to subscribers.",
         tables.comparison(results, "5.0: ", "flotilla")),
        ("WebSocket", "The same loads as those of one broker, in WebSocket frames.",
         tables.comparison(results, "websocket: ", "flotilla")),
        ("Shared subscriptions", "48 publishers, window 32, to one group: CPU per delivered message.",
         tables.comparison(results, "shared: ", "flotilla")),
        ("Shared subscriptions: strategies", "16 members; CPU µs per message of all brokers and Redis, publishers and members spread "
         "evenly over the brokers.", tables.strategies(results)),
        ("Across two brokers", "CPU of both brokers and Redis together, per delivered message; each publisher is on one broker and "
         "its subscriber on the other.", tables.fleet(results)),
        ("Latency at half load", "Open loop, at half of the highest rate that the fastest peer reached in this run; a message's "
         "time counts from when it was due. `alike`: better in some rounds and worse in others.", tables.latency(results)),
        ("Growth", "CPU µs per message against one size, all else alike. Brokers: CPU of all brokers and Redis; `pairs`: publishers "
         "and subscribers spread as a balancer does it, so that half (2 brokers) or three quarters (4) of the messages cross; "
         "`campus`: 1,000 devices, 20 messages/s each, 4 subscribers to all of them. Retained: 20 clients read 10 messages "
         "at a time, whatever their number.", tables.growth(results, notes)),
        ("Memory of durable sessions", "Sessions that are offline, with 3 subscriptions each.", tables.memory(results)),
    ]


def trouble(results):
    lines = [f"- {r['case']}, {r['contender']}: {(r['error'].splitlines() or ['?'])[0]}" for r in results.errors()]
    lines += [f"- {r['case']}, {r['contender']}: {r['received']:,} of {r['expected']:,} came, {r['duplicates']:,} twice, "
              f"{r['reordered']:,} late, {r['failed']:,} connections were lost" for r in results.inexact()]
    return ["## Runs that failed or weren't exact", "", *dict.fromkeys(lines), ""] if lines else []


def write(runs, meta, folder):
    results = Results(runs)
    folder.mkdir(parents=True, exist_ok=True)
    notes_file = folder / "performance-notes.md"
    notes = notes_file.read_text() if notes_file.exists() else ""
    text = introduction(meta)
    for title, note, lines in sections(results, notes):
        if lines:
            text += [f"## {title}", "", note, "", *lines, ""]
    for name, title in plots.write(results, folder):
        text += [f"![{title}]({name})", ""]
    text += trouble(results)
    (folder / "performance.md").write_text("\n".join([*text, ""]).rstrip() + "\n\n" + notes)
    details = ["# Performance: every case", "",
               "Written by `tests/bench/run.sh` with [performance.md](performance.md). `generator` is the CPU of the load generator "
               "itself per message, `spread` is (highest − lowest) ÷ median of the rounds.", "", *tables.details(results)]
    (folder / "performance-details.md").write_text("\n".join(details).rstrip() + "\n")

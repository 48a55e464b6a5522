"""Opens what `stallion export` wrote with other people's readers, and prints what they say.

python formats.py FOLDER: one JSON object on standard output.
"""

import json
import sys

import duckdb
from google.protobuf.unknown_fields import UnknownFieldSet
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from perfetto.protos.perfetto.trace import perfetto_trace_pb2

HOUR_NS = 3_600_000_000_000
QUANTILES = {"p50": 50.0, "p99": 99.0, "p999": 99.9, "max": 100.0}


def hdr(path):
    total = HdrHistogram(1, HOUR_NS, 3)
    reader = HistogramLogReader(path, total)
    tags = {}
    while (interval := reader.get_next_interval_histogram()) is not None:
        tag = interval.get_tag() or "response"
        tags[tag] = tags.get(tag, 0) + 1
        if tag == "response":
            total.add(interval)
    found = {name: total.get_value_at_percentile(at) / 1e3 for name, at in QUANTILES.items()}
    return {"count": total.get_total_count(), "tags": tags, **found}


def memtier(path):
    with open(path, encoding="utf-8") as file:
        totals = json.load(file)["ALL STATS"]["Totals"]
    percentiles = totals["Percentile Latencies"]
    encoded = percentiles["Histogram log format"]["Compressed Histogram"]
    histogram = HdrHistogram.decode(encoded)
    return {
        "count": histogram.get_total_count(),
        "p50": percentiles["p50.00"] * 1e3,
        "p99": percentiles["p99.00"] * 1e3,
        "p999": percentiles["p99.90"] * 1e3,
        "max": totals["Max Latency"] * 1e3,
        "decoded_p99": histogram.get_value_at_percentile(99.0),
        "series": sum(second["Count"] for second in totals["Time-Serie"].values()),
    }


def unknown(message):
    """Fields that the schema does not have, anywhere below a message."""
    found = len(UnknownFieldSet(message))
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in value if field.is_repeated else [value]:
            found += unknown(part)
    return found


def perfetto(path):
    trace = perfetto_trace_pb2.Trace()
    with open(path, "rb") as file:
        trace.ParseFromString(file.read())
    names, depth, lowest, times, ends = {}, {}, 0, [], set()
    for packet in trace.packet:
        if packet.HasField("track_descriptor"):
            descriptor = packet.track_descriptor
            assert descriptor.parent_uuid == 0 or descriptor.parent_uuid in names
            names[descriptor.uuid] = descriptor.name
        if packet.HasField("track_event"):
            event = packet.track_event
            assert event.track_uuid in names
            times.append(packet.timestamp)
            step = {event.TYPE_SLICE_BEGIN: 1, event.TYPE_SLICE_END: -1}.get(event.type, 0)
            depth[event.track_uuid] = depth.get(event.track_uuid, 0) + step
            lowest = min(lowest, depth[event.track_uuid])
            ends.add(depth[event.track_uuid] if step == -1 else 0)
    return {
        "unknown_fields": unknown(trace),
        "tracks": sorted(set(names.values())),
        "lowest_depth": lowest,
        "left_open": sum(depth.values()),
        "in_order": times == sorted(times),
    }


PERCENTILE = """
    select min(value_ns) / 1e3 from (
        select value_ns, sum(count) over (order by value_ns) as so_far, sum(count) over () as all_of
        from '{folder}/histograms.parquet' where kind = 'response' and at_s >= 0
    ) where so_far >= {share} * all_of - 1e-6
"""


def parquet(folder):
    def one(query):
        return duckdb.sql(query).fetchall()[0][0]

    found = {
        name: one(PERCENTILE.format(folder=folder, share=at / 100.0))
        for name, at in QUANTILES.items()
    }
    count = one(f"select sum(answered) from '{folder}/intervals.parquet' where warmup = 0")
    due = one(f"select sum(due) from '{folder}/intervals.parquet'")
    target = one(f"select target from '{folder}/runs.parquet'")
    return {"count": int(count), "due": int(due), "target": target, **found}


def main():
    folder = sys.argv[1]
    print(
        json.dumps(
            {
                "hdr": hdr(f"{folder}/drive.hlog"),
                "memtier": memtier(f"{folder}/drive.memtier.json"),
                "perfetto": perfetto(f"{folder}/run.pftrace"),
                "parquet": parquet(f"{folder}/parquet"),
            }
        )
    )


main()

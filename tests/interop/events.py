"""What the clients share: events as the tests name them, to and from CloudEvents of the SDK."""

import json
import sys
import zlib

from cloudevents.core.v1.event import CloudEvent
from dateutil.parser import isoparse

PARTITIONS = 16


def arguments():
    """What to do, the port of the server, the namespace, and how many events are expected."""
    action, port, namespace, count = sys.argv[1:]
    return action, int(port), namespace, int(count)


def given():
    """The events to publish: a line of JSON each."""
    for line in sys.stdin:
        told = json.loads(line)
        attributes = told["attributes"]
        if "time" in attributes:
            attributes["time"] = isoparse(attributes["time"])
        yield CloudEvent(attributes, bytes(told["data"]))


def key_of(event):
    return event.get_extension("partitionkey") or event.get_subject() or event.get_id()


def partition_of(event):
    """Any will do that is the same for the same key."""
    return zlib.crc32(key_of(event).encode()) % PARTITIONS


def ready():
    """Says that nothing published from now on is missed."""
    print("ready", flush=True)


def tell(event, body):
    """Tells of an event that came: what the SDK has read, and the bytes it came as."""
    attributes = dict(event.get_attributes())
    attributes["time"] = attributes["time"].isoformat()
    told = {
        "attributes": attributes,
        "data": list(body or b""),
        "parsed": event.get_data(),
    }
    if isinstance(told["parsed"], bytes):
        told["parsed"] = None
    print(json.dumps(told), flush=True)

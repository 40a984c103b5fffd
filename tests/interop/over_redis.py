"""CloudEvents over Redis, as docs/brokers.md has it: fields of stream entries, named like Kafka's headers."""

import redis
from cloudevents.core.bindings import kafka
from cloudevents.core.formats.json import JSONFormat

import events

CONTENT_TYPE, FIELD = "content-type", "ce_datacontenttype"


def main():
    action, port, namespace, count = events.arguments()
    client = redis.Redis(host="127.0.0.1", port=port)
    if action == "publish":
        publish(client, namespace)
    else:
        consume(client, namespace, count)


def publish(client, namespace):
    for event in events.given():
        message = kafka.to_binary(event, JSONFormat())
        fields = {FIELD if name == CONTENT_TYPE else name: value for name, value in message.headers.items()}
        fields["data"] = message.value
        client.xadd(f"{namespace}:events:{events.partition_of(event)}", fields, id="0-*")


def consume(client, namespace, count):
    seen = {f"{namespace}:events:{partition}": "0" for partition in range(events.PARTITIONS)}
    events.ready()
    while count > 0:
        for stream, entries in client.xread(seen, count=100, block=1000) or []:
            for entry, fields in entries:
                seen[stream.decode()] = entry
                named = {name.decode(): value for name, value in fields.items()}
                body = named.pop("data")
                headers = {CONTENT_TYPE if name == FIELD else name: value for name, value in named.items()}
                message = kafka.KafkaMessage(headers=headers, key=None, value=body)
                events.tell(kafka.from_binary(message, JSONFormat()), body)
                count -= 1


main()

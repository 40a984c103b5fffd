"""CloudEvents over Kafka, by the SDK's binding to it."""

import sys

from cloudevents.core.bindings import kafka
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka import Consumer, Producer

import events


def main():
    action, port, namespace, count = events.arguments()
    servers, topic = f"127.0.0.1:{port}", f"{namespace}.events"
    if action == "publish":
        publish(servers, topic)
    else:
        consume(servers, topic, count)


def publish(servers, topic):
    producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, "partitioner": "murmur2_random"})
    failed = []
    for event in events.given():
        # Without a key of its own the key of the event, so that its order is kept.
        message = kafka.to_binary(event, JSONFormat(), key_mapper=events.key_of)
        producer.produce(
            topic,
            value=message.value,
            key=message.key,
            headers=list(message.headers.items()),
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
    if producer.flush(20) or failed:
        sys.exit(f"not everything was taken: {failed}")


def consume(servers, topic, count):
    settings = {"bootstrap.servers": servers, "group.id": "interop", "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    events.ready()
    while count > 0:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            sys.exit(str(message.error()))
        body = message.value() or b""
        read = kafka.KafkaMessage(headers=dict(message.headers()), key=message.key(), value=body)
        events.tell(kafka.from_binary(read, JSONFormat()), body)
        count -= 1
    consumer.close()


main()

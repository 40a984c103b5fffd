"""CloudEvents over NATS: headers as the binding to NATS has them, which is how the SDK writes them for HTTP."""

import asyncio

import nats
from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat

import events


async def main():
    action, port, namespace, count = events.arguments()
    client = await nats.connect(f"nats://127.0.0.1:{port}")
    stream = client.jetstream()
    if action == "publish":
        for event in events.given():
            message = http.to_binary(event, JSONFormat())
            subject = f"{namespace}.events.{events.partition_of(event)}.{event.get_type()}"
            await stream.publish(subject, message.body, headers=message.headers)
    else:
        subscription = await stream.subscribe(f"{namespace}.events.>", ordered_consumer=True)
        events.ready()
        for _ in range(count):
            message = await subscription.next_msg(timeout=30)
            read = http.HTTPMessage(headers=dict(message.headers), body=message.data)
            events.tell(http.from_binary(read, JSONFormat()), message.data)
    await client.close()


asyncio.run(main())

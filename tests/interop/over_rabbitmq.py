"""CloudEvents over RabbitMQ: by the SDK's binding to AMQP, and every second event by its binding to RabbitMQ."""

import pika
from cloudevents.core.bindings import amqp, rabbitmq
from cloudevents.core.formats.json import JSONFormat

import events


def main():
    action, port, namespace, count = events.arguments()
    connection = pika.BlockingConnection(pika.ConnectionParameters(host="127.0.0.1", port=port))
    channel = connection.channel()
    exchange = f"{namespace}:events"
    if action == "publish":
        publish(channel, exchange)
    else:
        consume(channel, exchange, count)
    connection.close()


def publish(channel, exchange):
    channel.confirm_delivery()
    for index, event in enumerate(events.given()):
        if index % 2:
            message = rabbitmq.to_binary(event, JSONFormat())
            content_type, headers, body = message.content_type, message.headers, message.body
        else:
            message = amqp.to_binary(event, JSONFormat())
            content_type, headers = message.properties.get("content-type"), message.application_properties
            body = message.application_data
        properties = pika.BasicProperties(content_type=content_type, headers=headers, delivery_mode=2)
        routing_key = f"{events.partition_of(event)}.{event.get_type()}"
        channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)


def consume(channel, exchange, count):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, exchange, "#")
    events.ready()
    for _, properties, body in channel.consume(queue, auto_ack=True):
        message = amqp.AMQPMessage(
            properties={"content-type": properties.content_type} if properties.content_type else {},
            application_properties=properties.headers,
            application_data=body,
        )
        events.tell(amqp.from_binary(message, JSONFormat()), body)
        count -= 1
        if count == 0:
            break
    channel.cancel()


main()

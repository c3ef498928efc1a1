"""A finance system in a page: reads a hub's orders from a topic, books each once, and publishes its invoices on another.

    pip install confluent-kafka
    python bookkeeper.py --brokers localhost:9092 --connection books --file books.db

Kill it whenever you like. What it has booked stands in its file; what it has read counts as read only when the
invoices are on their topic. So after a crash orders come again, are known by their ids, and their invoices are published
again as they were: the hub finds nothing new in them.
"""

import argparse
import json
import sqlite3
import sys
import uuid
from datetime import date, timedelta

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

TABLES = """
create table if not exists events (id text primary key);
create table if not exists invoices (no integer primary key autoincrement, order_no text unique not null, body text);
"""
SAME = ("customer", "currency", "lines", "untaxed", "tax", "total")


def book(books, event_id, order):
    """Return the order's invoice, or None if there is nothing to bill. All or nothing, and once for each order."""
    with books:  # a transaction
        books.execute("begin immediate")
        seen = not books.execute("insert or ignore into events values (?)", (event_id,)).rowcount
        known = books.execute("select body from invoices where order_no = ?", (order["number"],)).fetchone()
        if known or seen or order.get("status") != "confirmed":
            return json.loads(known[0]) if known else None
        no = books.execute("insert into invoices (order_no) values (?)", (order["number"],)).lastrowid
        invoice = {"number": f"R-{no:06}", "order": order["number"], **{k: order[k] for k in SAME}}
        invoice["issue_date"] = date.today().isoformat()
        invoice["due_date"] = (date.today() + timedelta(days=30)).isoformat()
        invoice["payment_status"] = "unpaid"
        books.execute("update invoices set body = ? where no = ?", (json.dumps(invoice), no))
        return invoice


def publish(producer, topic, invoice, failures):
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(uuid.uuid5(uuid.NAMESPACE_URL, invoice["number"])),
        "ce_source": "/bookkeeper",
        "ce_type": "bookkeeper.invoice.issued",
        "content-type": "application/json",
    }
    producer.produce(
        topic, key=invoice["number"], value=json.dumps(invoice), headers=headers,
        on_delivery=lambda err, _: failures.append(err) if err else None,
    )


def create(brokers, topic):
    admin = AdminClient({"bootstrap.servers": brokers})
    try:
        admin.create_topics([NewTopic(topic, 6)])[topic].result()
    except KafkaException as e:
        if e.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--brokers", required=True)
    args.add_argument("--connection", required=True, help="its code in the hub")
    args.add_argument("--file", required=True, help="where the books are kept")
    args = args.parse_args()

    books = sqlite3.connect(args.file, isolation_level=None)
    books.executescript(TABLES)
    invoices = f"{args.connection}.invoice.v1"
    create(args.brokers, invoices)
    # murmur2_random puts a key where Java clients put it; librdkafka's own default does not.
    producer = Producer({"bootstrap.servers": args.brokers, "enable.idempotence": True, "partitioner": "murmur2_random", "linger.ms": 1})
    consumer = Consumer({
        "bootstrap.servers": args.brokers, "group.id": "bookkeeper", "auto.offset.reset": "earliest",
        "enable.auto.commit": False, "topic.metadata.refresh.interval.ms": 1000,
    })
    consumer.subscribe([f"{args.connection}.order.out.v1"])
    while True:
        failures, messages = [], consumer.consume(500, timeout=0.2)
        for m in messages:
            if m.error():
                if m.error().code() != KafkaError.UNKNOWN_TOPIC_OR_PART:  # the hub makes it with the first order
                    raise KafkaException(m.error())
                continue
            if m.value() is None:  # the order was deleted; what was billed stays billed
                continue
            invoice = book(books, dict(m.headers())["ce_id"].decode(), json.loads(m.value()))
            if invoice:
                publish(producer, invoices, invoice, failures)
        if producer.flush(30) or failures:
            sys.exit(f"not published, to be tried again after a restart: {failures}")
        if any(not m.error() for m in messages):
            consumer.commit(asynchronous=False)


if __name__ == "__main__":
    main()

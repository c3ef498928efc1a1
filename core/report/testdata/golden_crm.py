"""Draws the books of a company, and computes what the reports of opportunities, campaigns, tickets and feedback say of them.

    python3 golden_crm.py

It writes crm.books.json.gz, rows by table, and crm.golden.json. Numbers are counted here in loops over the rows, by the
definitions in words; nothing is shared with the SQL. There are deals lost, reopened, in dollars and deleted among them.
"""

import gzip
import json
import random
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

here = Path(__file__).parent
draw = random.Random(20260315)
TODAY = date(2026, 3, 15)
PERIOD = {"from": "2025-07-01", "to": "2026-02-28"}
FROM, TO = date(2025, 7, 1), date(2026, 2, 28)
RATES = {"EUR": Decimal(1), "USD": Decimal("0.9137")}
STAGES = ["qualify", "proposal", "contract", "won", "lost"]
PROBABILITY = {"qualify": 10, "proposal": 50, "contract": 90, "won": 100, "lost": 0}

books = defaultdict(list)
ids = 0


def new_id():
    global ids
    ids += 1
    return f"00000000-0000-7000-8000-{ids:012d}"


def moment(first, last):
    span = int((last - first).total_seconds())
    return first + timedelta(seconds=draw.randrange(span))


def utc(y, m, d):
    return datetime(y, m, d, tzinfo=timezone.utc)


def add(table, **row):
    row.setdefault("id", new_id())
    books[table].append(row)
    return row


# --- the books -------------------------------------------------------------------------------------------------------

owners = [add("users", login=f"user{i}", name=f"User {i}") for i in range(3)]
customers = [add("customers", code=f"C{i}", name=f"Customer {i}", kind="company", lifecycle="customer") for i in range(8)]
contacts = []
for i in range(6):
    contact = add("contacts", name=f"Contact {i}")
    contacts.append(contact)
    books["contact_customers"].append({"contact_id": contact["id"], "seq": 0, "customer_id": customers[i]["id"], "is_primary": True, "is_active": True})
pipeline = add("pipelines", name="Sales", is_default=True, is_active=True)
for seq, code in enumerate(STAGES):
    books["pipeline_stages"].append({
        "pipeline_id": pipeline["id"], "seq": seq, "code": code, "name": code.title(), "kind": code if code in ("won", "lost") else "open",
        "probability": PROBABILITY[code], "rotten_days": 30,
    })
books["currency_rates"].append({"id": new_id(), "currency": "USD", "base": "EUR", "date": "2025-01-01", "rate": str(RATES["USD"])})

campaigns = []
for i, start in enumerate(["2025-06-30", "2025-08-01", "2025-10-15", "2026-02-01"]):
    currency = "USD" if i == 2 else "EUR"
    campaigns.append(add("campaigns", code=f"K{i}", name=f"Campaign {i}", kind="email" if i % 2 else "event", status="active", start_date=start,
                         currency=currency, actual_cost=None if i == 3 else "12345.67"))
for campaign in campaigns:
    for i in range(8):
        whom = {"contact_id": contacts[i]["id"]} if i < 4 else {"customer_id": customers[i]["id"]}
        way = draw.choice([["sent"], [], ["sent", "opened"], ["sent", "responded"], ["responded", "converted"], ["sent", "responded", "opted_out"], ["sent", "bounced"], ["opted_out"]])
        at = moment(utc(2025, 8, 1), utc(2026, 2, 1))
        member = add("campaign_members", campaign_id=campaign["id"], status=way[-1] if way else "targeted", **whom)
        if {"responded", "converted"} & set(way):
            member["responded_at"] = at.isoformat()
        for n, step in enumerate(["targeted"] + way):
            books["campaign_events"].append({
                "campaign_id": campaign["id"], "id": new_id(), "member_id": member["id"], "at": (at + timedelta(seconds=n)).isoformat(), "by": "system", "type": step,
            })

for i in range(120):
    created = moment(utc(2025, 5, 1), utc(2026, 3, 1))
    way = [draw.choice(STAGES[:3])]
    for _ in range(draw.randrange(6)):
        here_now = way[-1]
        ahead = STAGES[:3] if here_now in ("won", "lost") else STAGES  # what was closed is opened again first
        way.append(draw.choice([s for s in ahead if s != here_now]))
    times = sorted([created] + [moment(created, utc(2026, 3, 15)) for _ in way[1:]])
    stage, currency = way[-1], draw.choice(["EUR", "EUR", "USD"])
    status = stage if stage in ("won", "lost") else "open"
    category = {"won": "closed", "lost": "omitted"}.get(status) or draw.choice(["pipeline", "best_case", "commit", "omitted"])
    row = add(
        "opportunities", number=f"O{i}", name=f"Deal {i}", customer_id=draw.choice(customers)["id"], pipeline_id=pipeline["id"], stage=stage, status=status,
        stage_entered_at=times[-1].isoformat(), amount=str(Decimal(draw.randrange(10_000_00)) / 100), currency=currency, rate_to_base=str(RATES[currency]),
        probability=PROBABILITY[stage] if status != "open" else draw.choice([5, 33, 50, 75, 90]), forecast_category=category,
        created_at=created.isoformat(), source=draw.choice(["fair", "web", "", None]), owner_id=draw.choice(owners)["id"], campaign_id=draw.choice(campaigns + [{"id": None}] * 2)["id"],
        expected_close=draw.choice(["2026-01-31", "2026-03-31", "2026-04-20", None]),
    )
    if status != "open":
        row["closed_at"] = times[-1].isoformat()
    if status == "lost":
        row["lost_reason"] = draw.choice(["price", "delay", "rival"])
    if i % 17 == 0:
        row["deleted_at"] = "2026-03-14T00:00:00+00:00"
    for version, (to, at) in enumerate(zip(way, times), 1):
        before = way[version - 2] if version > 1 else None
        books["opportunity_stage_log"].append({
            "opportunity_id": row["id"], "version": version, "at": at.isoformat(), "by": "system", "pipeline_id": pipeline["id"], "from_stage": before, "to_stage": to,
        })

for i in range(60):
    created = moment(utc(2025, 6, 1), utc(2026, 3, 14))
    status = draw.choice(["new", "pending", "resolved", "closed", "closed", "rejected", "duplicate"])
    row = add("tickets", number=f"T{i}", subject=f"Ticket {i}", customer_id=draw.choice(customers)["id"], kind="question", priority=draw.choice(["low", "normal", "high", "urgent"]),
              status=status, created_at=created.isoformat(), first_response_due=(created + timedelta(hours=8)).isoformat(), resolve_due=(created + timedelta(hours=72)).isoformat(),
              reopened=draw.choice([0, 0, 0, 1, 2]))
    if status not in ("new", "duplicate"):
        row["first_responded_at"] = (created + timedelta(seconds=draw.randrange(16 * 3600))).isoformat()
    if status in ("resolved", "closed"):
        row["resolved_at"] = (created + timedelta(seconds=draw.randrange(16 * 3600, 240 * 3600))).isoformat()
for i in range(60):
    score, nps = draw.choice([(draw.randint(1, 5), None), (None, draw.randint(0, 10)), (draw.randint(1, 5), draw.randint(0, 10))])
    add("feedback", customer_id=draw.choice(customers)["id"], at=moment(utc(2025, 6, 1), utc(2026, 3, 14)).isoformat(), score=score, nps=nps)

# --- what is counted -------------------------------------------------------------------------------------------------


def rounded(x, digits=2):
    return None if x is None else Decimal(x).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def ratio(a, b, digits=2, times=100):
    return rounded(Decimal(times) * Decimal(a or 0) / Decimal(b), digits) if b else None


def text(x):
    if x is None:
        return ""
    if isinstance(x, Decimal):
        s = format(x.normalize(), "f")
        return "0" if s in ("-0", "0") else s
    return str(x)


def base(o, share=Decimal(1)):
    return rounded(Decimal(o["amount"]) * share * Decimal(o["rate_to_base"]))


def day(stamp):
    return datetime.fromisoformat(stamp).date()


def within(stamp):
    return FROM <= day(stamp) <= TO


def total(values):
    """The sum of what is there; nothing where nothing is."""
    there = [v for v in values if v is not None]
    return sum(there) if there else None


def ones(rows, holds):
    return total(1 if holds(r) else None for r in rows)


cases = []


def case(report, parameters, columns, groups, row_of):
    """A case from rows by key, and from all of them together; a key of one column is dropped from the totals by the test."""
    everything = [r for rows in groups.values() for r in rows]
    cases.append({
        "report": report, "parameters": parameters, "columns": " | ".join(columns),
        "rows": sorted(" | ".join(text(v) for v in [key, *row_of(rows)]) for key, rows in groups.items()),
        "totals": " | ".join(text(v) for v in row_of(everything)),
    })


def grouped(rows, key):
    groups = defaultdict(list)
    for r in rows:
        groups[key(r)].append(r)
    return groups


deals = [o for o in books["opportunities"] if "deleted_at" not in o]
standing = [o for o in deals if o["status"] == "open"]
ended = [o for o in deals if o["status"] != "open" and within(o["closed_at"])]


def weighted(o):
    return base(o, Decimal(o["probability"]) / 100)


case(
    "funnel", {}, ["label", "opportunities", "amount", "weighted", "rotten", "age"],
    {s.title(): [o for o in standing if o["stage"] == s] for s in STAGES[:3]},
    lambda rows: [
        ones(rows, lambda o: True), total(map(base, rows)), total(map(weighted, rows)),
        ones(rows, lambda o: datetime.fromisoformat(o["stage_entered_at"]) < utc(2026, 3, 16) - timedelta(days=30)),
        ratio(sum((TODAY - day(o["stage_entered_at"])).days for o in rows), len(rows), 1, 1),
    ],
)

# Cohorts: what each deal that entered a stage in the period did after its first entry there.
entries = []
for o in deals:
    log = sorted((g for g in books["opportunity_stage_log"] if g["opportunity_id"] == o["id"]), key=lambda g: g["version"])
    for stage in STAGES[:3]:
        stays = [i for i, g in enumerate(log) if g["to_stage"] == stage and within(g["at"])]
        if not stays:
            continue
        later = {g["to_stage"] for g in log[stays[0] + 1:]}
        further = set(STAGES[STAGES.index(stage) + 1:4])
        seconds = [(datetime.fromisoformat(log[i + 1]["at"]) - datetime.fromisoformat(log[i]["at"])).total_seconds() for i in stays if i + 1 < len(log)]
        entries.append({"stage": stage, "status": o["status"], "advanced": bool(later & further), "stays": len(seconds),
                        "days": rounded(Decimal(sum(seconds)) / 86400) if seconds else None})
case(
    "stage-conversion", PERIOD, ["label", "entered", "advanced", "won", "lost", "stays", "days", "conversion", "stay"],
    grouped(entries, lambda e: e["stage"].title()),
    lambda rows: [
        len(rows), ones(rows, lambda e: e["advanced"]), ones(rows, lambda e: e["status"] == "won"), ones(rows, lambda e: e["status"] == "lost"),
        sum(e["stays"] for e in rows), total(e["days"] for e in rows), ratio(ones(rows, lambda e: e["advanced"]), len(rows)),
        ratio(total(e["days"] for e in rows), sum(e["stays"] for e in rows), 1, 1),
    ],
)


def cycle(o):
    return (day(o["closed_at"]) - day(o["created_at"])).days


def closed(rows):
    won, lost = [o for o in rows if o["status"] == "won"], [o for o in rows if o["status"] == "lost"]
    won_amount, lost_amount = total(map(base, won)), total(map(base, lost))
    return [
        len(won) or None, len(lost) or None, won_amount, lost_amount, ratio(len(won), len(won) + len(lost)),
        ratio(won_amount, (won_amount or 0) + (lost_amount or 0)), ratio(won_amount, len(won), 2, 1), ratio(sum(map(cycle, won)), len(won), 1, 1),
    ]


columns = ["won", "lost", "won_amount", "lost_amount", "rate", "value_rate", "average", "cycle"]
case("win-rate", {**PERIOD, "by": "month"}, ["key", *columns], grouped(ended, lambda o: o["closed_at"][:7]), closed)
case("win-rate", {**PERIOD, "by": "source"}, ["key", *columns], grouped(ended, lambda o: o["source"] or None), closed)
case("win-rate", {**PERIOD, "by": "owner"}, ["label", *columns], grouped(ended, lambda o: next(u["name"] for u in owners if u["id"] == o["owner_id"])), closed)
lost = [o for o in ended if o["status"] == "lost"]
case("lost-reasons", PERIOD, ["key", "lost", "amount", "share"], grouped(lost, lambda o: o["lost_reason"]),
     lambda rows: [len(rows), total(map(base, rows)), ratio(len(rows), len(lost))])


def velocity(rows):
    won = [o for o in rows if o["status"] == "won"]
    opened, n = sum(o["status"] == "open" for o in rows), sum(o["status"] != "open" for o in rows)
    speed = Decimal(opened) * Decimal(len(won)) / n * (sum(map(base, won)) / len(won)) / (Decimal(sum(map(cycle, won))) / len(won))
    return [opened, rounded(speed)]


case("sales-velocity", {**PERIOD, "by": "owner"}, ["label", "open", "velocity"],
     grouped(standing + ended, lambda o: next(u["name"] for u in owners if u["id"] == o["owner_id"])), velocity)


def forecast(rows):
    counted = [o for o in rows if o["forecast_category"] != "omitted"]
    of = lambda c: total(base(o) for o in rows if o["forecast_category"] == c)
    return [
        total(map(weighted, counted)), len(counted) or None, total(map(base, counted)), of("commit"), of("best_case"), of("pipeline"),
        total(weighted(o) for o in counted if o["expected_close"] and o["expected_close"] < str(TODAY)), of("omitted"),
    ]


columns = ["weighted", "opportunities", "amount", "commit", "best_case", "pipeline", "slipped", "omitted"]
case("forecast", {"by": "month"}, ["key", *columns], grouped(standing, lambda o: o["expected_close"] and o["expected_close"][:7]), forecast)
case("forecast", {"by": "category"}, ["key", *columns], grouped(standing, lambda o: o["forecast_category"]), forecast)

begun = [c for c in campaigns if FROM <= date.fromisoformat(c["start_date"]) <= TO]
steps = defaultdict(set)
for e in books["campaign_events"]:
    steps[e["member_id"]].add(e["type"])
members = [m for m in books["campaign_members"] if m["campaign_id"] in {c["id"] for c in begun}]
name = {c["id"]: c["code"] + " " + c["name"] for c in campaigns}


def response(rows):
    did = lambda *types: ones(rows, lambda m: steps[m["id"]] & set(types))
    sent, responded, converted = did("sent", "opened", "clicked", "responded", "converted", "bounced"), did("responded", "converted"), did("converted")
    out = ones(rows, lambda m: m["status"] == "opted_out")
    return [len(rows), sent, responded, converted, ones(rows, lambda m: m["status"] == "bounced"), out, ratio(responded, sent), ratio(converted, sent), ratio(out, len(rows))]


case("campaign-response", PERIOD, ["label", "targeted", "sent", "responded", "converted", "bounced", "opted_out", "response_rate", "conversion_rate", "opt_out_rate"],
     grouped(members, lambda m: name[m["campaign_id"]]), response)

# Who answered, as the customer they are or belong to.
belongs = {k["contact_id"]: k["customer_id"] for k in books["contact_customers"]}
answers = [(m["responded_at"], m["campaign_id"], m.get("customer_id") or belongs[m["contact_id"]]) for m in books["campaign_members"] if "responded_at" in m]
gains = [{"campaign": c["id"], "cost": None if c["actual_cost"] is None else rounded(Decimal(c["actual_cost"]) * RATES[c["currency"]])} for c in begun]
for o in deals:
    if o["status"] != "won":
        continue
    before = sorted(a for a in answers if a[2] == o["customer_id"] and a[0] <= o["closed_at"])
    gains.append({"campaign": o["campaign_id"], "won": base(o)})
    if before:
        gains.append({"campaign": before[0][1], "first": base(o)})
        gains.append({"campaign": before[-1][1], "last": base(o)})
gains = [g for g in gains if g["campaign"] in {c["id"] for c in begun}]


def brought(rows):
    cost, won, first, last = (total(g.get(k) for g in rows) for k in ("cost", "won", "first", "last"))
    back = lambda x: None if cost is None else ratio((x or 0) - cost, cost)
    return [cost, won, first, last, back(won), back(first), back(last)]


case("campaign-return", PERIOD, ["label", "cost", "won", "first_touch", "last_touch", "return", "first_return", "last_return"], grouped(gains, lambda g: name[g["campaign"]]), brought)


def hours(t, until):
    return Decimal((datetime.fromisoformat(t[until]) - datetime.fromisoformat(t["created_at"])).total_seconds()) / 3600 if until in t else None


def service(rows):
    def part(done, due):
        took = [hours(t, done) for t in rows]
        soon = ones(rows, lambda t: done in t and datetime.fromisoformat(t[done]) <= datetime.fromisoformat(t[due]))
        late = ones(rows, lambda t: datetime.fromisoformat(t[done]) > datetime.fromisoformat(t[due]) if done in t
                    else t["status"] != "rejected" and datetime.fromisoformat(t[due]) < utc(2026, 3, 15))
        n = sum(x is not None for x in took)
        return [n or None, ratio(total(map(rounded, took)), n, 2, 1), soon, late, ratio(soon, (soon or 0) + (late or 0))]

    again = ones(rows, lambda t: t["reopened"] > 0)
    return [len(rows), *part("first_responded_at", "first_response_due"), *part("resolved_at", "resolve_due"), again, ratio(again, len(rows))]


def band(t):
    took = hours(t, "resolved_at")
    return "none" if took is None else next((str(h) for h in (1, 4, 8, 24, 72, 168) if took <= h), "more")


tickets = [t for t in books["tickets"] if t["status"] != "duplicate" and within(t["created_at"])]
columns = ["tickets", "answered", "response", "response_in_time", "response_late", "response_rate", "settled", "solution", "solution_in_time", "solution_late", "solution_rate",
           "reopened", "reopened_rate"]
case("service-times", {**PERIOD, "by": "priority"}, ["key", *columns], grouped(tickets, lambda t: t["priority"]), service)
case("service-times", {**PERIOD, "by": "month"}, ["key", *columns], grouped(tickets, lambda t: t["created_at"][:7]), service)
case("service-times", {**PERIOD, "by": "solution_time"}, ["key", *columns], grouped(tickets, band), service)


def said(rows):
    scores, nps = [f["score"] for f in rows if f["score"]], [f["nps"] for f in rows if f["nps"] is not None]
    happy, up, down = sum(s >= 4 for s in scores), sum(n >= 9 for n in nps), sum(n <= 6 for n in nps)
    return [len(scores) or None, happy or None, len(nps) or None, up or None, down or None, ratio(happy, len(scores)), ratio(sum(scores), len(scores), 2, 1), ratio(up - down, len(nps), 1)]


case("satisfaction", {**PERIOD, "by": "month"}, ["key", "scores", "satisfied", "nps_answers", "promoters", "detractors", "csat", "average", "nps"],
     grouped([f for f in books["feedback"] if within(f["at"])], lambda f: f["at"][:7]), said)

with open(here / "crm.books.json.gz", "wb") as f, gzip.GzipFile(fileobj=f, mode="wb", mtime=0, filename="") as z:
    z.write(json.dumps(books).encode())
(here / "crm.golden.json").write_text(json.dumps({"computed": "by golden_crm.py from crm.books.json.gz", "cases": cases}, indent=1, ensure_ascii=False) + "\n")

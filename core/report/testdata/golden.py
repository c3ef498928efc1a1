"""Computes the golden files of package report by other means than its SQL: pandas, and lifetimes for the RFM of cdnow.

    python3 -m venv venv && venv/bin/pip install pandas==3.1.1 lifetimes==0.11.3
    venv/bin/python golden.py <folder with cdnow/ and northwind/>

It writes cdnow.golden.json, northwind.golden.json and cdnow-sample.csv.gz, the test's own part of cdnow: every tenth of
its customers, those whose number ends in 1. cdnow is a public research data set (P. Fader, B. Hardie), as packaged by
lifetimes (MIT); Northwind's licence (Ms-PL) lies in cmd/crmhub/northwind.
"""

import gzip
import io
import json
import math
import sys
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pandas as pd
from lifetimes.utils import summary_data_from_transaction_data

CENT = Decimal("0.01")
data = Path(sys.argv[1])
here = Path(__file__).parent


def cents(x):
    return x.quantize(CENT, ROUND_HALF_UP)


def text(x):
    if isinstance(x, Decimal):
        s = format(x.normalize(), "f")
        return "0" if s in ("-0", "0") else s
    return str(x)


def case(report, parameters, columns, rows, totals):
    return {
        "report": report,
        "parameters": parameters,
        "columns": " | ".join(columns),
        "rows": sorted(" | ".join(text(v) for v in row) for row in rows),
        "totals": " | ".join(text(v) for v in totals),
    }


def write(name, what, cases):
    doc = {"computed": what, "cases": cases}
    (here / name).write_text(json.dumps(doc, indent=1, ensure_ascii=False) + "\n")


# --- cdnow -----------------------------------------------------------------------------------------------------------


def cdnow():
    raw = gzip.open(data / "cdnow" / "cdnow-master.txt.gz", "rt").read()
    rows = [line.split() for line in raw.splitlines()[1:] if line.strip()]
    df = pd.DataFrame(rows, columns=["customer", "date", "units", "dollars"])
    df = df[df.customer.str.endswith("1")].copy()
    df["date"] = pd.to_datetime(df.date, format="%Y%m%d")
    df["dollars"] = df.dollars.map(Decimal)

    out = io.StringIO()
    df.assign(date=df.date.dt.strftime("%Y-%m-%d"))[["customer", "date", "dollars"]].to_csv(out, index=False, header=False)
    with open(here / "cdnow-sample.csv.gz", "wb") as f, gzip.GzipFile(fileobj=f, mode="wb", mtime=0, filename="") as z:
        z.write(out.getvalue().encode())

    as_of = pd.Timestamp("1998-06-30")
    window = df[(df.date > as_of - pd.Timedelta(days=365)) & (df.date <= as_of)]
    rfm = window.groupby("customer").agg(last=("date", "max"), f=("date", "size"), m=("dollars", lambda s: sum(s, Decimal())))
    rfm["r"] = (as_of - rfm["last"]).dt.days

    # lifetimes counts the same days in its own way: age of the customer less his recency is how long he has been silent.
    theirs = summary_data_from_transaction_data(window, "customer", "date", observation_period_end=as_of)
    assert ((theirs["T"] - theirs["recency"]).astype(int) == rfm["r"]).all()

    n = len(rfm)

    def score(s):
        return (1 + (5 * (s.rank(method="min") - 1) / (n - 1)).map(math.floor)).clip(upper=5)

    rfm["R"] = score(-rfm.r)
    rfm["F"] = score(rfm.f)
    rfm["M"] = score(rfm.m.map(float))

    def segment(row):
        fm = math.ceil((row.F + row.M) / 2)
        for holds, name in [
            (row.R >= 4 and fm >= 4, "champion"), (row.R >= 3 and fm >= 3, "loyal"), (row.R >= 4 and fm == 2, "promising"), (row.R >= 4, "new"),
            (row.R == 3, "needs_attention"), (fm >= 4, "cannot_lose"), (fm == 3, "at_risk"), (row.R == 2, "hibernating"), (True, "lost"),
        ]:
            if holds:
                return name

    rfm["segment"] = rfm.apply(segment, axis=1)
    rfm["score"] = rfm.R.astype(int).astype(str) + rfm.F.astype(int).astype(str) + rfm.M.astype(int).astype(str)

    def by(column):
        for key, g in rfm.groupby(column):
            yield key, len(g), int(g.f.sum()), sum(g.m, Decimal())

    totals = [n, int(rfm.f.sum()), sum(rfm.m, Decimal())]
    cases = [
        case("rfm", {"as_of": "1998-06-30", "by": by_, "limit": "200"}, ["key", "customers", "orders", "revenue"], by(by_), totals)
        for by_ in ("segment", "score")
    ]

    period = df[(df.date >= "1997-07-01") & (df.date <= "1998-06-30")]
    revenue = period.groupby("customer").dollars.agg(lambda s: sum(s, Decimal())).sort_values(ascending=False)
    whole, classes = sum(revenue, Decimal()), {}
    for value in revenue:
        ahead = sum((v for v in revenue if v > value), Decimal())
        name = "A" if ahead < whole * Decimal("0.80") else "B" if ahead < whole * Decimal("0.95") else "C"
        count, amount = classes.get(name, (0, Decimal()))
        classes[name] = (count + 1, amount + value)
    cases.append(case(
        "abc", {"from": "1997-07-01", "to": "1998-06-30"}, ["key", "customers", "revenue", "share"],
        [(k, c, v, cents(100 * v / whole)) for k, (c, v) in classes.items()], [len(revenue), whole, Decimal(100)],
    ))

    def months(frm, to):
        part = df[(df.date >= frm) & (df.date <= to)]
        return part.groupby(part.date.dt.to_period("M")).dollars.agg(["size", lambda s: sum(s, Decimal())])

    now, before = months("1998-01-01", "1998-06-30"), months("1997-07-01", "1997-12-31")
    before.index = before.index + 6
    rows, a, b = [], Decimal(), Decimal()
    for month, (count, amount) in zip(now.index, now.itertuples(index=False)):
        was = before.loc[month].iloc[1]
        rows.append((str(month), count, amount, was, cents(100 * (amount - was) / was)))
        a, b = a + amount, b + was
    cases.append(case(
        "booked", {"by": "month", "from": "1998-01-01", "to": "1998-06-30"}, ["key", "documents", "revenue", "previous", "change"],
        rows, [int(now["size"].sum()), a, b, cents(100 * (a - b) / b)],
    ))

    best = rfm.sort_values("m", ascending=False).head(5)
    cases.append(case(
        "customer-value", {"as_of": "1998-06-30", "years": "3", "limit": "5"}, ["label", "orders", "revenue", "average", "yearly", "value"],
        [("CDNOW " + c, int(x.f), x.m, cents(x.m / int(x.f)), x.f, cents(x.m * 3)) for c, x in best.iterrows()],
        [int(rfm.f.sum()), sum(rfm.m, Decimal()), cents(sum(rfm.m, Decimal()) / int(rfm.f.sum())), int(rfm.f.sum()), cents(sum(rfm.m, Decimal()) * 3)],
    ))
    write("cdnow.golden.json", "by golden.py, with pandas and lifetimes, from cdnow-sample.csv.gz", cases)


# --- northwind -------------------------------------------------------------------------------------------------------

RATE = Decimal("0.87")  # of the dollar, as the test gives to each document


def northwind():
    folder = data / "northwind"
    read = lambda name: pd.read_csv(folder / name, dtype=str, keep_default_na=False)
    orders, details, products = read("orders.csv"), read("order_details.csv"), read("products.csv")
    categories, customers = read("categories.csv"), read("customers.csv")

    lines = details.merge(products[["product_id", "product_name", "category_id"]], on="product_id").merge(categories[["category_id", "category_name"]], on="category_id")
    lines["untaxed"] = [
        cents(Decimal(q) * Decimal(p) * (1 - Decimal(d))) for q, p, d in zip(lines.quantity, lines.unit_price, lines.discount)
    ]
    freight = pd.DataFrame({
        "order_id": orders.order_id, "product_name": "", "category_name": "", "untaxed": orders.freight.map(Decimal),
    })
    lines = pd.concat([lines[["order_id", "product_name", "category_name", "untaxed"]], freight], ignore_index=True)
    total = lines.groupby("order_id").untaxed.agg(lambda s: sum(s, Decimal()))
    customers["company_name"] = customers.company_name.map(lambda s: " ".join(s.split()))  # as the hub stores it
    o = orders.merge(customers[["customer_id", "company_name"]], on="customer_id")
    o["untaxed"] = o.order_id.map(total)
    o["date"] = pd.to_datetime(o.order_date)
    lines = lines.merge(o[["order_id", "date"]], on="order_id")

    period = {"from": "1997-01-01", "to": "1997-12-31"}
    year = lambda d, y: d[d.date.dt.year == y]
    summed = lambda s: sum((cents(x * RATE) for x in s), Decimal())
    cases = []
    for by, column, frame, key in [
        ("month", None, o, "key"), ("customer", "company_name", o, "label"), ("product", "product_name", lines, "label"), ("category", "category_name", lines, "key"),
    ]:
        now, before = year(frame, 1997), year(frame, 1996)
        if by == "month":
            now, before = now.assign(month=now.date.dt.strftime("%Y-%m")), before.assign(month=before.date.dt.strftime("1997-%m"))
            column = "month"
        rows = []
        for name in sorted(set(now[column]) | set(before[column])):
            x, y = now[now[column] == name], before[before[column] == name]
            rows.append((name, len(x) or "", summed(x.untaxed) if len(x) else "", summed(y.untaxed) if len(y) else ""))
        cases.append(case("booked", {**period, "by": by, "limit": "500"}, [key, "documents", "revenue", "previous"], rows,
                          [len(now), summed(now.untaxed), summed(before.untaxed)]))

    # The test makes an invoice of each order: due 30 days later, paid 45 days later unless the number divides by 7.
    o["due"] = o.date + pd.Timedelta(days=30)
    o["paid"] = [d + pd.Timedelta(days=45) if int(n) % 7 else pd.Timestamp.max for n, d in zip(o.order_id, o.date)]
    usd = lambda s: sum(s, Decimal())

    def open_on(day):
        return o[(o.date <= day) & (o.paid > day)]

    for day in ("1998-05-06", "1998-02-28"):
        at = open_on(day)
        for face in (False, True):
            add = usd if face else summed
            rows, sums = [], [Decimal()] * 6

            def buckets(g):
                age = (pd.Timestamp(day) - g.due).dt.days
                parts = [age <= 0, (age >= 1) & (age <= 30), (age >= 31) & (age <= 60), (age >= 61) & (age <= 90), age > 90]
                return [add(g.untaxed)] + [add(g[p].untaxed) if p.any() else "" for p in parts]

            columns = ["label", "currency", "total", "not_due", "days_1_30", "days_31_60", "days_61_90", "days_over_90"]
            currency = "USD" if face else "EUR"
            cases.append(case("receivables-aging", {"as_of": day, "limit": "500", **({"per_currency": "true"} if face else {})}, columns,
                              [[name, currency] + buckets(g) for name, g in at.groupby("company_name")], [currency] + buckets(at)))
        rows = [(str(m), len(g), summed(g.untaxed)) for m, g in at.groupby(at.due.dt.to_period("M"))]
        cases.append(case("expected-cash", {"as_of": day}, ["key", "invoices", "expected"], rows, [len(at), summed(at.untaxed)]))

    quarter = o[(o.date >= "1998-01-01") & (o.date <= "1998-03-31")]
    end = open_on("1998-03-31")
    a, b = summed(end.untaxed), summed(quarter.untaxed)
    days = (a * 90 / b).quantize(Decimal("0.1"), ROUND_HALF_UP)
    cases.append(case("dso", {"from": "1998-01-01", "to": "1998-03-31"}, ["open", "invoiced", "days"], [(a, b, days)], [a, b, days]))

    paid = o[(o.paid >= "1998-01-01") & (o.paid <= "1998-04-30")]
    rows = [(str(m), "USD", len(g), usd(g.untaxed)) for m, g in paid.groupby(paid.paid.dt.to_period("M"))]
    cases.append(case("payments-received", {"from": "1998-01-01", "to": "1998-04-30"}, ["key", "currency", "payments", "received"], rows,
                      ["USD", len(paid), usd(paid.untaxed)]))
    write("northwind.golden.json", "by golden.py, with pandas, from Northwind's own CSV files", cases)


cdnow()
northwind()

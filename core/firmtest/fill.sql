-- What a large firm's books say, made by the server of row numbers. "first" is what the rest refers to; each statement
-- after it fills a table of its own, in any order. n is a number, from 1 on; a row's number tells which customer it is of,
-- and the customer whose it is.
--
-- Ids are made of a time and a number, as the hub's are (UUIDv7), and `search` and `match_keys` hold what crm would write:
-- a test compares them. {n} is how many customers there are.

-- first
create function firm_id(at timestamptz, kind text, n bigint) returns uuid language sql immutable parallel safe
    return (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(kind || n), 1, 3) || '8' || substr(md5(kind || n), 4, 15))::uuid;
--- A Latin word by its first letters, a number with and without zeros before it, Chinese text by its parts.
create function firm_word(word text) returns text[] language sql immutable parallel safe
    return array[left(word, 1), left(word, 2), word];
create function firm_number(n bigint, digits integer) returns text[] language sql immutable parallel safe
    return array[n::text, lpad(n::text, digits, '0')];
create function firm_chinese(name text) returns text[] language sql immutable parallel safe
    return array(select substr(name, i, l) from generate_series(1, length(name)) i, generate_series(1, 2) l where i + l <= length(name) + 1);
create unlogged table firm_owners as select row_number() over (order by id) - 1 as n, id from users where organization_id = '{organization}';
create unlogged table firm_customers as
    select c.n, firm_id(now() - c.n * interval '1 minute', 'customer', c.n) as id, o.id as owner_id, now() - c.n * interval '1 minute' as at
    from generate_series(1::bigint, {n}) c (n) left join firm_owners o on o.n = (c.n::bigint * 7919) % 101;
create unique index on firm_customers (n);
analyze firm_owners, firm_customers;

insert into pipelines (id, version, name, is_default, is_active, created_at, created_by, updated_at, updated_by, search)
    values (firm_id(now(), 'pipeline', 1), 1, 'Standard', true, true, now(), 'system', now(), 'system', array_to_tsvector(firm_word('standard')));
insert into pipeline_stages (pipeline_id, seq, code, name, kind, probability)
    select firm_id(now(), 'pipeline', 1), s.seq - 1, s.code, initcap(s.code), s.kind, s.probability
    from (values (1, 'new', 'open', 10), (2, 'talks', 'open', 30), (3, 'offer', 'open', 60), (4, 'won', 'won', 100), (5, 'lost', 'lost', 0)) s (seq, code, kind, probability);
insert into products (id, version, sku, name, category, currency, list_price, cost, tax_rate, is_active, created_at, created_by, updated_at, updated_by, search)
    select firm_id(now(), 'product', n), 1, 'P-' || lpad(n::text, 6, '0'), 'Pump ' || n, 'Pumps', 'EUR', n % 5000, n % 2500, 20, n % 10 > 0,
        now() - n * interval '1 hour', 'system', now() - n * interval '1 hour', 'system',
        array_to_tsvector(array['p'] || firm_number(n, 6) || firm_word('pump') || firm_word('pumps'))
    from generate_series(1::bigint, greatest({n} / 100, 10)) n;
insert into campaigns (id, version, code, name, kind, status, start_date, budget, currency, owner_id, created_at, created_by, updated_at, updated_by, search)
    select firm_id(now(), 'campaign', c.n), 1, 'CAM-' || lpad(c.n::text, 6, '0'), 'Fair ' || c.n, 'event', (array['planning', 'active', 'complete'])[1 + c.n % 3],
        current_date - (c.n % 700)::integer, 1000, 'EUR', o.id, now() - c.n * interval '1 hour', 'system', now() - c.n * interval '1 hour', 'system',
        array_to_tsvector(firm_word('cam') || firm_number(c.n, 6) || firm_word('fair'))
    from generate_series(1::bigint, 500) c (n) left join firm_owners o on o.n = (c.n * 7919) % 101;
insert into segments (id, version, name, kind, subject, created_at, created_by, updated_at, updated_by, search)
    select firm_id(now(), 'segment', n), 1, 'Group ' || n, 'rule', 'customer', now(), 'system', now(), 'system', array_to_tsvector(firm_word('group') || array[n::text])
    from generate_series(1::bigint, 50) n;
insert into segment_conditions (segment_id, seq, field, op, values) select id, 0, 'lifecycle', 'eq', '{customer}' from segments;

-- customers
insert into customers (id, version, code, name, kind, lifecycle, level, phone, email, owner_id, owned_since, next_contact_at, created_at, created_by, updated_at, updated_by, search, match_keys)
    select c.id, 1, 'C-' || lpad(c.n::text, 7, '0'), v.name, 'company', (array['lead', 'potential', 'customer', 'dormant'])[1 + c.n % 4], (array['A', 'B', 'C'])[1 + c.n % 3],
        '1' || 3000000000 + c.n, 'u' || c.n || '@d' || c.n % 5000 || '.com', c.owner_id, c.at,
        case when c.n % 3 = 0 then now() + (c.n % 90 - 30) * interval '1 day' end, c.at, 'system', now() - (c.n * 31 % 500000) * interval '1 minute', 'system',
        array_to_tsvector(array['c', 'u', 'd', 'co', 'com', 'u' || c.n, 'd' || c.n % 5000, left('u' || c.n, 2), left('d' || c.n % 5000, 2), c.n::text, (c.n % 5000)::text,
            '1' || 3000000000 + c.n, right((3000000000 + c.n)::text, 4)] || firm_number(c.n, 7)
            || case when c.n % 4 = 0 then firm_word(lower(split_part(v.name, ' ', 1))) || firm_word('trading') else firm_chinese(v.name) end),
        array['email:u' || c.n || '@d' || c.n % 5000 || '.com', 'domain:d' || c.n % 5000 || '.com', 'phone:+861' || 3000000000 + c.n, 'city:graz',
            'name:' || k.name, 'head:' || left(k.name, k.ends), 'tail:' || right(k.name, k.ends)]
    from firm_customers c cross join lateral (select case
        when c.n % 4 = 0 then (array['North', 'East', 'South', 'West'])[1 + c.n / 4 % 4] || (array['wind', 'star', 'field', 'gate'])[1 + c.n / 16 % 4] || ' ' || c.n || ' Trading'
        else (array['上海', '北京', '深圳', '广州'])[1 + c.n % 4] || chr((19968 + c.n % 3000)::integer) || chr((19968 + c.n / 3000 % 3000)::integer)
            || (array['科技', '贸易', '机械'])[1 + c.n % 3] || '有限公司' end) v (name)
    cross join lateral (select lower(replace(replace(v.name, ' ', ''), '有限公司', '')), case when c.n % 4 = 0 then 6 else 4 end) k (name, ends);

-- customer_addresses
insert into customer_addresses (customer_id, seq, kind, street, city, country) select id, 0, 'bill', 'Main street 1', 'Graz', 'AT' from firm_customers;

-- contacts
insert into contacts (id, version, name, title, mobile, email, opt_out, owner_id, created_at, created_by, updated_at, updated_by, search, match_keys)
    select firm_id(c.at, 'contact', c.n), 1, 'Person ' || c.n, 'Buyer', '1' || 5000000000 + c.n, 'p' || c.n || '@d' || c.n % 5000 || '.com', c.n % 20 = 0, c.owner_id,
        c.at, 'system', now() - (c.n * 37 % 500000) * interval '1 minute', 'system',
        array_to_tsvector(firm_word('person') || firm_word('com') || firm_word('p' || c.n) || firm_word('d' || c.n % 5000)
            || array[c.n::text, (c.n % 5000)::text, '1' || 5000000000 + c.n, right((5000000000 + c.n)::text, 4)]),
        array['email:p' || c.n || '@d' || c.n % 5000 || '.com', 'domain:d' || c.n % 5000 || '.com', 'phone:+861' || 5000000000 + c.n, 'full_name:person' || c.n,
            'person:' || c.id || '/person' || c.n]
    from firm_customers c where c.n % 2 = 0;

-- contact_customers
insert into contact_customers (contact_id, seq, customer_id, role, is_primary)
    select firm_id(at, 'contact', n), 0, id, 'decision_maker', true from firm_customers where n % 2 = 0;

-- opportunities
insert into opportunities (id, version, number, name, customer_id, pipeline_id, stage, stage_entered_at, status, amount, currency, rate_to_base, probability,
        forecast_category, expected_close, closed_at, lost_reason, owner_id, created_at, created_by, updated_at, updated_by, search)
    select firm_id(c.at, 'opportunity', c.n), 1, 'OPP-' || lpad(c.n::text, 8, '0'), 'Plant ' || c.n, c.id, firm_id(now(), 'pipeline', 1), s.stage, c.at,
        case when s.stage in ('won', 'lost') then s.stage else 'open' end, c.n % 100000, 'EUR', 1,
        case s.stage when 'new' then 10 when 'talks' then 30 when 'offer' then 60 when 'won' then 100 else 0 end,
        case s.stage when 'won' then 'closed' when 'lost' then 'omitted' when 'offer' then 'best_case' else 'pipeline' end,
        case when c.n % 10 > 0 then current_date + (c.n % 400)::integer - 200 end, case when s.stage in ('won', 'lost') then c.at + interval '10 days' end,
        case when s.stage = 'lost' then 'price' end, c.owner_id,
        c.at, 'system', now() - (c.n * 41 % 500000) * interval '1 minute', 'system',
        array_to_tsvector(firm_word('opp') || firm_word('plant') || firm_number(c.n, 8))
    from firm_customers c cross join lateral (select (array['new', 'talks', 'offer', 'won', 'lost', 'won'])[1 + c.n / 5 % 6]) s (stage) where c.n % 5 = 0;

-- orders
insert into orders (id, version, number, customer_id, date, currency, rate_to_base, status, delivery_status, billing_status, payment_status, untaxed, tax, total,
        owner_id, created_at, created_by, updated_at, updated_by, search)
    select firm_id(v.at, 'order', o.n), 1, 'SO-' || lpad(o.n::text, 8, '0'), c.id, current_date - (o.n % 730)::integer, 'EUR', 1, (array['draft', 'confirmed', 'completed', 'completed'])[1 + o.n % 4],
        (array['none', 'partial', 'full', 'full'])[1 + o.n % 4], (array['none', 'partial', 'full', 'full'])[1 + o.n % 4], (array['none', 'partial', 'full', 'full'])[1 + o.n % 4],
        o.n % 10000, 0, o.n % 10000, c.owner_id, v.at, 'system', now() - (o.n * 17 % 900000) * interval '30 seconds', 'system',
        array_to_tsvector(firm_word('so') || firm_number(o.n, 8))
    from generate_series(1::bigint, 2 * {n}) o (n) join firm_customers c on c.n = 1 + o.n % {n} cross join lateral (select now() - o.n * interval '30 seconds') v (at);

-- order_lines
insert into order_lines (order_id, seq, product_id, description, qty, price, untaxed, tax)
    select firm_id(now() - n * interval '30 seconds', 'order', n), 0, firm_id(now(), 'product', 1 + n % greatest({n} / 100, 10)), 'Pump', 1, n % 10000, n % 10000, 0
    from generate_series(1::bigint, 2 * {n}) n;

-- contracts
insert into contracts (id, version, number, name, customer_id, start_date, end_date, currency, amount, status, owner_id, created_at, created_by, updated_at, updated_by, search)
    select firm_id(c.at, 'contract', c.n), 1, 'CT-' || lpad(c.n::text, 8, '0'), 'Service ' || c.n, c.id, current_date - (c.n % 700)::integer, current_date + (c.n % 700)::integer, 'EUR',
        c.n % 100000, (array['draft', 'signed', 'signed', 'fulfilled'])[1 + c.n / 10 % 4], c.owner_id, c.at, 'system', now() - (c.n * 43 % 500000) * interval '1 minute', 'system',
        array_to_tsvector(firm_word('ct') || firm_word('service') || firm_number(c.n, 8))
    from firm_customers c where c.n % 10 = 0;

-- invoices
insert into invoices (id, version, number, kind, customer_id, order_id, issue_date, due_date, currency, rate_to_base, untaxed, tax, total, residual, status, payment_status,
        owner_id, created_at, created_by, updated_at, updated_by, search)
    select firm_id(c.at, 'invoice', c.n), 1, 'INV-' || lpad(c.n::text, 8, '0'), case when c.n % 50 = 0 then 'credit_note' else 'invoice' end, c.id,
        firm_id(now() - c.n * interval '30 seconds', 'order', c.n), current_date - (c.n % 730)::integer, current_date - (c.n % 730)::integer + 30, 'EUR', 1,
        c.n % 10000, 0, c.n % 10000, case when c.n % 730 < 60 then c.n % 10000 else 0 end, 'issued', case when c.n % 730 < 60 then 'unpaid' else 'paid' end,
        c.owner_id, c.at, 'system', now() - (c.n * 47 % 500000) * interval '1 minute', 'system',
        array_to_tsvector(firm_word('inv') || firm_number(c.n, 8))
    from firm_customers c;

-- invoice_lines
insert into invoice_lines (invoice_id, seq, description, qty, price, untaxed, tax) select firm_id(at, 'invoice', n), 0, 'Pump', 1, n % 10000, n % 10000, 0 from firm_customers;

-- payments
insert into payments (id, version, number, customer_id, date, method, currency, amount, status, owner_id, created_at, created_by, updated_at, updated_by, search)
    select firm_id(c.at, 'payment', c.n), 1, 'PAY-' || lpad(c.n::text, 8, '0'), c.id, current_date - (c.n % 730)::integer + 20, 'transfer', 'EUR', 1 + c.n % 10000,
        (array['posted', 'posted', 'posted', 'draft'])[1 + c.n % 4], c.owner_id, c.at, 'system', now() - (c.n * 53 % 500000) * interval '1 minute', 'system',
        array_to_tsvector(firm_word('pay') || firm_number(c.n, 8))
    from firm_customers c where c.n % 730 >= 60;

-- payment_allocations
insert into payment_allocations (payment_id, seq, invoice_id, amount)
    select firm_id(at, 'payment', n), 0, firm_id(at, 'invoice', n), greatest(n % 10000, 1) from firm_customers where n % 730 >= 60 and n % 4 < 3;

-- tickets
insert into tickets (id, version, number, subject, customer_id, kind, priority, status, first_response_due, resolve_due, resolved_at, owner_id, created_at, created_by, updated_at, updated_by, search)
    select firm_id(c.at, 'ticket', c.n), 1, 'TK-' || lpad(c.n::text, 8, '0'), 'Leak ' || c.n, c.id, (array['question', 'problem', 'complaint'])[1 + c.n / 5 % 3],
        (array['low', 'normal', 'high', 'urgent'])[1 + c.n / 5 % 4], (array['new', 'assigned', 'resolved', 'closed', 'closed', 'closed'])[1 + c.n / 5 % 6],
        c.at + interval '4 hours', c.at + interval '2 days', case when c.n / 5 % 6 > 1 then c.at + interval '1 day' end, c.owner_id,
        c.at, 'system', now() - (c.n * 59 % 500000) * interval '1 minute', 'system',
        array_to_tsvector(firm_word('tk') || firm_word('leak') || firm_number(c.n, 8))
    from firm_customers c where c.n % 5 = 0;

-- feedback
insert into feedback (id, version, customer_id, at, score, nps, text, owner_id, created_at, created_by, updated_at, updated_by, search)
    select firm_id(c.at, 'feedback', c.n), 1, c.id, c.at, 1 + c.n / 10 % 5, c.n / 10 % 11, 'Fine ' || c.n, c.owner_id, c.at, 'system', c.at, 'system',
        array_to_tsvector(firm_word('fine') || array[c.n::text])
    from firm_customers c where c.n % 10 = 0;

-- tasks
insert into tasks (id, version, subject, status, priority, due_at, done_at, customer_id, owner_id, created_at, created_by, updated_at, updated_by, search)
    select firm_id(c.at, 'task', c.n), 1, 'Ring ' || c.n, s.status, (array['low', 'normal', 'high', 'urgent'])[1 + c.n / 2 % 4],
        case when c.n % 6 > 0 then c.at + interval '20 days' end, case when s.status = 'completed' then c.at + interval '9 days' end, c.id, c.owner_id,
        c.at, 'system', now() - (c.n * 61 % 500000) * interval '1 minute', 'system', array_to_tsvector(firm_word('ring') || array[c.n::text])
    from firm_customers c cross join lateral (select (array['completed', 'completed', 'completed', 'not_started', 'completed'])[1 + c.n / 2 % 5]) s (status) where c.n % 2 = 0;

-- activities
insert into activities (id, version, kind, subject, customer_id, at, owner_id, created_at, created_by, updated_at, updated_by, search)
    select firm_id(v.at, 'activity', a.n), 1, (array['call', 'visit', 'email'])[1 + a.n % 3], 'Spoke about offer ' || a.n, c.id, v.at, c.owner_id, v.at, 'system', v.at, 'system',
        array_to_tsvector(firm_word('spoke') || firm_word('about') || firm_word('offer') || array[a.n::text])
    from generate_series(1::bigint, 5 * {n}) a (n) join firm_customers c on c.n = 1 + a.n % {n} cross join lateral (select now() - a.n * interval '12 seconds') v (at);

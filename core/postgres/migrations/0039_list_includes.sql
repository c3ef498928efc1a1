-- +goose Up
-- What lists are narrowed by is in the indexes of their orders: whose a row is, what people choose from (crm.QuickFilters), and the days, instants and amounts
-- that there are orders of. The way along an order to the rows of one of a hundred owners, or to what stands at the far end of it, is read in the index
-- alone, without the rows that are none; crm.List asks for it so. What an index has in its key it has not once more, but for a day or an
-- instant that is there with the empty values first, since an expression counts for nothing.
-- +goose StatementBegin
do $$
declare
    r record;
    i text;
    definition text;
    included text;
begin
    for r in select * from (values
        ('customers', array['code', 'by_name', 'by_created_at', 'by_next_contact_at'], array['lifecycle', 'level', 'created_at', 'next_contact_at']),
        ('contacts', array['by_name'], array['opt_out']),
        ('opportunities', array['number', 'by_expected_close', 'by_amount'], array['status', 'forecast_category', 'expected_close', 'amount_rank', 'amount']),
        ('orders', array['number', 'by_date', 'by_total'], array['status', 'delivery_status', 'payment_status', 'date', 'total_rank', 'total']),
        ('contracts', array['number', 'by_end_date'], array['status', 'end_date']),
        ('invoices', array['number', 'by_issue_date', 'by_due_date', 'by_total'],
            array['status', 'payment_status', 'kind', 'issue_date', 'due_date', 'total_rank', 'total']),
        ('payments', array['number', 'by_date'], array['status', 'date']),
        ('feedback', array['by_at'], array['at']),
        ('activities', array['by_at'], array['kind', 'at']),
        ('tasks', array['by_due_at'], array['status', 'priority', 'due_at']),
        ('tickets', array['number'], array['status', 'priority', 'kind'])) v (kind, orders, included)
    loop
        foreach i in array array['recent', 'owner'] || r.orders loop
            definition := pg_get_indexdef(format('%I', r.kind || '_' || i)::regclass);
            select string_agg(c, ', ') into included from unnest('{id,owner_id}'::text[] || r.included) c where definition !~ (', ' || c || '( DESC)?[,)]');
            continue when included is null;
            execute format('drop index %I', r.kind || '_' || i);
            execute replace(definition, ' WHERE ', format(' include (%s) where ', included));
        end loop;
    end loop;
end $$;
-- +goose StatementEnd

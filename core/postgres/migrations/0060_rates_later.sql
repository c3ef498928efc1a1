-- +goose Up
-- What one unit of an issued invoice's currency was worth that day may be learned later: until then it counts at 1. What the
-- invoice itself says still never changes.
-- +goose StatementBegin
create or replace function invoice_is_immutable() returns trigger language plpgsql as $$
begin
    if old.status <> 'draft' and tg_op = 'DELETE' then
        raise exception 'invoice % is issued and cannot be deleted', old.number
            using errcode = 'restrict_violation', constraint = 'invoice_immutable';
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    if old.status <> 'draft' and ((new.number, new.kind, new.fapiao_type, new.order_id, new.reverses_id,
            new.issue_date, new.due_date, new.currency, new.untaxed, new.tax, new.total, new.deleted_at)
        is distinct from (old.number, old.kind, old.fapiao_type, old.order_id, old.reverses_id,
            old.issue_date, old.due_date, old.currency, old.untaxed, old.tax, old.total, old.deleted_at)
        or new.rate_to_base <> old.rate_to_base and old.rate_to_base <> 1
        or new.customer_id <> old.customer_id and not crmhub_merged('customer', old.customer_id, new.customer_id)) then
        raise exception 'invoice % is issued and cannot be changed', old.number
            using errcode = 'restrict_violation', constraint = 'invoice_immutable';
    end if;
    if old.status <> 'draft' and new.status = 'draft' then
        raise exception 'invoice % is issued and cannot become a draft again', old.number
            using errcode = 'restrict_violation', constraint = 'invoice_immutable';
    end if;
    return new;
end $$;
-- +goose StatementEnd

-- +goose Up
-- The keys by which customers are recognized leave out more legal forms than before. Those of customers that are there and have one of
-- these are made anew with their tokens, at the next start (crm.FillSearch); it is no new version.
alter table customers no force row level security;
update customers set search = null
where search is not null and lower(name) ~ concat(
    '(gesmbh|g\.?\s?e?s?\.?\s?m\.\s?b\.\s?h|ggmbh|kgaa|gbr|haftungsbeschr|gesellschaft|e\. ?[kgv]\.?$|\me[kgv]\.?$|s\.? ?a\.? de c|s\.? de r|ltda|\mlda|s\.?p\.? ?z|spółka|sp\. ?[zkj]|',
    'bvba|b\.v\.b\.a|\mvof|eurl|sasu|srls|s\.r\.l\.s|\msnc|s\.n\.c|s\.a\.p\.a|\msl[u]?\.?$|s\.l\.|s\.a\.u|\msau$|à ?r\.?l|\mhb$|a/s|i/s|s/a|\masa$|\me?hf\.?$|nyrt|\mbt\.?$|spol|\mks$|k\.s\.|v\.o\.s|d\.?o\.?o|\mdd$|d\.d\.|',
    '\muab|\msia\M|\moü|\me?ood|ооо|оао|зао|пао|ао|тов|оод|ад$|\mpt |tbk|sdn|bhd|pvt|pllc|\mlp\.?$|l\.p\.|k\.k|\mkk$|private limited|public limited|cong ty|công ty|',
    '集團|責任|總|总公司|株|有限会社|合同会社|合資|合名|㈱|㈲|\(有\)|주식|유한|\(주\)|㈜|合伙|合夥|个体工商户)');
alter table customers force row level security;

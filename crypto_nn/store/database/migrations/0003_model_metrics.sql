-- How a version did, measured now and then, per symbol and horizon (null: over all of them).
create table if not exists public.model_metrics (
  id uuid primary key,
  "timestamp" timestamptz not null check (isfinite("timestamp")),
  model_version text not null check (model_version <> ''),
  symbol text check (symbol ~ '^[A-Z0-9]{1,20}-[A-Z0-9]{2,10}$'),
  horizon integer check (horizon > 0),
  accuracy double precision check (accuracy between 0 and 1),
  majority double precision check (majority between 0 and 1),
  log_loss_skill double precision check (log_loss_skill <= 1 and log_loss_skill > '-Infinity'),
  latency_ms double precision check (latency_ms >= 0 and latency_ms < 'Infinity'),
  drift_score double precision check (drift_score >= 0 and drift_score < 'Infinity'),
  rows bigint check (rows >= 0),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint model_metrics_key
    unique nulls not distinct ("timestamp", model_version, symbol, horizon)
);
create index if not exists model_metrics_of_a_version
  on public.model_metrics (model_version, symbol, horizon, "timestamp" desc);
create index if not exists model_metrics_of_a_symbol
  on public.model_metrics (symbol, "timestamp" desc);

comment on table public.model_metrics is 'How a version did over time.';
comment on column public.model_metrics."timestamp" is 'When it was measured, UTC.';
comment on column public.model_metrics.accuracy is 'Share of right classes, 0 to 1.';
comment on column public.model_metrics.majority is
  'Accuracy of always saying the commonest class: what accuracy must beat.';
comment on column public.model_metrics.log_loss_skill is
  '1 minus log loss divided by that of the class shares; above 0 is skill.';
comment on column public.model_metrics.latency_ms is 'Median time of one prediction, ms.';
comment on column public.model_metrics.drift_score is
  'Largest drift score of the day; above 1 is the alarm level.';
comment on column public.model_metrics.rows is 'Number of predictions measured.';

create or replace trigger crypto_nn_1_unchanged before update on public.model_metrics
  for each row execute function suppress_redundant_updates_trigger();
create or replace trigger crypto_nn_2_stamp before update on public.model_metrics
  for each row execute function public.crypto_nn_stamp();

alter table public.model_metrics enable row level security;
alter table public.model_metrics force row level security;
drop policy if exists writer_reads on public.model_metrics;
drop policy if exists writer_inserts on public.model_metrics;
drop policy if exists writer_updates on public.model_metrics;
drop policy if exists reader_reads on public.model_metrics;
create policy writer_reads on public.model_metrics for select to crypto_nn_writer using (true);
create policy writer_inserts on public.model_metrics for insert to crypto_nn_writer with check (true);
create policy writer_updates on public.model_metrics for update to crypto_nn_writer
  using (true) with check (true);
create policy reader_reads on public.model_metrics for select to crypto_nn_reader using (true);

revoke all on public.model_metrics
  from public, anon, authenticated, crypto_nn_writer, crypto_nn_reader;
grant select, insert, update on public.model_metrics to crypto_nn_writer;
grant select on public.model_metrics to crypto_nn_reader;
do $$
begin
  if exists (select from pg_roles where rolname = 'service_role') then
    execute 'grant select, insert, update on public.model_metrics to service_role';
  end if;
end
$$;

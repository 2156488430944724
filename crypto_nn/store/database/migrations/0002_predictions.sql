-- What a model said, once per symbol, minute, horizon and version.
create table if not exists public.predictions (
  id uuid primary key,
  "timestamp" timestamptz not null check (isfinite("timestamp")),
  symbol text not null check (symbol ~ '^[A-Z0-9]{1,20}-[A-Z0-9]{2,10}$'),
  model_version text not null check (model_version <> ''),
  horizon integer not null check (horizon > 0),
  predicted_class smallint not null check (predicted_class between 0 and 2),
  predicted_label text not null
    check (predicted_label = (array['down', 'flat', 'up'])[predicted_class + 1]),
  confidence double precision not null check (confidence between 0 and 1),
  p_down double precision check (p_down between 0 and 1),
  p_flat double precision check (p_flat between 0 and 1),
  p_up double precision check (p_up between 0 and 1),
  in_sample boolean,
  features jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint predictions_key unique (symbol, "timestamp", horizon, model_version)
);
create index if not exists predictions_of_a_version
  on public.predictions (model_version, symbol, "timestamp" desc);
create index if not exists predictions_by_time on public.predictions ("timestamp" desc);

comment on table public.predictions is 'What a model said of the minutes after a bar.';
comment on column public.predictions.id is
  'UUID made from symbol, timestamp, horizon and version, so that a repeated write is the same row.';
comment on column public.predictions."timestamp" is
  'Open of the minute bar, UTC; the prediction can be known one minute later.';
comment on column public.predictions.horizon is 'Minutes ahead.';
comment on column public.predictions.predicted_class is '0 down, 1 flat, 2 up.';
comment on column public.predictions.confidence is
  'Calibrated probability of the predicted class, 0 to 1.';
comment on column public.predictions.in_sample is
  'Whether the model learned from this minute: scores mean something only where it did not.';
comment on column public.predictions.features is
  'Chosen features of the minute by name, as JSON; null where none were asked for.';

create or replace trigger crypto_nn_1_unchanged before update on public.predictions
  for each row execute function suppress_redundant_updates_trigger();
create or replace trigger crypto_nn_2_stamp before update on public.predictions
  for each row execute function public.crypto_nn_stamp();

alter table public.predictions enable row level security;
alter table public.predictions force row level security;
drop policy if exists writer_reads on public.predictions;
drop policy if exists writer_inserts on public.predictions;
drop policy if exists writer_updates on public.predictions;
drop policy if exists reader_reads on public.predictions;
create policy writer_reads on public.predictions for select to crypto_nn_writer using (true);
create policy writer_inserts on public.predictions for insert to crypto_nn_writer with check (true);
create policy writer_updates on public.predictions for update to crypto_nn_writer
  using (true) with check (true);
create policy reader_reads on public.predictions for select to crypto_nn_reader using (true);

revoke all on public.predictions
  from public, anon, authenticated, crypto_nn_writer, crypto_nn_reader;
grant select, insert, update on public.predictions to crypto_nn_writer;
grant select on public.predictions to crypto_nn_reader;
do $$
begin
  if exists (select from pg_roles where rolname = 'service_role') then
    execute 'grant select, insert, update on public.predictions to service_role';
  end if;
end
$$;

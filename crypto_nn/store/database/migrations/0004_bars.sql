-- Clean one-minute bars of each symbol's one primary venue; a missing minute is a missing row.
create table if not exists public.bars (
  symbol text not null check (symbol ~ '^[A-Z0-9]{1,20}-[A-Z0-9]{2,10}$'),
  ts timestamptz not null
    check (isfinite(ts) and extract(second from ts at time zone 'UTC') = 0),
  open double precision not null check (open > 0 and open < 'Infinity'),
  high double precision not null check (high >= greatest(open, low, close) and high < 'Infinity'),
  low double precision not null check (low > 0 and low <= least(open, high, close)),
  close double precision not null check (close > 0 and close < 'Infinity'),
  volume double precision not null check (volume >= 0 and volume < 'Infinity'),
  vwap double precision check (vwap >= 0 and vwap < 'Infinity'),
  trades double precision check (trades >= 0 and trades < 'Infinity'),
  source text,
  received_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (symbol, ts)
);
create index if not exists bars_by_time on public.bars (ts desc);

comment on table public.bars is 'Clean one-minute bars; a missing minute is a missing row.';
comment on column public.bars.ts is
  'Open of the minute, UTC; the bar is known only one minute later.';
comment on column public.bars.volume is 'Traded amount, base currency.';
comment on column public.bars.vwap is 'Volume-weighted average price; null where the source has none.';
comment on column public.bars.trades is 'Number of trades; null where the source has none.';
comment on column public.bars.source is 'Venue or file that gave the bar.';
comment on column public.bars.received_at is 'When the row first came to this database.';

create or replace trigger crypto_nn_1_unchanged before update on public.bars
  for each row execute function suppress_redundant_updates_trigger();
create or replace trigger crypto_nn_2_stamp before update on public.bars
  for each row execute function public.crypto_nn_stamp();

alter table public.bars enable row level security;
alter table public.bars force row level security;
drop policy if exists writer_reads on public.bars;
drop policy if exists writer_inserts on public.bars;
drop policy if exists writer_updates on public.bars;
drop policy if exists reader_reads on public.bars;
create policy writer_reads on public.bars for select to crypto_nn_writer using (true);
create policy writer_inserts on public.bars for insert to crypto_nn_writer with check (true);
create policy writer_updates on public.bars for update to crypto_nn_writer
  using (true) with check (true);
create policy reader_reads on public.bars for select to crypto_nn_reader using (true);

revoke all on public.bars
  from public, anon, authenticated, crypto_nn_writer, crypto_nn_reader;
grant select, insert, update on public.bars to crypto_nn_writer;
grant select on public.bars to crypto_nn_reader;
do $$
begin
  if exists (select from pg_roles where rolname = 'service_role') then
    execute 'grant select, insert, update on public.bars to service_role';
  end if;
end
$$;

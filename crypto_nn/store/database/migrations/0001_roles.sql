-- Who may do what. `crypto_nn_writer` adds and corrects rows, `crypto_nn_reader` (the dashboard)
-- only looks. `anon` and `authenticated` are Supabase's roles for the public: they get nothing.
-- Elsewhere they are made too, so that the same rules can be tested there.
do $$
declare
  role_name text;
begin
  foreach role_name in array array['crypto_nn_writer', 'crypto_nn_reader', 'anon', 'authenticated']
  loop
    if not exists (select from pg_roles where rolname = role_name) then
      begin
        execute format('create role %I nologin', role_name);
      exception when duplicate_object or unique_violation then
        null; -- another database of this server was migrated at the same moment
      end;
    end if;
  end loop;

  select rolname into role_name from pg_roles
  where rolname in ('crypto_nn_writer', 'crypto_nn_reader', 'anon', 'authenticated')
    and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb);
  if found then
    raise exception 'role % may do more than is due', role_name
      using hint = 'Take superuser, bypassrls, createrole and createdb from it, then migrate again.';
  end if;

  -- Whoever migrates can step down to these roles; Supabase's gateway steps down to any role.
  execute format('grant crypto_nn_writer, crypto_nn_reader to %I', current_user);
  if exists (select from pg_roles where rolname = 'authenticator') then
    execute 'grant crypto_nn_writer, crypto_nn_reader to authenticator';
  end if;
  if exists (select from pg_roles where rolname = 'service_role') then
    execute 'grant usage on schema public to service_role';
  end if;
end
$$;

grant usage on schema public to crypto_nn_writer, crypto_nn_reader;
revoke create on schema public from public;
revoke create on schema public from anon, authenticated, crypto_nn_writer, crypto_nn_reader;

-- What is made here later belongs to nobody until it is granted. Supabase's own default is to grant
-- everything in this schema to anon.
alter default privileges in schema public revoke all on tables from public, anon, authenticated;
alter default privileges in schema public revoke all on sequences from public, anon, authenticated;
alter default privileges in schema public revoke all on functions from public, anon, authenticated;
alter default privileges revoke execute on functions from public;

-- The ledger of migrations, which the runner has made in this same transaction.
alter table public.crypto_nn_migrations enable row level security;
alter table public.crypto_nn_migrations force row level security;
drop policy if exists owner_keeps_it on public.crypto_nn_migrations;
create policy owner_keeps_it on public.crypto_nn_migrations
  to current_user using (true) with check (true);
revoke all on public.crypto_nn_migrations
  from public, anon, authenticated, crypto_nn_writer, crypto_nn_reader;

-- Rows carry the time of their last change; a write that changes nothing is no change.
create or replace function public.crypto_nn_stamp() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  return new;
end
$$;
comment on function public.crypto_nn_stamp() is 'Sets updated_at of a row that changes.';
revoke all on function public.crypto_nn_stamp()
  from public, anon, authenticated, crypto_nn_writer, crypto_nn_reader;

-- The journal: one SQLite file per project, .qpipe/journal.db. Read it with any SQL tool, also while a run goes on.
-- Times are seconds since the epoch; columns named *_json hold JSON. Never a secret.
create table if not exists run (
  id text primary key,
  name text not null,               -- of the spec
  spec_file text not null,
  spec_text text not null,          -- frozen: what this run means
  fingerprint text not null,        -- of text and variables: a resume with another is refused
  vars_json text not null default '{}',
  argv_json text not null default '[]',
  versions_json text not null default '{}',
  parent text references run(id),   -- the run whose quarantine it takes back
  state text not null,              -- running waiting done refused failed interrupted
  stage text not null default '',   -- where it is: "pass 1", "pass 2", "publish"
  attempt integer not null default 0,
  host text, pid integer, pid_start text, boot_id text,
  heartbeat_at real, progress_at real,
  started real not null, ended real, exit_code integer,
  error text,
  rows_in integer not null default 0, -- of the last pass, so far
  result_json text                  -- the balance sheet and the verdicts, once there is one
);
create table if not exists source ( -- begin: the cursor it was given, left by the run "after"
  run text, id text, identity_json text, types_json text, begin_json text, "after" text,
  reliability real, primary key (run, id)); -- reliability: its score before this run
create table if not exists cursor ( -- what runs of a spec have published of a source: later ones do not read it again
  name text, source text, value_json text, run text, at real, primary key (name, source));
create table if not exists pass (
  run text, number integer, kind text, state text, started real, ended real,
  position_json text, source text, rows integer not null default 0, batches integer not null default 0,
  bytes integer not null default 0, checkpoint_json text, primary key (run, number));
create table if not exists batch (
  run text, pass integer, seq integer, source text, first_row integer, rows integer, file text,
  start_json text, position_json text, routes_json text, dropped_json text, created_json text,
  seconds real, at real, primary key (run, pass, seq));
create table if not exists tally (  -- what checks found
  run text, "check" text, "column" text not null default '', evaluated integer not null default 0,
  failed integer not null default 0, primary key (run, "check", "column"));
create table if not exists source_tally ( -- the same of each source, where there are several
  run text, source text, "check" text, "column" text not null default '', evaluated integer not null default 0,
  failed integer not null default 0, primary key (run, source, "check", "column"));
create table if not exists stake (  -- the same by group, and what is at stake in the failing rows
  run text, "check" text, "column" text not null default '', "group" text not null default '',
  evaluated integer not null default 0, failed integer not null default 0, impact real not null default 0,
  primary key (run, "check", "column", "group"));
create table if not exists sample ( -- the first failing rows of every check
  run text, "check" text, "column" text not null default '', row integer, source text, file text, line integer,
  value text, row_json text, primary key (run, "check", "column", row));
create table if not exists figure ( -- figures of gates, of so many batches up to seq; stage: of rows that passed where the
  -- gates stand, that are delivered, or both; sheet: the gates; frame: an Arrow stream, a row for each group
  run text, sheet text, stage text, seq integer, batches integer, frame blob, primary key (run, sheet, stage, seq));
create table if not exists part (
  run text, output text, seq integer, path text, rows integer, bytes integer, digest text, primary key (run, output, seq));
create table if not exists publication (
  run text, output text, token text, state text, parts integer, rows integer, at real, result_json text,
  primary key (run, output, token));
create table if not exists held (   -- rows that wait for a person; one file per batch and question
  run text, seq integer, question text, route text, path text, rows integer, state text not null default 'held',
  primary key (run, seq, question));
create table if not exists question (
  id text primary key, run text not null, decision text not null, scope text not null, "group" text not null default '',
  text text not null, rows integer not null default 0, sample_json text, choices_json text not null, candidates_json text,
  "default" text, opened_at real not null, due_at real,
  state text not null default 'open', -- open answered withdrawn
  choice text, answered_by text, answered_via text, -- tty cli file ui timeout rule
  answered_at real, applied_at real, remember integer not null default 0, reason text,
  condition text,                     -- what held the rows
  memory text,                        -- the file where an answer can be kept for the next runs
  rule text);                         -- what in that file answered it
create index if not exists question_open on question (state, run);
create table if not exists event (
  id integer primary key autoincrement, run text not null, parent integer, at real not null, name text not null, data_json text);
create index if not exists event_run on event (run, id);
create table if not exists metric (run text, at real, name text, value real);
create index if not exists metric_run on metric (run, name, at);
create table if not exists done_file ( -- what an inspection has seen, by content
  name text, source text, digest text, run text, at real, primary key (name, source, digest, run));

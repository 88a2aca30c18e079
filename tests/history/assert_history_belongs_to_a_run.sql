{{ config(severity = 'warn') }}

-- Exports of history mostly name the run id only. Rows whose run has not landed, or whose id exists
-- in two projects, are in no mart; they are listed here, with what to do: land the runs, or land
-- the history again with --entity and --project.
select * from {{ ref('int_history__unattributed') }}

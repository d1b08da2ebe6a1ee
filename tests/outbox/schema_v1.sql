-- The outbox: every alarm and event before anyone else hears of it.
-- user_version 1. Additive changes only; a migration keeps every row.

CREATE TABLE alarms (
    alarm_id TEXT PRIMARY KEY,
    is_open INTEGER NOT NULL,
    changed_s REAL NOT NULL,
    body BLOB NOT NULL                -- Alarm as JSON: last event, onset, timer
) WITHOUT ROWID;
CREATE INDEX alarms_by_open ON alarms (is_open, changed_s);

CREATE TABLE events (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    alarm_id TEXT NOT NULL,
    event INTEGER NOT NULL,
    priority INTEGER NOT NULL,        -- 0 high, 1 medium, 2 low: the lane
    at_s REAL NOT NULL,
    body BLOB NOT NULL,               -- AlarmEvent as JSON, exactly what is published
    UNIQUE (alarm_id, event)
);

CREATE TABLE deliveries (
    route TEXT NOT NULL,
    row INTEGER NOT NULL REFERENCES events (row),
    priority INTEGER NOT NULL,
    verdict TEXT,                     -- NULL waiting, 'accepted', 'parked'
    attempts INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (route, row)
) WITHOUT ROWID;
CREATE INDEX deliveries_waiting ON deliveries (route, priority, row) WHERE verdict IS NULL;

CREATE TABLE unit_events (            -- what units told us: (unit, boot, seq) is done once
    unit TEXT NOT NULL,
    boot_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    alarm_id TEXT,
    at_s REAL NOT NULL,
    PRIMARY KEY (unit, boot_id, seq)
) WITHOUT ROWID;

CREATE TABLE facts (                  -- what must outlive a restart: bed timers, boot clocks
    name TEXT PRIMARY KEY,
    body BLOB NOT NULL
) WITHOUT ROWID;

PRAGMA user_version = 1;

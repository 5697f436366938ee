CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE definitions (
    hash VARCHAR NOT NULL,
    workflow VARCHAR NOT NULL,
    document TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (hash)
);
CREATE INDEX ix_definitions_workflow ON definitions (workflow);
CREATE TABLE event_deliveries (
    event_seq INTEGER NOT NULL,
    execution_id VARCHAR NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (event_seq, execution_id)
);
CREATE TABLE events (
    seq INTEGER NOT NULL,
    event_id VARCHAR,
    name VARCHAR NOT NULL,
    execution_id VARCHAR,
    payload TEXT,
    satisfied INTEGER NOT NULL,
    keep_until BIGINT,
    consumed_by VARCHAR,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (seq)
);
CREATE INDEX ix_events_inbox ON events (execution_id, name, seq);
CREATE INDEX ix_events_kept ON events (name, keep_until);
CREATE UNIQUE INDEX ux_events_id ON events (event_id);
CREATE TABLE executions (
    id VARCHAR NOT NULL,
    workflow VARCHAR NOT NULL,
    definition_hash VARCHAR NOT NULL,
    bodies VARCHAR,
    status VARCHAR NOT NULL,
    control INTEGER NOT NULL,
    revision BIGINT NOT NULL,
    input TEXT NOT NULL,
    context TEXT,
    output TEXT,
    error TEXT,
    queue VARCHAR NOT NULL,
    priority INTEGER NOT NULL,
    tags VARCHAR,
    idempotency_key VARCHAR,
    cancel_mode VARCHAR,
    reason TEXT,
    parent_id VARCHAR,
    parent_token VARCHAR,
    forked_from VARCHAR,
    scheduled_for BIGINT,
    crashes INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    completed_at BIGINT,
    deadline_at BIGINT,
    PRIMARY KEY (id)
);
CREATE INDEX ix_executions_blocked ON executions (id) WHERE control >= 4;
CREATE INDEX ix_executions_created ON executions (created_at, id);
CREATE INDEX ix_executions_deadline ON executions (deadline_at) WHERE deadline_at IS NOT NULL AND completed_at IS NULL;
CREATE INDEX ix_executions_parent ON executions (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX ix_executions_status ON executions (status, created_at, id);
CREATE INDEX ix_executions_workflow ON executions (workflow, created_at, id);
CREATE UNIQUE INDEX ux_executions_key ON executions (workflow, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE TABLE journal (
    id INTEGER NOT NULL,
    execution_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    detail TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX ix_journal_execution ON journal (execution_id, id);
CREATE TABLE logs (
    id INTEGER NOT NULL,
    execution_id VARCHAR NOT NULL,
    path TEXT NOT NULL,
    step VARCHAR NOT NULL,
    iteration VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    pass_number INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at BIGINT NOT NULL,
    level VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    logger VARCHAR,
    message TEXT NOT NULL,
    metadata TEXT,
    PRIMARY KEY (id)
);
CREATE INDEX ix_logs_execution ON logs (execution_id, id);
CREATE TABLE outbox (
    id INTEGER NOT NULL,
    topic VARCHAR NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE queues (
    name VARCHAR NOT NULL,
    paused INTEGER NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE schedule_ticks (
    schedule VARCHAR NOT NULL,
    tick_at BIGINT NOT NULL,
    execution_id VARCHAR,
    outcome VARCHAR NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (schedule, tick_at)
);
CREATE TABLE scheduled_workflows (
    name VARCHAR NOT NULL,
    workflow VARCHAR NOT NULL,
    cron VARCHAR NOT NULL,
    timezone VARCHAR NOT NULL,
    queue VARCHAR,
    input TEXT,
    overlap VARCHAR NOT NULL,
    catch_up VARCHAR NOT NULL,
    catch_up_window FLOAT,
    origin VARCHAR NOT NULL,
    enabled INTEGER NOT NULL,
    disabled_reason TEXT,
    failures INTEGER NOT NULL,
    last_error TEXT,
    next_at BIGINT,
    last_tick_at BIGINT,
    last_execution_id VARCHAR,
    buffered INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE steps (
    execution_id VARCHAR NOT NULL,
    seq BIGINT NOT NULL,
    token_key VARCHAR NOT NULL,
    path TEXT NOT NULL,
    name VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    iteration VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    pass_number INTEGER NOT NULL,
    status VARCHAR NOT NULL,
    choice VARCHAR,
    output TEXT,
    error TEXT,
    change TEXT,
    snapshot TEXT,
    compensate INTEGER NOT NULL,
    worker_id VARCHAR,
    started_at BIGINT,
    completed_at BIGINT NOT NULL,
    next_path TEXT,
    next_iteration VARCHAR,
    PRIMARY KEY (execution_id, seq)
)
 WITHOUT ROWID;
CREATE UNIQUE INDEX ux_steps_completed ON steps (execution_id, path, iteration, type) WHERE status = 'completed';
CREATE TABLE tokens (
    id VARCHAR NOT NULL,
    execution_id VARCHAR NOT NULL,
    "key" VARCHAR NOT NULL,
    parent_id VARCHAR,
    branch INTEGER NOT NULL,
    branch_label VARCHAR,
    path TEXT,
    iteration VARCHAR NOT NULL,
    mode VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    workflow VARCHAR NOT NULL,
    queue VARCHAR NOT NULL,
    priority INTEGER NOT NULL,
    available_at BIGINT,
    attempt INTEGER NOT NULL,
    pass_number INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    worker_id VARCHAR,
    lease_until BIGINT,
    claimed_at BIGINT,
    begun_at BIGINT,
    stop INTEGER NOT NULL,
    frame TEXT,
    items TEXT,
    changes TEXT,
    changes_seq BIGINT NOT NULL,
    output TEXT,
    error TEXT,
    PRIMARY KEY (id)
);
CREATE INDEX ix_tokens_due ON tokens (available_at) WHERE status IN ('retry', 'waiting') AND available_at IS NOT NULL;
CREATE INDEX ix_tokens_execution ON tokens (execution_id);
CREATE INDEX ix_tokens_lease ON tokens (lease_until) WHERE status = 'running';
CREATE INDEX ix_tokens_parent ON tokens (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX ix_tokens_ready ON tokens (queue, priority DESC, available_at) WHERE status = 'ready';
CREATE TABLE waits (
    id VARCHAR NOT NULL,
    execution_id VARCHAR NOT NULL,
    token_id VARCHAR NOT NULL,
    workflow VARCHAR NOT NULL,
    path TEXT NOT NULL,
    iteration VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    occurrence INTEGER NOT NULL,
    position INTEGER NOT NULL,
    event VARCHAR,
    group_id VARCHAR,
    status VARCHAR NOT NULL,
    spec TEXT,
    due_at BIGINT,
    payload TEXT,
    answered_by VARCHAR,
    answered_through VARCHAR,
    comment TEXT,
    created_at BIGINT NOT NULL,
    resolved_at BIGINT,
    PRIMARY KEY (id)
);
CREATE INDEX ix_waits_event ON waits (event) WHERE status = 'open' AND event IS NOT NULL;
CREATE INDEX ix_waits_group ON waits (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX ix_waits_open ON waits (kind, created_at, id) WHERE status = 'open';
CREATE INDEX ix_waits_token ON waits (token_id);
CREATE UNIQUE INDEX ux_waits_call ON waits (execution_id, path, iteration, kind, name, occurrence);
CREATE TABLE workers (
    id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    host VARCHAR NOT NULL,
    pid INTEGER NOT NULL,
    lock_file VARCHAR,
    queues TEXT,
    workflows TEXT,
    lease FLOAT NOT NULL,
    status VARCHAR NOT NULL,
    started_at BIGINT NOT NULL,
    heartbeat_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);
INSERT INTO alembic_version (version_num) VALUES ('0001') RETURNING version_num;

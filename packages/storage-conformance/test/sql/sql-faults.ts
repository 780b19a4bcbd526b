import type { LineChange } from './sql-adapter.ts'

/** A typical mistake of an adapter's author: one changed line of the SQL adapter. */
export interface SqlFault extends LineChange {
  readonly name: string
  /** The full name of a case that fails; `null` if no case of the kit can detect the fault. */
  readonly noticedBy: string | null
  /** Why no case can detect the fault. */
  readonly reason?: string
}

/** Faults of the SQL adapter, by subject. Each fault changes one line of sql-storage.js. */
export const sqlFaults: Readonly<Record<string, readonly SqlFault[]>> = {
  isolation: [
    {
      name: 'locks no heads',
      line: 'WHERE id = ANY($1) ORDER BY id FOR UPDATE',
      becomes: 'WHERE id = ANY($1) ORDER BY id',
      noticedBy: 'races of connections: each slot of a series is created by exactly one node',
    },
    {
      name: 'locks heads for reading only',
      line: 'WHERE id = ANY($1) ORDER BY id FOR UPDATE',
      becomes: 'WHERE id = ANY($1) ORDER BY id FOR KEY SHARE',
      noticedBy: 'races of connections: each pending occurrence is claimed by exactly one node',
    },
    {
      name: 'begins no transaction',
      line: "await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')",
      becomes: '',
      noticedBy: 'races of connections: different records of one job do not run at once, whatever creates them',
    },
    {
      name: 'lets others read a head before its occurrence is stored',
      line: 'else await query(updateJob, values)',
      becomes:
        "else await query(updateJob, values).then(() => client.query('COMMIT')).then(() => client.query('BEGIN'))",
      noticedBy: 'races of connections: a reader beside writers finds the occurrence of each watermark that it reads',
    },
    {
      name: 'reads heads before it waits for their locks',
      line: "const heads = await query('SELECT * FROM $schema.jobs WHERE id = ANY($1) ORDER BY id FOR UPDATE', [step.jobs])",
      becomes:
        "const heads = await query('SELECT * FROM $schema.jobs WHERE id = ANY($1) ORDER BY id', [step.jobs]); await query('SELECT 1 FROM $schema.jobs WHERE id = ANY($1) ORDER BY id FOR UPDATE', [step.jobs])",
      noticedBy: 'races of connections: a queue is worked off by many nodes, one at a time, and nothing is left behind',
    },
  ],
  locks: [
    {
      name: 'skips heads that other transactions have locked',
      line: 'WHERE id = ANY($1) ORDER BY id FOR UPDATE',
      becomes: 'WHERE id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED',
      noticedBy: 'races of connections: all nodes that lose a create receive state, token and owner of the winner',
    },
    {
      name: 'fails if a head is locked',
      line: 'WHERE id = ANY($1) ORDER BY id FOR UPDATE',
      becomes: 'WHERE id = ANY($1) ORDER BY id FOR UPDATE NOWAIT',
      noticedBy: 'races of connections: each slot of a series is created by exactly one node',
    },
    {
      name: 'removes history without the lock of its head',
      line: "const [head] = await query('SELECT record FROM $schema.jobs WHERE id = $1 FOR UPDATE', [jobId])",
      becomes: "const [head] = await query('SELECT record FROM $schema.jobs WHERE id = $1', [jobId])",
      noticedBy: 'races of connections: a prune beside new slots takes none of them back',
    },
    {
      name: 'removes history whatever the next instant is',
      line: 'if (job.nextAt !== null && job.nextAt <= floor) return null',
      becomes: '',
      noticedBy: 'races of connections: a prune and a job that is set back meet, and no slot to come is lost',
    },
  ],
  collations: [
    {
      name: 'compares owners without regard to case',
      line: 'owner = $2)',
      becomes: 'lower(owner) = lower($2))',
      noticedBy: 'texts: the list of an owner holds no job of another that is nearly equal',
    },
    {
      name: 'compares handler keys without regard to case',
      line: '         AND j.handler_key <> ALL($2)',
      becomes: '         AND lower(j.handler_key) <> ALL(SELECT lower(excepted) FROM unnest($2::text[]) excepted)',
      noticedBy: 'texts: a handler key is not left out of a claim for another that is nearly equal',
    },
    {
      name: 'compares nodes without regard to case',
      line: 'AND node = $1 AND incarnation = $2',
      becomes: 'AND lower(node) = lower($1) AND incarnation = $2',
      noticedBy: 'texts: a node is not told of what runs on another that is nearly equal',
    },
    {
      name: 'ignores trailing spaces',
      line: 'const key = (text) => JSON.stringify(text)',
      becomes: 'const key = (text) => JSON.stringify(text.trimEnd())',
      noticedBy: 'texts: the list of an owner holds no job of another that is nearly equal',
    },
    {
      name: 'normalizes texts',
      line: 'const key = (text) => JSON.stringify(text)',
      becomes: "const key = (text) => JSON.stringify(text.normalize('NFC'))",
      noticedBy: 'texts: a handler key is not left out of a claim for another that is nearly equal',
    },
    {
      name: 'cuts texts at 255 bytes',
      line: 'const key = (text) => JSON.stringify(text)',
      becomes: 'const key = (text) => JSON.stringify(text).slice(0, 255)',
      noticedBy: 'texts: the list of an owner holds no job of another that is nearly equal',
    },
    {
      name: 'stores texts that PostgreSQL refuses',
      line: 'const key = (text) => JSON.stringify(text)',
      becomes: 'const key = (text) => text',
      noticedBy: 'texts: NUL is kept in every text of a job',
    },
    {
      name: 'keeps occurrences in a character set without emoji',
      line: '    JSON.stringify(record),',
      becomes: "    JSON.stringify(record).replaceAll(/[\\u{10000}-\\u{10ffff}]/gu, '?'),",
      noticedBy: 'texts: an emoji is kept in every text of an occurrence',
    },
    {
      name: 'keeps jobs as jsonb',
      line: '$12, $13)`',
      becomes: '$12, $13::jsonb)`',
      noticedBy: 'jobs: JSON keeps the order of its members: definitions, schedules, data and results',
    },
  ],
  precision: [
    {
      name: 'keeps next instants in whole seconds',
      line: '          job.nextAt,',
      becomes: '          job.nextAt === null ? null : job.nextAt - (job.nextAt % 1000),',
      noticedBy: 'due jobs: lie after the beginning of the range, and up to its end, that instant included',
    },
    {
      name: 'keeps deadlines in whole seconds',
      line: '    deadlineAt,',
      becomes: '    deadlineAt === null ? null : deadlineAt - (deadlineAt % 1000),',
      noticedBy: 'listOccurrences: running occurrences can be narrowed to those past a deadline, that instant included',
    },
    {
      name: 'keeps ends in whole seconds',
      line: '    finishedAt,',
      becomes: '    finishedAt === null ? null : finishedAt - (finishedAt % 1000),',
      noticedBy: 'failures: lie in a range of their end, its beginning included and its end excluded',
    },
    {
      name: 'keeps slots in whole seconds',
      line: '    scheduledAt,',
      becomes: '    scheduledAt - (scheduledAt % 1000),',
      noticedBy: 'listOccurrences: a range of time includes its beginning and excludes its end',
    },
    {
      name: 'keeps due times in whole seconds',
      line: '    dueAt,',
      becomes: '    dueAt - (dueAt % 1000),',
      noticedBy: 'delayed: once it is due a claim starts it, and from then on it keeps others waiting',
    },
    {
      name: 'keeps the order of waiting occurrences in four bytes',
      line: 'order_at bigint NOT NULL',
      becomes: 'order_at real NOT NULL',
      noticedBy: 'priority: an occurrence that has waited for an hour per level of difference starts first',
    },
    {
      name: 'refuses instants before 1970',
      line: 'scheduled_at bigint NOT NULL,',
      becomes: 'scheduled_at bigint NOT NULL CHECK (scheduled_at >= 0),',
      noticedBy: 'slots: instants before 1970 and after 2100 are kept',
    },
    {
      name: 'answers counts as texts',
      line: 'return { pending: at(row?.pending ?? 0),',
      becomes: 'return { pending: row?.pending ?? 0,',
      noticedBy: 'counts: of several jobs stand in the order of the request, beside those of all',
    },
    {
      name: 'passes Infinity to SQL',
      line: '(Number.isFinite(limit) ? limit : null)',
      becomes: 'limit',
      noticedBy: 'jobs: a replace that lets occurrences overlap wakes all that are queued, in the same step',
    },
  ],
  paging: [
    {
      name: 'finds due occurrences behind the instant of the last one',
      line: 'AND (o.order_at, o.id) > ($3, $4)',
      becomes: 'AND o.order_at > $3 AND $4::text IS NOT NULL',
      noticedBy: 'claim: many of one instant are found, whatever goes back to the queue before them',
    },
    {
      name: 'finds due jobs behind the instant of the last one',
      line: '(next_at, id) > ($1, $2)',
      becomes: 'next_at > $1 AND $2::text IS NOT NULL',
      noticedBy: 'due jobs: many of one instant are found, page by page',
    },
    {
      name: 'pages through a history by instants alone',
      line: '} ($5, $6)',
      becomes: '} ($5, left($6, 0))',
      noticedBy: 'failures: of all jobs come by their end, equal ones by id, in both orders, on pages of any size',
    },
    {
      name: 'begins a page with the last job of the page before',
      line: '$schema.jobs WHERE id > $1',
      becomes: '$schema.jobs WHERE id >= $1',
      noticedBy: 'listJobs: jobs come in the order of their ids, on pages of any size, each exactly once',
    },
    {
      name: 'ends a list after one page',
      line: 'cursor: rows.length < query.limit ? null',
      becomes: 'cursor: rows.length <= query.limit ? null',
      noticedBy: 'listOccurrences: the history of a job comes by time, then id, in both orders, on pages of any size',
    },
    {
      name: 'orders the latest by their ends',
      line: 'ORDER BY scheduled_at DESC, id DESC LIMIT 1',
      becomes: 'ORDER BY finished_at DESC LIMIT 1',
      noticedBy: 'latest: are the last by their time, whichever ended last',
    },
  ],
  'wake-ups': [
    {
      name: 'sends no wake-ups of cancellations',
      line: "[this.self, ...kinds].join(' ')",
      becomes: "[this.self, ...kinds].filter((kind) => kind !== 'cancel').join(' ')",
      noticedBy: 'subscribe: wakes another connection when the cancellation of a running occurrence is requested',
    },
    {
      name: 'sends no wake-ups of jobs',
      line: "[this.self, ...kinds].join(' ')",
      becomes: "[this.self, ...kinds].filter((kind) => kind !== 'jobs').join(' ')",
      noticedBy: 'subscribe: wakes another connection when a job is created, replaced, paused, resumed and deleted',
    },
    {
      name: 'hears its own wake-ups',
      line: 'if (sender === this.self) return',
      becomes: '',
      noticedBy: 'subscribe: wakes no connection for what it has written itself',
    },
    {
      name: 'goes on after the subscription has ended',
      line: 'return () => this.listeners.delete(own)',
      becomes: 'return () => {}',
      noticedBy: 'subscribe: wakes another connection when there is something to do, and not after it was ended',
    },
    {
      name: 'sends wake-ups before the commit',
      line: "await client.query('COMMIT')",
      becomes: "await this.notify(new Set(['due'])).then(() => client.query('COMMIT'))",
      noticedBy: null,
      reason:
        'a wake-up is a hint: a node that scans before the commit finds nothing and scans again at its next interval',
    },
  ],
  retries: [
    {
      name: 'does not begin anew after a unique violation',
      line: "['40001', '40P01', '23505']",
      becomes: "['40001', '40P01']",
      noticedBy: 'races of connections: one of many nodes creates a job',
    },
    {
      name: 'tries once',
      line: 'const retries = 30',
      becomes: 'const retries = 1',
      noticedBy: 'races of connections: one of many nodes creates a job',
    },
    {
      name: 'leaves a transaction open that has failed',
      line: "await client.query('ROLLBACK').catch(ignore)",
      becomes: '',
      noticedBy: 'races of connections: one of many nodes creates a job',
    },
    {
      name: 'finds no queue to mend whose job has a delayed occurrence',
      line: '(pending = late AND running = 0)',
      becomes: '(pending = 0 AND running = 0)',
      noticedBy: null,
      reason: 'no call leaves such a queue behind: a sweep mends what a damaged storage left',
    },
  ],
  'unknown commits': [
    {
      name: 'repeats a step whose commit it does not know',
      line: 'if (!isRefused(failure) || attempt === retries)',
      becomes: 'if (attempt === retries)',
      noticedBy:
        'disconnects: a node learns of each occurrence that a claim has started for it, wherever the connection breaks',
    },
    {
      name: 'takes a COMMIT without an answer for a commit',
      line: "await client.query('COMMIT')",
      becomes: "await client.query('COMMIT').catch(ignore)",
      noticedBy: 'disconnects: a slot is created and started once, wherever the connection breaks',
    },
    {
      name: 'commits before it writes the sums',
      line: 'if (change.some((by) => by !== 0)) await query(addToSums, change)',
      becomes: "await client.query('COMMIT').then(() => query(addToSums, change))",
      noticedBy: 'disconnects: an end wakes the queued occurrence once, wherever the connection breaks',
    },
    {
      name: 'removes history and raises the floor in two commits',
      line: 'const pruneFloor = Math.max(job.pruneFloor ?? floor, floor)',
      becomes:
        "const pruneFloor = await query('DELETE FROM $schema.occurrences WHERE id = ANY($1)', [occurrences.map(({ id }) => id)]).then(() => query('COMMIT')).then(() => query('BEGIN')).then(() => floor)",
      noticedBy: 'disconnects: history is removed with the prune floor raised, wherever the connection breaks',
    },
    {
      name: 'commits without a flush to the disk',
      line: "await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')",
      becomes:
        "await client.query('BEGIN ISOLATION LEVEL READ COMMITTED'); await client.query('SET LOCAL synchronous_commit = off')",
      noticedBy: null,
      reason:
        'only a loss of power shows it: `kill -9` of a client or of the server keeps what the operating system has',
    },
  ],
  pools: [
    {
      name: 'reads in a step over another connection of the pool',
      line: 'const named = records(await query(',
      becomes: 'const named = records(await this.query(',
      noticedBy: 'races of connections: one connection answers 25 calls at once',
    },
    {
      name: 'gives no connection back to the pool',
      line: 'client.release(failure !== null && !isRefused(failure))',
      becomes: '',
      noticedBy: 'races of connections: one connection answers 25 calls at once',
    },
    {
      name: 'ends the pool of all with one connection',
      line: 'const client = await this.listening',
      becomes: 'const client = await this.pool.end()',
      noticedBy: 'connections: closing one connection leaves the other connections open',
    },
    {
      name: 'keeps the connection that listens',
      line: 'await client?.end()',
      becomes: '',
      noticedBy: null,
      reason: 'an open connection changes no answer; the adapter has to test that its process ends after `close`',
    },
  ],
  upserts: [
    {
      name: 'stores heartbeats whatever their counter',
      line: 'WHERE nodes.counter < $2 RETURNING 1',
      becomes: 'RETURNING 1',
      noticedBy: 'heartbeat: the same counter again and a smaller one change nothing',
    },
    {
      name: 'removes nodes whatever their counter',
      line: 'WHERE incarnation = $1 AND counter = $2 RETURNING 1',
      becomes: 'WHERE incarnation = $1 AND $2::bigint IS NOT NULL RETURNING 1',
      noticedBy: 'heartbeat: a removal with another counter than the stored one removes nothing',
    },
    {
      name: 'keeps the first profile',
      line: "ON CONFLICT (incarnation) DO UPDATE SET record = $2'",
      becomes: "ON CONFLICT (incarnation) DO NOTHING'",
      noticedBy: 'heartbeat: a profile stays when it is left out, and is replaced when it is given',
    },
  ],
}

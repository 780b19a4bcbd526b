import type { LineChange } from './sql-adapter.ts'

/** One line of an SQL adapter that its author gets wrong. */
export interface SqlFault extends LineChange {
  readonly name: string
  /** The full name of a case that fails; `null` if no case of the kit can notice it. */
  readonly noticedBy: string | null
  /** Why no case can notice it. */
  readonly reason?: string
}

/** 54 faults by subject. Each changes one line of sql-storage.js. */
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
      name: 'skips heads that others have locked',
      line: 'WHERE id = ANY($1) ORDER BY id FOR UPDATE',
      becomes: 'WHERE id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED',
      noticedBy: 'races of connections: each slot of a series is created by exactly one node',
    },
    {
      name: 'gives up at once if a head is locked',
      line: 'WHERE id = ANY($1) ORDER BY id FOR UPDATE',
      becomes: 'WHERE id = ANY($1) ORDER BY id FOR UPDATE NOWAIT',
      noticedBy: 'races of connections: each slot of a series is created by exactly one node',
    },
    {
      name: 'begins no transaction',
      line: "await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')",
      becomes: '',
      noticedBy: 'races of connections: each slot of a series is created by exactly one node',
    },
    {
      name: 'lets others read a head before its occurrence is stored',
      line: "else await query(updateJob, values)",
      becomes: "else { await query(updateJob, values); await query('COMMIT'); await query('BEGIN') }",
      noticedBy: 'races of connections: a reader beside writers finds the occurrence of each watermark that it reads',
    },
    {
      name: 'reads the head of a prune without a lock',
      line: "const [head] = await query('SELECT record FROM $schema.jobs WHERE id = $1 FOR UPDATE', [jobId])\n      if (head === undefined) return null",
      becomes: "const [head] = await query('SELECT record FROM $schema.jobs WHERE id = $1', [jobId])\n      if (head === undefined) return null",
      noticedBy: 'races of connections: a prune and a job that is set back meet, and no slot to come is lost',
    },
    {
      name: 'reads the occurrences of a step in one snapshot with its heads',
      line: "await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')",
      becomes: "await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ'); await client.query('SELECT 1'); failure = null",
      noticedBy: null,
      reason: 'PostgreSQL rejects the second writer with a serialization failure, and the step begins anew',
    },
  ],
}

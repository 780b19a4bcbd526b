import type { Ledger } from './ledger.ts'

interface LedgerEntry {
  /**
   * The option with the URL of a user's server, and the protocols that the URL may have; `null` for a storage without
   * servers.
   */
  readonly server: { readonly option: ServerOption; readonly protocols: readonly string[] } | null
  /** Loads the modules that only this storage needs. */
  readonly load: () => Promise<Ledger>
}

export type LedgerKind = 'sqlite' | 'redis' | 'dynamodb' | 'postgres' | 'pglite'

type ServerOption = 'redis-url' | 'dynamodb-endpoint' | 'postgres-url'

/** The storages of this demo, by name. A further adapter needs only an entry here. */
export const ledgerKinds: Readonly<Record<LedgerKind, LedgerEntry>> = {
  sqlite: {
    server: null,
    load: async () => (await import('./sqlite.ts')).sqlite,
  },
  redis: {
    server: { option: 'redis-url', protocols: ['redis:', 'rediss:'] },
    load: async () => (await import('./redis.ts')).redis,
  },
  dynamodb: {
    server: { option: 'dynamodb-endpoint', protocols: ['http:', 'https:'] },
    load: async () => (await import('./dynamodb.ts')).dynamodb,
  },
  postgres: {
    server: { option: 'postgres-url', protocols: ['postgres:', 'postgresql:'] },
    load: async () => (await import('./postgres.ts')).postgres,
  },
  pglite: {
    server: null,
    load: async () => (await import('./pglite.ts')).pglite,
  },
}

export function isLedgerKind(kind: string): kind is LedgerKind {
  return Object.hasOwn(ledgerKinds, kind)
}

export function loadLedger(kind: LedgerKind): Promise<Ledger> {
  return ledgerKinds[kind].load()
}

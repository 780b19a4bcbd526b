import { CliError } from '../cli-error.ts'
import type { Command, Context } from '../command.ts'
import { printLocation } from '../storage/location.ts'
import { postgresPackage } from '../storage/open-storage.ts'
import { readCount } from '../values.ts'

interface Options {
  readonly from?: number
}

/** `jobistemer sql`. */
export const sql: Command = {
  description:
    'Prints the SQL that migrates a PostgreSQL schema to the form of this version. Use it if you migrate the schema yourself, with the option migrate: false on the nodes. Changes nothing.',
  options: [
    {
      flags: '--from <form>',
      description: 'the present form of the schema, 0 for a new schema (default: read from the database)',
      parse: readCount('--from', 0, 1_000_000),
    },
  ],
  examples: [
    ['sql --from 0 > schema.sql', 'for a new schema'],
    ['sql -s postgres://localhost/app --prefix billing | psql app', 'what the schema billing lacks'],
  ],
  async run({ io, out, session }: Context, _, { from: given }: Options) {
    const located = await session.located()
    const prefix = session.prefix ?? located?.options.prefix
    if (located !== null && located.location.kind !== 'postgres') {
      throw new CliError({
        code: 'INVALID_ARGUMENT',
        message: `Only PostgreSQL has SQL to apply, and the storage is ${printLocation(located.location)}.`,
        field: '--storage',
        remedy: 'Other storages migrate themselves. Give postgres://HOST/DATABASE.',
      })
    }
    const from = given ?? (await formOf(session))
    const { postgresMigrations } = await postgresPackage({ cwd: io.cwd })
    const script = postgresMigrations({ from, ...(prefix !== undefined && { schema: prefix }) })
    if (out.isJson) return out.json({ schema: prefix ?? 'jobistemer', from, sql: script })
    io.stdout.write(script)
  },
}

async function formOf(session: Context['session']): Promise<number> {
  const inspection = await session.inspection()
  if (inspection !== null) return inspection.form ?? 0
  throw new CliError({
    code: 'STORAGE_NOT_GIVEN',
    message: 'The form of the schema is not given.',
    field: '--from',
    remedy: 'Give --from 0 for a new schema, or --storage postgres://HOST/DATABASE to look.',
  })
}

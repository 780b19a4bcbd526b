import { storedForms, storedFormTrial } from '@jobistemer/test-kit'
import pg from 'pg'
import { expect, inject, it } from 'vitest'
import { postgresMigrations } from '../src/index.ts'
import { useSchemas } from './schemas.ts'
import { beginTransaction } from './user-transaction.ts'

const folder = new URL('./fixtures/stored-forms/', import.meta.url)
const { pool, query, open, schema: newSchema } = useSchemas()
/** Stands for the name of the schema in saved data. */
const anySchema = 'stored_form'

it.each(storedForms(folder))('the jobs in a PostgreSQL schema of Jobistemer %s still run', async (version) => {
  const newDatabase = () => {
    const schema = newSchema()
    const quoted = `"${schema}"`
    return {
      connect: () => open({ pool: pool(), schema, wakeUps: false }),
      begin: () => beginTransaction(inject('postgres').url),
      /** Returns the statements that create the schema, then the statements that fill its tables. */
      async save() {
        const tables = await query(
          `SELECT c.relname AS name, a.attname AS identity FROM pg_class c
           LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attidentity <> ''
           WHERE c.relkind = 'r' AND c.relnamespace = $1::regnamespace ORDER BY 1`,
          [schema],
        )
        const statements = [postgresMigrations({ schema })]
        for (const { name, identity } of tables) {
          const table = `${quoted}."${name}"`
          const [{ rows }] = (await query(`SELECT coalesce(json_agg(t), '[]') AS rows FROM ${table} t`)) as [
            { rows: unknown },
          ]
          statements.push(
            `DELETE FROM ${table};`,
            `INSERT INTO ${table} OVERRIDING SYSTEM VALUE SELECT * FROM
             json_populate_recordset(NULL::${table}, ${pg.escapeLiteral(JSON.stringify(rows))});`,
          )
          if (identity !== null) {
            const sequence = `pg_get_serial_sequence('${table}', '${identity}')`
            statements.push(`SELECT setval(${sequence}, (SELECT max("${identity}") FROM ${table}));`)
          }
        }
        return statements.join('\n').replaceAll(quoted, `"${anySchema}"`)
      },
      load: async (data: string) => void (await query(data.replaceAll(`"${anySchema}"`, quoted))),
    }
  }
  await expect(storedFormTrial(folder, version, newDatabase)).resolves.toBeUndefined()
})

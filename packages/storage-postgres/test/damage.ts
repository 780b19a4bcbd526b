import type { DamagedText } from '@jobistemer/storage-conformance'

/**
 * Returns SQL statements that overwrite a stored text directly in the tables. The text of an occurrence may be in the
 * table `live` or `history`, or in the head of its job. So there is a statement for each of these places.
 */
export function damageStatements(schema: string, damaged: DamagedText): readonly string[] {
  const text = `'${damaged.text.replaceAll("'", "''")}'`
  if (damaged.part === 'definition') {
    const job = damaged.job.slice('job_'.length)
    return [`UPDATE ${schema}.versions SET definition = ${text} WHERE job = '${job}' AND version = ${damaged.version}`]
  }
  const id = damaged.occurrence.id.slice('occ_'.length)
  return [
    `UPDATE ${schema}.live SET details = ${text} WHERE id = '${id}'`,
    `UPDATE ${schema}.history SET details = ${text} WHERE id = '${id}'`,
    `UPDATE ${schema}.heads SET run_details = ${text} WHERE run_id = '${id}'`,
  ]
}

import { visible } from '../output/rendered.ts'
import type { CheckedJob } from './checked-jobs.ts'
import type { ImportNote } from './import-source.ts'

/** Returns the text of a jobs file for `plan` and `apply`: JSON if the file name ends with `.json`, else TypeScript. */
export function jobsFile(
  file: string,
  source: string,
  jobs: readonly CheckedJob[],
  notes: readonly ImportNote[],
): string {
  return file.endsWith('.json') ? jsonText(jobs) : typescriptText(source, jobs, notes)
}

function jsonText(jobs: readonly CheckedJob[]): string {
  const definitions = jobs.map(({ name, schedule, settings, handler, data }) => ({
    name,
    ...(schedule !== null && { schedule }),
    ...settings,
    tasks: [{ name: 'run', handler, ...(data !== undefined && { data }) }],
  }))
  return `${JSON.stringify({ jobs: definitions }, null, 2)}\n`
}

function typescriptText(source: string, jobs: readonly CheckedJob[], notes: readonly ImportNote[]): string {
  const types = [...new Set(jobs.flatMap(({ schedule }) => (schedule === null ? [] : [schedule.type])))].sort()
  const imports = types.map((type) => `import { ${type} } from '@jobistemer/ticker-${type}'\n`).join('')
  const leftOut = notes.filter(({ kind }) => kind === 'left_out')
  const comments = leftOut.map(({ origin, text }) => `  // left out: ${visible(`${origin}: ${text}`)}\n`).join('')
  const type = jobs.length === 0 ? '' : ', type Job'
  return `// Imported from ${source}. Check the notes of the import, then store the jobs: jobistemer apply.
import { defineJob${type} } from '@jobistemer/core'
${imports}
export const jobs${jobs.length === 0 ? '' : ': readonly Job[]'} = [
${jobs.map(jobText).join('')}${comments}]
`
}

function jobText({ name, origin, schedule, settings, handler, data }: CheckedJob): string {
  const members = Object.entries(settings).map(([member, value]) => `    ${member}: ${literal(value)},\n`)
  const task = `{ name: 'run', handler: ${literal(handler)}${data === undefined ? '' : `, data: ${literal(data)}`} }`
  return `  // ${visible(origin)}
  defineJob({
    name: ${literal(name)},
${schedule === null ? '' : `    schedule: ${scheduleText(schedule)},\n`}${members.join('')}    tasks: [${task}],
  }),
`
}

function scheduleText({ type, expression, interval, at, ...options }: NonNullable<CheckedJob['schedule']>): string {
  const rest = Object.keys(options).length === 0 ? '' : `, ${literal(options)}`
  return `${type}(${literal(expression ?? interval ?? at)}${rest})`
}

/** Returns a value as TypeScript source. */
function literal(value: unknown): string {
  if (typeof value === 'string')
    return /^[\x20-\x7e]*$/.test(value) && !/['\\]/.test(value) ? `'${value}'` : JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).map(([name, member]) => {
    // A plain `__proto__` in an object literal would set the prototype.
    const key = name === '__proto__' ? `['__proto__']` : /^[a-zA-Z_]\w*$/.test(name) ? name : literal(name)
    return `${key}: ${literal(member)}`
  })
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
}

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { areas } from './areas.mjs'
import { choose } from './choose.mjs'
import { findMutants } from './find-mutants.mjs'
import { Workbench } from './workbench.mjs'

const usage = `npm run mutate -- --area <${Object.keys(areas).join(' | ')}>
  --file <text>      only modules whose path has this text
  --sample <count>   number of mutants, chosen by --seed; default 200, 0 for all
  --seed <number>    default 1
  --workers <count>  number of parallel runs of the tests; default 2
Needs built packages. Prints at the end the mutants that no test noticed, and the score.`

const { values } = parseArgs({
  options: {
    area: { type: 'string' },
    file: { type: 'string', default: '' },
    sample: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: '2' },
    help: { type: 'boolean', default: false },
  },
})
const area = areas[values.area ?? '']
if (values.help || area === undefined) {
  console.log(usage)
  process.exit(values.help ? 0 : 2)
}

const root = fileURLToPath(new URL('../../..', import.meta.url))
const all = await mutantsOf(area.folder)
const chosen = values.sample === '0' ? all : choose(all, Number(values.sample), Number(values.seed))
console.log(`${all.length} mutants in ${area.folder}; trying ${chosen.length}.`)

/** @type {string[]} */
const survivors = []
let done = 0
const waiting = [...chosen]
const benches = await Promise.all(Array.from({ length: Number(values.workers) }, () => Workbench.make(root)))
try {
  const reaching = await /** @type {Workbench} */ (benches[0]).findReaching(chosen, area.tests)
  await Promise.all(benches.map((bench) => work(bench, reaching)))
} finally {
  for (const bench of benches) await bench.remove()
}
for (const survivor of survivors.sort()) console.log(survivor)
const killed = chosen.length - survivors.length
console.log(`${killed} of ${chosen.length} were noticed: ${((100 * killed) / Math.max(1, chosen.length)).toFixed(1)} %`)

/** @param {string} folder */
async function mutantsOf(folder) {
  const names = await readdir(join(root, folder), { recursive: true })
  const found = []
  for (const name of names.filter((one) => one.endsWith('.js') && one.includes(values.file)).sort()) {
    const file = join(folder, name)
    const original = await readFile(join(root, file), 'utf8')
    for (const mutant of findMutants(original)) {
      const text = original.slice(mutant.start, mutant.end).replaceAll(/\s+/g, ' ')
      const place = `${file}:${mutant.line}`
      const mutated = original.slice(0, mutant.start) + mutant.replacement + original.slice(mutant.end)
      found.push({
        file,
        original,
        mutated,
        start: mutant.start,
        title: `${place}: ${text}  →  ${mutant.replacement.replaceAll(/\s+/g, ' ')}`,
      })
    }
  }
  return found
}

/** @param {Workbench} bench @param {Awaited<ReturnType<Workbench['findReaching']>>} reaching */
async function work(bench, reaching) {
  for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
    const tests = reaching.get(mutant) ?? []
    const verdict = await bench.judge(mutant, tests, area?.tests ?? [])
    if (verdict === 'survived') survivors.push(mutant.title)
    done++
    console.log(`${done}/${chosen.length} ${verdict} (of ${tests.length} tests) ${mutant.title}`)
  }
}

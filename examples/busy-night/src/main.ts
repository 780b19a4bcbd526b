import { parseArgs } from 'node:util'
import { startDemo } from './demo.ts'

const usage = `Usage: npm run demo -- --ui [--port N]

Keeps two nodes at work until Ctrl-C, with jobs that fail, are late, are tried again, paused, recovered and backfilled; kills
one of the nodes now and then; and prints the link to the dashboard.`

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  let port: number
  try {
    const options = {
      ui: { type: 'boolean' },
      port: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    } as const
    const { values } = parseArgs({ args: args.filter((one) => one !== '--'), options })
    if (values.help === true) {
      console.log(usage)
      return 0
    }
    port = Number(values.port ?? 0)
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      throw new Error(`--port is not a port number: ${values.port}.`)
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`)
    return 2
  }
  const ended = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
  })
  const demo = await startDemo(console.log, port)
  console.log(`The dashboard: ${demo.link}\nCtrl-C ends everything.`)
  await ended
  await demo.stop()
  return 0
}

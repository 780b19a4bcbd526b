import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { useScratch } from './ledger.ts'
import { type Ran, runCli } from './run-cli.ts'

const scratch = useScratch()

/** Starts `jobistemer ui`, calls `use` with its output, and ends the command with Ctrl-C. */
async function served(argv: readonly string[], use: (written: string) => Promise<void>): Promise<Ran> {
  let interrupt = (): void => undefined
  let resolve: (text: string) => void = () => undefined
  const written = new Promise<string>((found) => {
    resolve = found
  })
  const ran = runCli(['ui', ...argv], {
    now: null,
    env: { USER: 'ann' },
    interruptible: (how) => {
      interrupt = how
    },
    onWrite: (text) => {
      if (text.includes('http://')) resolve(text)
    },
  })
  try {
    await use(await Promise.race([written, ran.then(({ err }) => Promise.reject(new Error(err)))]))
  } finally {
    interrupt()
  }
  return ran
}

function linkIn(text: string): URL {
  return new URL(/http:\/\/\S+/.exec(text)?.[0] ?? '')
}

it('ui serves the dashboard at its secret link until Ctrl-C', async () => {
  const { place } = await scratch.ledger()
  let origin = ''
  const { code, err } = await served(['-s', place], async (text) => {
    expect(text).toContain(place)
    const link = linkIn(text)
    origin = link.origin
    expect(link.hostname).toBe('127.0.0.1')
    // Requests without the secret path receive 404.
    for (const path of ['/', '/api/jobs', `${link.pathname.slice(0, -2)}x/`]) {
      expect([path, (await fetch(`${origin}${path}`)).status]).toEqual([path, 404])
    }
    const page = await fetch(link)
    expect(await page.text()).toContain(`<title>${place.slice(0, 100)}</title>`)
    // The dashboard sets no cookie, because the browser would send it also to servers at other ports of this machine.
    expect(page.headers.get('set-cookie')).toBeNull()
    const jobs = await fetch(`${link}api/jobs?text=import`)
    expect(await jobs.json()).toMatchObject({ items: [{ name: 'import' }] })
    const headers = { 'content-type': 'application/json', 'x-jobistemer': '1' }
    const body = JSON.stringify({ job: 'import', reason: 'a move' })
    const paused = await fetch(`${link}api/pause`, { method: 'POST', headers, body })
    expect(await paused.json()).toMatchObject({ paused: { actor: 'ann', reason: 'a move' } })
  })
  expect({ code, err }).toEqual({ code: 0, err: 'Ctrl-C ends it.\n' })
  await expect(fetch(origin)).rejects.toThrow()
})

it('ui refuses requests whose Host header differs from the host of the dashboard’s link', async () => {
  const { place } = await scratch.ledger()
  await served(['-s', place], async (text) => {
    const { port, pathname } = linkIn(text)
    const statusOf = async (host: string): Promise<number | undefined> => {
      const asked = request({ host: '127.0.0.1', port, path: `${pathname}api/counts`, headers: { host } }).end()
      const [answer] = (await once(asked, 'response')) as [IncomingMessage]
      answer.resume()
      return answer.statusCode
    }
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1', `127.0.0.1:${Number(port) + 1}`]) {
      expect([host, await statusOf(host)]).toEqual([host, 421])
    }
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`])
      expect([host, await statusOf(host)]).toEqual([host, 200])
  })
})

it('ui --read-only refuses every action, and ui --json prints the address of the dashboard', async () => {
  const { place } = await scratch.ledger()
  const { out } = await served(['-s', place, '--read-only', '--json'], async (text) => {
    const link = linkIn(JSON.parse(text).url)
    const headers = { 'content-type': 'application/json', 'x-jobistemer': '1' }
    const refused = await fetch(`${link}api/pause`, { method: 'POST', headers, body: '{"job":"import"}' })
    expect([refused.status, await refused.json()]).toMatchObject([403, { error: { code: 'READ_ONLY' } }])
  })
  expect(JSON.parse(out)).toMatchObject({ storage: place, readOnly: true })
})

it('ui reports a port that is in use, and an invalid port', async () => {
  const { place } = await scratch.ledger()
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const { code, err } = await runCli(['ui', '-s', place, '--port', String(port)], { now: null })
  expect([code, err]).toEqual([2, expect.stringContaining('PORT_IN_USE')])
  await new Promise((resolve) => server.close(resolve))
  expect((await runCli(['ui', '-s', place, '--port', '70000'])).code).toBe(2)
})

it('ui reports an unavailable storage, and prints no link', async () => {
  const { code, out } = await runCli(['ui', '-s', 'sqlite:no-such-folder/jobs.db'], { now: null })
  expect({ code, out }).toEqual({ code: 3, out: '' })
})

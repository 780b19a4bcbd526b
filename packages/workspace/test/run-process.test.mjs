import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { capture } from '../runner/run-process.mjs'

/** @param {string} code @param {{ timeoutMs?: number }} [options] */
function node(code, options) {
  return capture(process.execPath, ['-e', code], options)
}

it('capture returns the output of a program on both streams, and its exit code', async () => {
  const result = await node('process.stdout.write("out "); process.stderr.write("err"); process.exitCode = 4')
  expect(result.exitCode).toBe(4)
  expect(result.ended).toBeUndefined()
  expect(result.output.split(' ').sort()).toEqual(['err', 'out'].sort())
})

it('capture gives a program an empty standard input', async () => {
  const { output } = await node('process.stdin.on("data", () => {}).on("end", () => console.log("ended"))')
  expect(output).toBe('ended\n')
})

it('capture returns the reason if a program cannot start', async () => {
  const { exitCode, ended } = await capture('jobistemer-no-such-program', [])
  expect(exitCode).toBe(1)
  expect(ended).toContain('could not be started')
})

it('capture returns the signal that ended a program', async () => {
  const { exitCode, ended } = await node('process.kill(process.pid, "SIGTERM")')
  expect({ exitCode, ended }).toEqual({ exitCode: 1, ended: 'was ended by SIGTERM' })
})

it('capture kills a program and its child processes after the timeout', async () => {
  const endless = 'setInterval(() => {}, 1000)'
  const child = `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(endless)}], { stdio: "inherit" })`
  // The output streams close only after the grandchild's end, so the end of this call shows that the grandchild was killed.
  const { ended } = await node(`${child}; ${endless}`, { timeoutMs: 300 })
  expect(ended).toBe('was killed after 0.3 s')
})

it('a runner that receives a signal ends the programs that it has started before it ends itself', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  const module = new URL('../runner/run-process.mjs', import.meta.url)
  const inner = `require("node:net").connect(${port}, "127.0.0.1"); setInterval(() => {}, 1000)`
  const outer = `import { capture } from ${JSON.stringify(module)}; capture(process.execPath, ["-e", ${JSON.stringify(inner)}])`
  const runner = spawn(process.execPath, ['--input-type=module', '-e', outer], { stdio: 'inherit' })
  const [connection] = await once(server, 'connection')
  const disconnected = once(connection.resume(), 'close')
  runner.kill('SIGTERM')
  await disconnected
  const [code] = runner.exitCode === null ? await once(runner, 'exit') : [runner.exitCode]
  expect(code).toBe(130)
})

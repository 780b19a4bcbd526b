import { readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import type { RedisServer } from '@jobistemer/test-servers'
import { sleep } from '../support/sleep.ts'
import { type ProxiedProcess, ProxiedServer } from './proxied-server.ts'
import type { StorageKind } from './storage-kind.ts'

// With this configuration acknowledged writes survive a SIGKILL of the Redis server.
export const durableRedis = { appendonly: 'yes', appendfsync: 'always' }

/** A private Redis behind a proxy, with its data in the run's folder. */
export const redis: StorageKind = {
  usualSkewMinutes: 5,
  secondsPerKill: 0.6,
  slowdown: 1,
  intervals: { pollInterval: 200, deadAfter: 1500 },
  async prepare(folder) {
    const { startRedis, startTcpProxy } = await import('@jobistemer/test-servers')
    const server = await startRedis({ config: durableRedis, directory: join(folder, 'redis') })
    const proxy = await startTcpProxy(server)
    const proxied = new LossyRedis(server, { server, proxy })
    return { location: `redis://${proxy.host}:${proxy.port}`, server: proxied, stop: () => proxied.stop() }
  },
  async open(location) {
    const { redisStorage } = await import('@jobistemer/storage-redis')
    return redisStorage({ url: location, prefix: 'torture' })
  },
}

/**
 * A Redis server that loses the end of its append-only file. A power cut has this effect on a server that does not flush to
 * disk.
 */
class LossyRedis extends ProxiedServer {
  readonly #server: RedisServer

  constructor(server: RedisServer, process: ProxiedProcess) {
    super([process])
    this.#server = server
  }

  async loseWrites(forMs: number): Promise<void> {
    const file = this.#appendOnlyFile()
    const { size } = statSync(file)
    await sleep(forMs)
    await this.#server.kill()
    // `size` is the length that the append-only file had at the beginning of this call. If Redis has begun a new file
    // since then, this method cuts nothing off.
    if (this.#appendOnlyFile() === file) truncateSync(file, size)
    await this.#server.restart()
  }

  #appendOnlyFile(): string {
    const folder = join(this.#server.directory, 'appendonlydir')
    const files = readdirSync(folder).filter((name) => name.endsWith('.incr.aof'))
    const numberOf = (name: string) => Number(/\.(\d+)\.incr\.aof$/.exec(name)?.[1])
    const last = files.sort((one, other) => numberOf(one) - numberOf(other)).at(-1)
    if (last === undefined) throw new Error(`Redis has no append-only file in ${folder}`)
    return join(folder, last)
  }
}

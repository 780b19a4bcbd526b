import type { DamagedText } from '@jobistemer/storage-conformance'
import { Redis } from 'ioredis'
import { bytesOfId } from '../src/ids.ts'
import { recordLayout, versionLayout } from '../src/layouts.ts'
import type { StorageArgument } from './fixtures/connect.mjs'

/** Overwrites a stored text directly in Redis. Supports only a single server. */
export async function damage({ url, prefix }: StorageArgument, damaged: DamagedText): Promise<void> {
  const client = new Redis(String(url))
  try {
    for (const key of await client.keysBuffer(`*${prefix}*`)) {
      if ((await client.type(key)) !== 'hash') continue
      if (damaged.part === 'definition') await damageVersion(client, key, damaged)
      else await damageDetails(client, key, damaged)
    }
  } finally {
    client.disconnect()
  }
}

async function damageVersion(
  client: Redis,
  key: Buffer,
  { job, version, text }: Extract<DamagedText, { readonly part: 'definition' }>,
): Promise<void> {
  const ending = Buffer.concat([Buffer.from('v:'), bytesOfId(job)])
  if (!key.subarray(-ending.length).equals(ending)) return
  const field = Buffer.alloc(4)
  field.writeUInt32LE(version)
  const stored = await client.hgetBuffer(key, field)
  if (stored === null) return
  const definitionAt = versionLayout.size + stored.readUInt32LE(versionLayout.at.fingerprintSize)
  await client.hset(key, field, Buffer.concat([stored.subarray(0, definitionAt), Buffer.from(text)]))
}

async function damageDetails(
  client: Redis,
  key: Buffer,
  { occurrence, text }: Extract<DamagedText, { readonly part: 'details' }>,
): Promise<void> {
  const field = bytesOfId(occurrence.id)
  const stored = await client.hgetBuffer(key, field)
  if (stored === null || stored.length < recordLayout.size) return
  const { at, size } = recordLayout
  const detailsAt = size + stored.readUInt32LE(at.ownerSize)
  const rest = stored.subarray(detailsAt + stored.readUInt32LE(at.detailsSize))
  const damaged = Buffer.concat([stored.subarray(0, detailsAt), Buffer.from(text), rest])
  damaged.writeUInt32LE(Buffer.byteLength(text), at.detailsSize)
  await client.hset(key, field, damaged)
}

import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/** Reports a storage whose data do not survive the end of the process or of the database server. */
export async function storageKeeps({ storage, warnings }: Survey): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  if (storage.capabilities.durability === 'none') {
    findings.push({
      code: 'STORAGE_FORGETS',
      severity: 'error',
      message: 'The storage keeps nothing beyond its process.',
      remedy: 'For jobs that must not be lost, use another storage.',
    })
  }
  for (const { fields, message } of warnings) {
    if (!('code' in fields) || fields.code !== 'REDIS_NOT_PERSISTENT') continue
    findings.push({
      code: 'REDIS_NOT_PERSISTENT',
      severity: 'error',
      message,
      remedy: 'CONFIG SET appendonly yes, and the same in redis.conf.',
    })
  }
  return findings
}

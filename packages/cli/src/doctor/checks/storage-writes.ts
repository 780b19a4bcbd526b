import { jobId } from '@jobistemer/core'
import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/**
 * Tests that the storage accepts writes: resumes a job that does not exist. The call changes nothing, but it needs the
 * same lock and access rights as every write.
 */
export async function storageWrites({ storage, now }: Survey): Promise<readonly Finding[]> {
  try {
    await storage.saveJobs({ now, changes: [{ kind: 'pause', id: jobId('jobistemer doctor looks'), paused: null }] })
    return []
  } catch (error) {
    return [
      {
        code: 'STORAGE_NOT_WRITABLE',
        severity: 'error',
        message: `The storage can be read, but not written: ${error instanceof Error ? error.message : String(error)}`,
        remedy:
          'Check the rights of this user, whether the disk is full, and whether another process keeps the storage locked. Nodes with the same rights run nothing.',
      },
    ]
  }
}

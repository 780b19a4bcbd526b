import { testEffort } from '../../workspace/test-effort.ts'

/** Whether what takes long is tried in all sizes and looks, and not only in some. */
export const isThorough: boolean = testEffort > 1

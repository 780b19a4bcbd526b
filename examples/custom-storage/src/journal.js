import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { JobistemerError } from '@jobistemer/core'

/** An append-only file of JSON lines. `append` returns after its entry is on the disk. */
export class Journal {
  /** @param {string} file */
  constructor(file) {
    this.file = file
    try {
      this.descriptor = openSync(file, 'a')
      syncFolder(file)
    } catch (cause) {
      throw this.error('STORAGE_UNREADABLE', 'the file cannot be opened', cause)
    }
  }

  /** Reads all entries, oldest first. Cuts off an incomplete last line, which was never acknowledged. @returns {any[]} */
  read() {
    const bytes = readFileSync(this.file)
    this.length = bytes.lastIndexOf(0x0a) + 1
    const lines = bytes.toString('utf8', 0, this.length).split('\n').slice(0, -1)
    try {
      const entries = lines.map((line) => JSON.parse(line))
      if (this.length < bytes.length) ftruncateSync(this.descriptor, this.length)
      return entries
    } catch (cause) {
      throw this.error('STORAGE_UNREADABLE', 'the file contains a line that is not JSON', cause)
    }
  }

  /**
   * Writes one entry, and returns when the entry is on the disk. If the write fails, the file is unchanged. @param
   * {unknown} entry
   */
  append(entry) {
    const bytes = Buffer.from(`${JSON.stringify(entry)}\n`)
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(this.descriptor, bytes, written)
      fdatasyncSync(this.descriptor)
      this.length += bytes.length
    } catch (cause) {
      ftruncateSync(this.descriptor, this.length)
      throw this.error('STORAGE_FAILED', 'the file could not be written, and contains no change of this call', cause)
    }
  }

  /**
   * Replaces all entries atomically: after a crash the file contains either all old or all new entries.
   * @param {unknown[]} entries
   */
  replaceAll(entries) {
    const draft = new Journal(`${this.file}.draft`)
    ftruncateSync(draft.descriptor, 0)
    for (const entry of entries) draft.append(entry)
    renameSync(draft.file, this.file)
    syncFolder(this.file)
    closeSync(this.descriptor)
    this.descriptor = draft.descriptor
    this.length = draft.length
  }

  close() {
    closeSync(this.descriptor)
  }

  length = 0

  /** @param {import('@jobistemer/core').ErrorCode} code @param {string} problem @param {unknown} [cause] */
  error(code, problem, cause) {
    const remedy =
      'Give a file that journalStorage() of this version made, or a new one in a folder that can be written.'
    return new JobistemerError(code, {
      message: `${this.file}: ${problem}.`,
      field: 'file',
      value: this.file,
      remedy,
      cause,
    })
  }
}

/** Flushes the folder of a new file, so that the file's name survives a power loss. @param {string} file */
function syncFolder(file) {
  const folder = openSync(dirname(file), 'r')
  fsyncSync(folder)
  closeSync(folder)
}

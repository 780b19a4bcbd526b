import {
  closeSync,
  existsSync,
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

/** An append-only file of JSON lines. A resolved `append` survives a power cut as far as the disk keeps its word. */
export class Journal {
  /** @param {string} file */
  constructor(file) {
    this.file = file
    const isNew = !existsSync(file)
    try {
      this.descriptor = openSync(file, 'a')
    } catch (cause) {
      throw unreadable(file, cause)
    }
    if (isNew) syncFolder(file)
    this.length = 0
    this.lines = 0
  }

  /**
   * Reads every entry, oldest first. A last line without its end was being written when the process died; its call
   * was never answered, so it is cut off.
   * @returns {unknown[]}
   */
  read() {
    const bytes = readFileSync(this.file)
    this.length = bytes.lastIndexOf(0x0a) + 1
    if (this.length < bytes.length) ftruncateSync(this.descriptor, this.length)
    const lines = bytes.toString('utf8', 0, this.length).split('\n').slice(0, -1)
    this.lines = lines.length
    try {
      return lines.map((line) => JSON.parse(line))
    } catch (cause) {
      throw unreadable(this.file, cause)
    }
  }

  /** Writes one entry and waits for the disk. When that fails the file is as it was. @param {string} line */
  append(line) {
    const bytes = Buffer.from(`${line}\n`)
    try {
      let written = 0
      while (written < bytes.length) written += writeSync(this.descriptor, bytes, written)
      fdatasyncSync(this.descriptor)
    } catch (cause) {
      ftruncateSync(this.descriptor, this.length)
      const isFull = /** @type {NodeJS.ErrnoException} */ (cause).code === 'ENOSPC'
      throw new JobistemerError(isFull ? 'STORAGE_FULL' : 'STORAGE_FAILED', {
        message: `The journal ${this.file} could not be written.`,
        remedy: 'Nothing of the call was kept. Make room or mend the disk, then repeat it.',
        cause,
      })
    }
    this.length += bytes.length
    this.lines += 1
  }

  /** Puts one line in place of all entries, in one step: a crash leaves the old file or the new one. @param {string} line */
  replaceAll(line) {
    const draft = `${this.file}.draft`
    const descriptor = openSync(draft, 'w')
    writeSync(descriptor, `${line}\n`)
    fsyncSync(descriptor)
    closeSync(descriptor)
    renameSync(draft, this.file)
    syncFolder(this.file)
    closeSync(this.descriptor)
    this.descriptor = openSync(this.file, 'a')
    this.length = Buffer.byteLength(line) + 1
    this.lines = 1
  }

  close() {
    closeSync(this.descriptor)
  }
}

/** Makes the name of a new file durable. @param {string} file */
function syncFolder(file) {
  const folder = openSync(dirname(file), 'r')
  fsyncSync(folder)
  closeSync(folder)
}

/** @param {string} file @param {unknown} cause */
function unreadable(file, cause) {
  return new JobistemerError('STORAGE_UNREADABLE', {
    message: `${file} is not a journal that can be read.`,
    field: 'file',
    value: file,
    remedy: 'Give a file that journalStorage() made, or one that does not exist yet, in a folder that can be written.',
    cause,
  })
}

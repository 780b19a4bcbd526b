import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DriverEvent, HistoryLine } from './history.ts'
import { hostTime } from './host-time.ts'
import { LineWriter, readLines } from './line-file.ts'
import type { StoredLedger } from './stored-ledger.ts'
import type { WitnessLine } from './witness.ts'

const lastLogLines = 40

/** The lines of witness and history. */
export interface RecordedLines {
  readonly witness: readonly WitnessLine[]
  readonly history: readonly HistoryLine[]
  /** Number of lines that a kill cut off. */
  readonly torn: number
}

/** The folder of a run: witness, history, the output of the nodes, and the data of a storage that keeps them there. */
export class Recording {
  readonly folder: string
  readonly witnessFile: string
  readonly historyFile: string
  readonly logFile: string
  /** The file descriptor for the output of the processes. */
  readonly logDescriptor: number
  readonly #history: LineWriter

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'jobistemer-torture-'))
    this.witnessFile = join(this.folder, 'witness.jsonl')
    this.historyFile = join(this.folder, 'history.jsonl')
    this.logFile = join(this.folder, 'nodes.log')
    this.#history = new LineWriter(this.historyFile)
    this.logDescriptor = openSync(this.logFile, 'a')
  }

  /** Records an action of the driver. */
  readonly record = (event: DriverEvent): void => {
    this.#history.write({ ...hostTime(), ...event })
  }

  read(): RecordedLines {
    const witness = readLines<WitnessLine>(this.witnessFile)
    const history = readLines<HistoryLine>(this.historyFile)
    return { witness: witness.lines, history: history.lines, torn: witness.torn + history.torn }
  }

  /** Adds the contents of the storage. Its server, if there is one, ends before a check can read the recording. */
  keepLedger({ jobs, occurrences }: StoredLedger): void {
    const lines = [...jobs, ...occurrences.values()].map((record) => `${JSON.stringify(record)}\n`)
    writeFileSync(join(this.folder, 'ledger.jsonl'), lines.join(''))
  }

  /** The last output of the nodes. It tells why one of them ended by itself. */
  lastLog(): string {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lastLogLines).join('\n')
  }

  close(options: { readonly remove: boolean }): void {
    this.#history.close()
    closeSync(this.logDescriptor)
    if (options.remove) rmSync(this.folder, { recursive: true, force: true })
  }
}

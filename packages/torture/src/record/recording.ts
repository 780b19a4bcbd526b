import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DriverEvent, HistoryLine } from './history.ts'
import { hostTime } from './host-time.ts'
import { LineWriter, readLines } from './line-file.ts'
import type { StoredLedger } from './stored-ledger.ts'
import type { WitnessLine } from './witness.ts'

const lastLogLines = 40

/** The recorded lines of a run. */
export interface RecordedLines {
  readonly witness: readonly WitnessLine[]
  readonly history: readonly HistoryLine[]
  /** Number of incomplete lines, which a kill cut off. */
  readonly torn: number
}

/** The folder of a run: the recorded lines, the output of the nodes, and the data of storages that use the folder. */
export class Recording {
  readonly folder: string
  readonly witnessFile: string
  readonly historyFile: string
  readonly logFile: string
  /** File descriptor for the output of the node processes. */
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

  /** Records an event of the driver. */
  readonly record = (event: DriverEvent): void => {
    this.#history.write({ ...hostTime(), ...event })
  }

  read(): RecordedLines {
    const witness = readLines<WitnessLine>(this.witnessFile)
    const history = readLines<HistoryLine>(this.historyFile)
    return { witness: witness.lines, history: history.lines, torn: witness.torn + history.torn }
  }

  /** Writes the final contents of the storage to the run's folder, because the storage's server stops at the end of the run. */
  keepLedger({ jobs, occurrences }: StoredLedger): void {
    const lines = [...jobs, ...occurrences.values()].map((record) => `${JSON.stringify(record)}\n`)
    writeFileSync(join(this.folder, 'ledger.jsonl'), lines.join(''))
  }

  /** Returns the last lines of the nodes' output, which explain why a process ended by itself. */
  lastLog(): string {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lastLogLines).join('\n')
  }

  close(options: { readonly remove: boolean }): void {
    this.#history.close()
    closeSync(this.logDescriptor)
    if (options.remove) rmSync(this.folder, { recursive: true, force: true })
  }
}

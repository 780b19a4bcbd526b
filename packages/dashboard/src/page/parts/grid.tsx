import { useEffect, useRef, useState } from 'preact/hooks'
import type { GridRun, TaskCell } from '../../wire.ts'
import { Link } from '../location.tsx'
import { duration, localTime } from '../times.ts'
import { Empty } from './loaded.tsx'
import { lookOf, StateIcon } from './state.tsx'
import { useZone } from './time.tsx'

interface GridProps {
  /** The newest first. */
  readonly runs: readonly GridRun[]
  /** As the job has them now; what ran under older versions comes after. */
  readonly tasks: readonly string[]
}

/** Slots from left to right, the newest on the right; tasks from top to bottom; in each cell how it ended, and in how many attempts. */
export function Grid({ runs, tasks }: GridProps) {
  const zone = useZone()
  const box = useRef<HTMLDivElement>(null)
  const [[row, column], setActive] = useState<readonly [number, number]>([0, runs.length - 1])
  const newest = runs[0]?.id
  useEffect(() => {
    // The newest are what is looked for.
    if (box.current !== null) box.current.scrollLeft = box.current.scrollWidth
  }, [newest === undefined])
  if (runs.length === 0) return <Empty>It has not run yet.</Empty>
  const shown = runs.toReversed()
  const names = [...new Set([...tasks, ...shown.flatMap((run) => run.tasks.map(({ name }) => name))])]
  const longest = Math.max(1, ...shown.map(tookMs))
  const activeColumn = Math.min(column, shown.length - 1)
  const move = (event: KeyboardEvent): void => {
    const steps: Readonly<Record<string, readonly [number, number]>> = {
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      Home: [0, -shown.length],
      End: [0, shown.length],
    }
    const step = steps[event.key]
    if (step === undefined) return
    event.preventDefault()
    const next = [within(row + step[0], names.length + 1), within(activeColumn + step[1], shown.length)] as const
    setActive(next)
    const id = `[data-cell="${next[0]} ${next[1]}"]`
    box.current?.querySelector<HTMLElement>(id)?.focus()
  }
  const tabIndexOf = (atRow: number, atColumn: number) => (atRow === row && atColumn === activeColumn ? 0 : -1)
  return (
    <div class="grid-box" ref={box} role="region" aria-label="Grid of slots and tasks">
      <div class="grid-inner">
        <table class="grid" role="grid" aria-label="Slots and tasks" onKeyDown={move}>
          <thead>
            <tr>
              <th scope="col" class="grid-corner">
                <span class="hidden-text">Task</span>
              </th>
              {shown.map((run, index) => (
                <th key={run.id} scope="col">
                  <Link
                    to="/run"
                    query={{ run: run.id }}
                    class="grid-bar"
                    data-cell={`0 ${index}`}
                    tabIndex={tabIndexOf(0, index)}
                    onFocus={() => setActive([0, index])}
                    aria-label={headOf(run, zone)}
                    title={headOf(run, zone)}
                  >
                    <Bar tone={lookOf(run.state).tone} share={tookMs(run) / longest} />
                  </Link>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {names.map((name, index) => (
              <tr key={name}>
                <th scope="row" title={name}>
                  <bdi>{name}</bdi>
                </th>
                {shown.map((run, at) => (
                  <td key={run.id}>
                    <Cell
                      run={run}
                      name={name}
                      cell={run.tasks.find((task) => task.name === name)}
                      place={`${index + 1} ${at}`}
                      tabIndex={tabIndexOf(index + 1, at)}
                      onFocus={() => setActive([index + 1, at])}
                    />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
        <p class="grid-span quiet">
          <span>{spanText(shown[0], zone)}</span>
          <span>{spanText(shown.at(-1), zone)}</span>
        </p>
      </div>
    </div>
  )
}

interface CellProps {
  readonly run: GridRun
  readonly name: string
  readonly cell: TaskCell | undefined
  readonly place: string
  readonly tabIndex: number
  readonly onFocus: () => void
}

function Cell({ run, name, cell, place, tabIndex, onFocus }: CellProps) {
  // A task that did not begin shows what became of its run, faintly.
  const state = cell?.state ?? run.state
  const said =
    cell === undefined
      ? `${name}: not begun, the run is ${lookOf(run.state).text}`
      : `${name}: ${lookOf(state).text}, ${cell.attempts} ${cell.attempts === 1 ? 'attempt' : 'attempts'}${cell.durationMs === null ? '' : `, ${duration(cell.durationMs)}`}`
  return (
    <Link
      to="/run"
      query={{ run: run.id, task: cell === undefined ? null : name }}
      class={`grid-cell tone-${lookOf(state).tone}${cell === undefined ? ' faint' : ''}`}
      data-cell={place}
      tabIndex={tabIndex}
      onFocus={onFocus}
      aria-label={said}
      title={said}
    >
      {cell !== undefined && cell.attempts > 1 ? <span>{cell.attempts}</span> : <StateIcon state={state} />}
    </Link>
  )
}

function Bar({ tone, share }: { readonly tone: string; readonly share: number }) {
  const size = Math.max(3, share * 40)
  return (
    <svg width="18" height="40" aria-hidden="true">
      <rect class={`fill-${tone}`} x="3" y={40 - size} width="12" height={size} rx="2" />
    </svg>
  )
}

function within(index: number, count: number): number {
  return Math.max(0, Math.min(count - 1, index))
}

function tookMs({ startedAt, finishedAt }: GridRun): number {
  return startedAt === null || finishedAt === null ? 0 : Date.parse(finishedAt) - Date.parse(startedAt)
}

function headOf(run: GridRun, zone: string | undefined): string {
  const { date, time, offset } = localTime(Date.parse(run.scheduledAt), zone)
  const took = run.finishedAt === null ? '' : `, took ${duration(tookMs(run))}`
  return `${date} ${time} ${offset}: ${lookOf(run.state).text}${took}`
}

function spanText(run: GridRun | undefined, zone: string | undefined): string {
  if (run === undefined) return ''
  const { date, time } = localTime(Date.parse(run.scheduledAt), zone)
  return `${date} ${time}`
}

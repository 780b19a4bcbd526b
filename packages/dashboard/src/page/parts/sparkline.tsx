import type { Bar } from '../../wire.ts'
import { duration } from '../times.ts'
import { lookOf } from './state.tsx'

const height = 24
const step = 6

/** Bars that show duration and outcome of a job's last runs, with the newest on the right. */
export function Sparkline({ bars }: { readonly bars: readonly Bar[] }) {
  if (bars.length === 0) return <span class="quiet">–</span>
  const longest = Math.max(1, ...bars.map(({ durationMs }) => durationMs ?? 0))
  const good = bars.filter(({ state }) => state === 'completed').length
  const last = bars.at(-1)?.durationMs
  const said = `${good} of the last ${bars.length} runs completed${last == null ? '' : `, the last took ${duration(last)}`}`
  return (
    <svg class="sparkline" width={bars.length * step} height={height} role="img" aria-label={said}>
      <title>{said}</title>
      {bars.map(({ id, state, durationMs }, index) => {
        const size = Math.max(3, ((durationMs ?? 0) / longest) * height)
        const tone = lookOf(state).tone
        return (
          <rect
            key={id}
            class={`fill-${tone}`}
            x={index * step}
            y={height - size}
            width={step - 2}
            height={size}
            rx="1"
          />
        )
      })}
    </svg>
  )
}

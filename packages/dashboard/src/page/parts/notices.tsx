import { after } from '../browser-clock.ts'
import { Store, useStore } from '../store.ts'

interface Notice {
  readonly id: number
  readonly text: string
  readonly isBad: boolean
}

const notices = new Store<readonly Notice[]>([])
let count = 0

/** Says what was done, for a while; screen readers read it out. */
export function notify(text: string, { isBad = false } = {}): void {
  const notice = { id: ++count, text, isBad }
  notices.value = [...notices.value, notice].slice(-4)
  after(isBad ? 15_000 : 7000, () => dismiss(notice.id))
}

function dismiss(id: number): void {
  notices.value = notices.value.filter((one) => one.id !== id)
}

export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {useStore(notices).map(({ id, text, isBad }) => (
        <div key={id} class={isBad ? 'notice bad' : 'notice'}>
          <span dir="auto">{text}</span>
          <button type="button" class="button ghost" aria-label="Dismiss" onClick={() => dismiss(id)}>
            ×
          </button>
        </div>
      ))}
    </div>
  )
}

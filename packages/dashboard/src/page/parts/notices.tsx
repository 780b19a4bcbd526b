import { after } from '../browser-clock.ts'
import { Store, useStore } from '../store.ts'

interface Notice {
  readonly id: number
  readonly text: string
  readonly isBad: boolean
  /** The subject of the notice, such as the name of a job; `null` without a subject. */
  readonly about: string | null
}

const notices = new Store<readonly Notice[]>([])
let count = 0

interface NotifyOptions {
  readonly isBad?: boolean
  /**
   * The subject of the notice, such as the name of a job. A notice replaces the previous notice about the same subject. For
   * example, when a user resumes a job, `is resumed` replaces `is paused`. A notice without a subject replaces no notice.
   */
  readonly about?: string
}

/** Displays the result of an action for 7 s, or a failure for 15 s. Screen readers announce the text. */
export function notify(text: string, { isBad = false, about }: NotifyOptions = {}): void {
  const notice = { id: ++count, text, isBad, about: about ?? null }
  const others = notices.value.filter((one) => one.about === null || one.about !== about)
  notices.value = [...others, notice].slice(-4)
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

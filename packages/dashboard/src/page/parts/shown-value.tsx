import type { Shown } from '../../wire.ts'
import { base } from '../base.ts'
import { pathOf, type Query } from '../request.ts'

interface ShownValueProps {
  readonly value: Shown
  readonly label: string
  /** The query in the link to the page that shows the whole value. */
  readonly whole?: Query
}

/** Shows a value as JSON. For a long value, shows the beginning and a link to the whole value. */
export function ShownValue({ value, label, whole }: ShownValueProps) {
  if (value.kind === 'hidden') return <p class="quiet">Hidden from you.</p>
  const text = value.kind === 'whole' ? JSON.stringify(value.value, null, 2) : `${value.text}…`
  return (
    <div class="shown">
      <pre tabIndex={0} role="group" aria-label={label} dir="auto">
        {text}
      </pre>
      {value.kind === 'beginning' && (
        <p class="quiet">
          The first {value.text.length.toLocaleString('en')} of {value.length.toLocaleString('en')} characters.{' '}
          {whole !== undefined && (
            <a href={`${base}${pathOf('/api/value', whole)}`} download>
              Save the whole
            </a>
          )}
        </p>
      )}
    </div>
  )
}

import type { ComponentChildren } from 'preact'
import { useId, useLayoutEffect, useRef } from 'preact/hooks'
import { change, usePlace } from '../location.tsx'

interface FilterField {
  readonly name: string
  readonly label: string
  readonly kind: 'search' | 'choice'
  readonly choices?: readonly (readonly [string, string])[]
}

interface FiltersProps {
  readonly fields: readonly FilterField[]
  readonly aside?: ComponentChildren
}

/** The filter fields of a list. The query of the page's address stores the values of the fields. */
export function Filters({ fields, aside }: FiltersProps) {
  const { query } = usePlace()
  const set = (name: string, value: string): void => change({ [name]: value, cursor: null }, { replaces: true })
  return (
    <div class="filters">
      <form role="search" aria-label="Filter" onSubmit={(event) => event.preventDefault()}>
        {fields.map((field) => (
          <FilterInput key={field.name} field={field} value={query[field.name] ?? ''} set={set} />
        ))}
      </form>
      {aside}
    </div>
  )
}

interface InputProps {
  readonly field: FilterField
  readonly value: string
  readonly set: (name: string, value: string) => void
}

function FilterInput({ field: { name, label, kind, choices = [] }, value, set }: InputProps) {
  const id = useId()
  const input = useRef<HTMLInputElement>(null)
  // Sets the text only when the address changes. With the property `value`, each new render would discard typed text.
  useLayoutEffect(() => {
    if (input.current !== null) input.current.value = value
  }, [value])
  return (
    <div class={`filter filter-${kind}`}>
      <label for={id}>{label}</label>
      {kind === 'search' ? (
        <input id={id} ref={input} type="search" onChange={(event) => set(name, event.currentTarget.value)} />
      ) : (
        <select id={id} value={value} onChange={(event) => set(name, event.currentTarget.value)}>
          {choices.map(([choice, text]) => (
            <option key={choice} value={choice}>
              {text}
            </option>
          ))}
        </select>
      )}
    </div>
  )
}

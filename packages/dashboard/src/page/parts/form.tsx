import { useId, useState } from 'preact/hooks'
import { RequestError } from '../request.ts'
import { instantOf } from '../times.ts'
import { useZone } from './time.tsx'

/** A field of a form. */
export interface Field {
  readonly name: string
  readonly label: string
  readonly kind: 'text' | 'number' | 'json' | 'instant' | 'choice' | 'flag'
  readonly hint?: string
  readonly value?: string
  readonly choices?: readonly (readonly [string, string])[]
  readonly required?: boolean
}

export type Values = Readonly<Record<string, unknown>>

interface FormProps {
  readonly fields: readonly Field[]
  readonly submit: string
  readonly isDangerous?: boolean
  /** The text of the button that closes the form. Default: `Cancel`. */
  readonly cancel?: string
  readonly onSubmit: (values: Values) => Promise<void>
  readonly onCancel: () => void
}

/** The form of an action. If the server rejects the value of a field, shows the error beside this field. */
export function ActionForm({ fields, submit, isDangerous = false, cancel = 'Cancel', onSubmit, onCancel }: FormProps) {
  const zone = useZone()
  const [error, setError] = useState<{ readonly field: string | null; readonly message: string } | null>(null)
  const [isBusy, setBusy] = useState(false)
  const send = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    if (isBusy) return
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const values: Record<string, unknown> = {}
    for (const field of fields) {
      const text = form.get(field.name)
      if (field.kind === 'flag') {
        if (text !== null) values[field.name] = true
        continue
      }
      if (typeof text !== 'string' || text.trim() === '') continue
      const value = fieldValueOf(field, text, zone)
      if (value === undefined) {
        setError({
          field: field.name,
          message: field.kind === 'json' ? 'This is not JSON.' : 'This is not an instant.',
        })
        return
      }
      values[field.name] = value
    }
    setBusy(true)
    setError(null)
    try {
      await onSubmit(values)
    } catch (problem) {
      const field = problem instanceof RequestError ? problem.field : null
      setError({ field, message: problem instanceof Error ? problem.message : String(problem) })
    }
    setBusy(false)
  }
  const isOfField = fields.some(({ name }) => isAbout(error?.field, name))
  return (
    <form class="form" onSubmit={send} noValidate>
      {fields.map((field) => (
        <FieldRow
          key={field.name}
          field={field}
          error={isAbout(error?.field, field.name) ? error?.message : undefined}
        />
      ))}
      {error !== null && !isOfField && (
        <p class="form-error" role="alert">
          {error.message}
        </p>
      )}
      <div class="form-foot">
        <button type="button" class="button" onClick={onCancel}>
          {cancel}
        </button>
        <button type="submit" class={isDangerous ? 'button danger' : 'button primary'} aria-disabled={isBusy}>
          {isBusy ? 'Working…' : submit}
        </button>
      </div>
    </form>
  )
}

function isAbout(field: string | null | undefined, name: string): boolean {
  return field === name || (field?.startsWith(`${name}.`) ?? false) || (field?.startsWith(`${name}[`) ?? false)
}

function fieldValueOf({ kind }: Field, text: string, zone: string | undefined): unknown {
  if (kind === 'instant') return instantOf(text, zone) ?? undefined
  if (kind === 'number') return Number(text)
  if (kind !== 'json') return text
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function FieldRow({ field, error }: { readonly field: Field; readonly error: string | undefined }) {
  const id = useId()
  const zone = useZone()
  const hint =
    field.kind === 'instant'
      ? [field.hint, `In the zone ${zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone}.`]
          .filter(Boolean)
          .join(' ')
      : field.hint
  const described = [hint !== undefined && `${id}-hint`, error !== undefined && `${id}-error`].filter(Boolean)
  const shared = {
    id,
    name: field.name,
    'aria-invalid': error !== undefined,
    ...(described.length > 0 && { 'aria-describedby': described.join(' ') }),
    ...(field.required === true && { 'aria-required': true }),
  }
  return (
    <div class={field.kind === 'flag' ? 'field flag' : 'field'}>
      <label for={id}>{field.label}</label>
      {field.kind === 'json' && <textarea {...shared} rows={4} spellcheck={false} defaultValue={field.value ?? ''} />}
      {field.kind === 'text' && <input {...shared} type="text" maxLength={255} defaultValue={field.value ?? ''} />}
      {field.kind === 'number' && <input {...shared} type="number" step="any" defaultValue={field.value ?? ''} />}
      {field.kind === 'instant' && (
        <input {...shared} type="datetime-local" step="1" defaultValue={field.value ?? ''} />
      )}
      {field.kind === 'flag' && <input {...shared} type="checkbox" />}
      {field.kind === 'choice' && (
        <select {...shared}>
          {(field.choices ?? []).map(([value, label]) => (
            <option key={value} value={value} selected={value === field.value}>
              {label}
            </option>
          ))}
        </select>
      )}
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error !== undefined && (
        <p class="form-error" id={`${id}-error`} role="alert">
          {error}
        </p>
      )}
    </div>
  )
}

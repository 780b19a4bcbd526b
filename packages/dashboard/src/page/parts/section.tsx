import type { ComponentChildren } from 'preact'
import { useEffect, useId } from 'preact/hooks'
import { title as dashboardTitle } from '../base.ts'

interface SectionProps {
  readonly title: string
  readonly aside?: ComponentChildren
  readonly children: ComponentChildren
}

export function Section({ title, aside, children }: SectionProps) {
  const id = useId()
  return (
    <section class="card" aria-labelledby={id}>
      <header class="card-head">
        <h2 id={id}>{title}</h2>
        {aside !== undefined && <div class="card-aside">{aside}</div>}
      </header>
      {children}
    </section>
  )
}

interface HeadingProps {
  readonly title: string
  /** Elements that replace the title, if the heading is more than text. */
  readonly children?: ComponentChildren
}

/** The heading of a page. The title of the heading is also the title of the browser window. */
export function Heading({ title, children }: HeadingProps) {
  useEffect(() => {
    document.title = `${title} · ${dashboardTitle}`
  }, [title])
  return (
    <h1 tabIndex={-1} dir="auto">
      {children ?? title}
    </h1>
  )
}

/** A list of names and values. Omits empty values. */
export function Facts({ of }: { readonly of: Readonly<Record<string, ComponentChildren>> }) {
  return (
    <dl class="facts">
      {Object.entries(of)
        .filter(([, value]) => value !== null && value !== undefined && value !== '')
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  )
}
